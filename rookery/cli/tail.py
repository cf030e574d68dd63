"""``rookery tail``: log in and print what arrives."""

import contextlib
import os
from typing import Annotated

import typer
from rich.markup import escape

from rookery.cli.console import err, out, run
from rookery.client import (
    Client,
    ClientError,
    Connected,
    Counts,
    Disconnected,
    More,
    Reset,
    Tweet,
    TweetCard,
    TweetDeleted,
    TweetEdited,
    TweetEvent,
    TweetUnavailable,
)


def tail(
    user: Annotated[
        str | None, typer.Argument(help="Username or email; not needed with a token.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(help="Password; asked for if neither it nor a token is given."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="Access token instead of a password; also from ROOKERY_TOKEN."),
    ] = None,
    url: Annotated[str, typer.Option(help="The server's address.")] = "http://127.0.0.1:8000",
    count: Annotated[int, typer.Option(min=0, max=100, help="Tweets to show first.")] = 10,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON.")
    ] = False,
) -> None:
    """Log in and print the home timeline as it grows, until Ctrl-C.

    Reconnects by itself and goes on exactly where it was.
    """
    given = token or os.environ.get("ROOKERY_TOKEN")
    if given is None:
        user = user or typer.prompt("Username or email")
        password = password or typer.prompt("Password", hide_input=True)
    run(_tail(url, user, password, given, count, as_json))


async def _tail(
    url: str,
    user: str | None,
    password: str | None,
    token: str | None,
    count: int,
    as_json: bool,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(url, token=token))
        if token is None:
            assert user is not None and password is not None
            names = {"email": user} if "@" in user else {"username": user}
            await client.log_in(password, device_name="rookery tail", **names)
            stack.push_async_callback(_log_out, client)
        async with client.stream(connection_events=True) as stream:
            # Connected first, so that nothing falls between the page and the stream.
            await stream.wait_connected()
            shown: set[str] = set()
            if not as_json and count:
                for tweet in reversed(await client.home(limit=count).first(count)):
                    shown.add(tweet.id)
                    _print_tweet(tweet)
            async for event in stream:
                if isinstance(event, TweetEvent) and event.tweet_id in shown:
                    continue
                if as_json:
                    out.print_json(data=_as_json(event), indent=None)
                else:
                    _print(event)


async def _log_out(client: Client) -> None:
    with contextlib.suppress(ClientError):
        await client.log_out()


def _print_tweet(tweet: Tweet | TweetCard, mark: str = "") -> None:
    out.print(
        f"[dim]{tweet.created_at:%H:%M:%S}[/dim] [cyan]@{tweet.author.username}[/cyan]"
        f" {mark}{escape(tweet.text or '(retweet)')}",
        soft_wrap=True,
    )


def _print(event: object) -> None:
    match event:
        case TweetEvent():
            _print_tweet(event.tweet)
        case TweetEdited():
            _print_tweet(event.tweet, "[yellow](edited)[/yellow] ")
        case TweetDeleted() | TweetUnavailable():
            out.print(f"[dim]tweet {event.tweet_id} was deleted[/dim]")
        case More():
            out.print(f"[yellow]{event.count} new tweets; too many to print[/yellow]")
        case Reset():
            err.print(f"[yellow]events were missed ({event.reason}); refetch home[/yellow]")
        case Connected():
            err.print("connected" + (", resumed" if event.resumed else ""), style="dim")
        case Disconnected():
            err.print(f"disconnected: {event.reason}; trying again", style="yellow")
        case Counts():
            pass


def _as_json(event: object) -> dict[str, object]:
    fields: dict[str, object] = {"type": type(event).__name__}
    if isinstance(event, TweetEvent | TweetEdited):
        return {**fields, "offset": event.offset, "tweet": event.raw}
    names = getattr(event, "__struct_fields__", ())
    return {**fields, **{name: getattr(event, name) for name in names}}
