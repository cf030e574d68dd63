"""``rookery tail``: log in and print what arrives."""

import contextlib
import os
from typing import Annotated, Any, assert_never

import msgspec
import typer

from rookery.cli.addresses import UrlOption, server_url
from rookery.cli.catching_up import CatchUp
from rookery.cli.console import ConfigOption, DataOption, ask, err, out, run
from rookery.cli.tweet_lines import tweet_lines
from rookery.client import (
    Client,
    ClientError,
    Connected,
    Counts,
    Disconnected,
    Event,
    More,
    PushedTweet,
    Reset,
    Tweet,
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
    url: UrlOption = None,
    count: Annotated[int, typer.Option(min=0, max=100, help="Tweets to show first.")] = 10,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Log in and print the home timeline as it grows, until Ctrl-C.

    Reconnects by itself and goes on where it was. Where the server does not know what was missed
    (it was restarted), home is read from there on, so that no tweet is missing or printed twice.
    """
    given = token or os.environ.get("ROOKERY_TOKEN")
    if given is None:
        user = user or ask("Username or email")
        password = password or ask("Password", secret=True)

    async def start() -> None:
        await _tail(await server_url(url, data, config), user, password, given, count, as_json)

    run(start())


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
        else:
            await client.me()  # or a wrong address or token would be tried for ever
        printed = Printer(as_json)
        missed = CatchUp(client.home, _say)
        async with client.stream(connection_events=True) as stream:
            async for event in stream:
                await _take(event, printed, missed, count)


async def _take(event: Event, printed: "Printer", missed: CatchUp, count: int) -> None:
    """Print an event, and what it says is missing."""
    if isinstance(event, TweetEvent):
        if missed.is_new(event.tweet_id):
            printed.event(event)
        return
    printed.event(event)
    # Connected first, so that nothing falls between the page and the stream.
    if isinstance(event, Connected) and not missed.has_begun:
        for tweet in await missed.begin(count):
            if not printed.as_json:
                printed.tweet(tweet)
    elif isinstance(event, Reset | More):
        for tweet in await missed.fetch():
            printed.fetched(tweet)


def _say(what: str) -> None:
    err.print(what, style="yellow")


async def _log_out(client: Client) -> None:
    with contextlib.suppress(ClientError):
        await client.log_out()


class Printer:
    """Prints events: for people, or as JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def tweet(self, tweet: Tweet | PushedTweet, mark: str = "") -> None:
        for each in tweet_lines(tweet, mark):
            out.print(each)

    def fetched(self, tweet: Tweet) -> None:
        """Print a tweet whose event was missed."""
        if self.as_json:
            raw = msgspec.to_builtins(tweet)
            out.json({"type": "TweetEvent", "offset": None, "tweet": raw})
        else:
            self.tweet(tweet)

    def event(self, event: Event) -> None:
        if self.as_json:
            out.json(_as_json(event))
            return
        match event:
            case TweetEvent():
                self.tweet(event.tweet)
            case TweetEdited():
                self.tweet(event.tweet, "(edited) ")
            case TweetDeleted() | TweetUnavailable():
                out.print(f"tweet {event.tweet_id} was deleted", style="dim")
            case More():
                _say(f"{event.count} events came at once; reading home")
            case Reset():
                _say(f"events were missed ({event.reason}); reading home")
            case Connected():
                err.print("connected" + (", resumed" if event.resumed else ""), style="dim")
            case Disconnected():
                _say(f"disconnected: {event.reason}; trying again")
            case Counts():
                pass
            case _:
                assert_never(event)


def _as_json(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": type(event).__name__}
    if isinstance(event, TweetEvent | TweetEdited):
        return {**fields, "offset": event.offset, "tweet": event.raw}
    names = getattr(event, "__struct_fields__", ())
    return {**fields, **{name: getattr(event, name) for name in names}}
