"""``rookery demo``: a small lively network, so that a first look shows something."""

import asyncio
import contextlib
import random
import shlex
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.live import Live

from rookery.cli.addresses import UrlOption, server_url
from rookery.cli.console import ConfigOption, DataOption, err, out, run, table
from rookery.cli.terminal import Rows
from rookery.cli.tweet_lines import summary
from rookery.client import (
    ApiError,
    Client,
    Conflict,
    ConnectionFailed,
    Stream,
    TooManyRequests,
    TweetEvent,
    Unauthorized,
)
from rookery.errors import Conflict as Taken

P = ParamSpec("P")
T = TypeVar("T")

NAMES = (
    "ada", "bruno", "chika", "dario", "elif", "farah", "goran", "hana", "igor", "jun", "kaya",
    "lena", "mateo", "nia", "omar", "priya",
)  # fmt: skip
PASSWORD = "correct horse battery"
MOST_NUMBERS = 99
LONGEST_WAIT_S = 120.0
SHOWN_ROWS = 15
TOPICS = (
    "coffee", "rain", "chess", "cycling", "python", "tea", "astronomy", "poetry", "music", "bread",
)  # fmt: skip
"""Words that take a verb in the singular."""
OPENERS = (
    "Nothing beats {topic} in the morning #{topic}",
    "@{other} have you seen the news about {topic}?",
    "I could talk about {topic} all day, @{other} knows",
    "Unpopular opinion: {topic} is overrated #{topic}",
    "Reading about {topic} again… #{topic} #today",
    "Who is up for {topic} tonight? @{other}?",
)
COMMENTS = ("This!", "Worth reading", "I keep coming back to this", "Told you so")
REPLIES = ("Absolutely!", "Not so sure about that.", "Ha, tell me more", "Count me in", "+1")


def demo(
    url: UrlOption = None,
    people: Annotated[int, typer.Option(min=2, max=len(NAMES), help="How many people.")] = 10,
    minutes: Annotated[
        float,
        typer.Option(min=0.05, max=1_000_000, help="How long they go on."),
    ] = 5.0,
    rate: Annotated[
        float,
        typer.Option(min=0.1, max=50, help="Actions a second, all over."),
    ] = 2.0,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Let some people sign up on a running server, follow each other, post, reply, like, retweet
    and quote.

    Prints what one of them sees arrive live, and how to look at it yourself. Run it again and the
    same people go on. Nobody else's account is touched: where a name is taken, the demo's person
    gets a number behind it.
    """

    async def start() -> None:
        await _demo(await server_url(url, data, config), people, minutes, rate)

    run(start())


async def _demo(url: str, people: int, minutes: float, rate: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[str, Client] = {}
        with err.status(f"{people} people sign up (hashing passwords takes a moment) …"):
            for name in NAMES[:people]:
                client = await stack.enter_async_context(Client(url))
                clients[await enter(client, name)] = client
        draw = random.Random()
        await _follow(clients, people // 2, draw)
        viewer = next(iter(clients))
        _introduce(clients, viewer, url)
        crowd = Crowd(clients, draw)
        async with clients[viewer].stream() as stream:
            await _show(stream, viewer, crowd.act(minutes * 60, rate))
        out.print(
            f"{crowd.posts} posts, {crowd.replies} replies, {crowd.retweets} retweets, "
            f"{crowd.quotes} quotes, {crowd.likes} likes. They stay; run it again for more."
        )


async def enter(client: Client, name: str) -> str:
    """Sign somebody up, or log in who was signed up by an earlier demo; the username.

    The demo's people are told by their e-mail addresses. So a password is never tried on the
    account of somebody who only has the same name.
    """
    for number in range(1, MOST_NUMBERS + 1):
        username = name if number == 1 else f"{name}{number}"
        email = f"{username}@demo.example"
        try:
            await _when_allowed(
                client.sign_up, email=email, username=username, password=PASSWORD, name=name.title()
            )
        except Conflict:
            try:
                session = await _when_allowed(
                    client.log_in, PASSWORD, email=email, device_name="demo"
                )
            except Unauthorized:
                continue  # somebody else's name
            username = session.user.username
        if username != name:
            err.print(f"there is another {name}; the demo's is {username}", style="dim")
        return username
    raise Taken(f"the names {name} to {name}{MOST_NUMBERS} are all taken on this server")


async def _when_allowed(
    request: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **options: P.kwargs
) -> T:
    """Make a request, waiting where the server's limits ask for it."""
    until_s = time.monotonic() + LONGEST_WAIT_S
    while True:
        try:
            return await request(*arguments, **options)
        except TooManyRequests as error:
            wait_s = error.retry_after_s or 1.0
            if time.monotonic() + wait_s > until_s:
                raise
            err.print(f"the server's limit asks to wait {wait_s:.0f} s", style="dim")
            await asyncio.sleep(wait_s)


async def _follow(clients: dict[str, Client], each: int, draw: random.Random) -> None:
    """Everybody follows some of the others, and the first one all."""
    ids = {name: (await client.me()).id for name, client in clients.items()}
    viewer = next(iter(clients))
    for name, client in clients.items():
        others = [other for other in clients if other != name]
        for other in others if name == viewer else draw.sample(others, min(each, len(others))):
            await _when_allowed(client.follow, ids[other])


def _introduce(clients: dict[str, Client], viewer: str, url: str) -> None:
    command = shlex.join(["rookery", "tail", viewer, "--password", PASSWORD, "--url", url])
    out.print(f"{len(clients)} people are there: {', '.join(clients)} (password: “{PASSWORD}”).")
    out.print(f"See what {viewer} sees:  {command}", soft_wrap=True)
    out.print("Below it is live, too. Ctrl-C ends it.")


class Crowd:
    """People who act at random."""

    def __init__(self, clients: dict[str, Client], draw: random.Random) -> None:
        self._clients = clients
        self._draw = draw
        self._recent: list[str] = []
        self.posts = self.replies = self.retweets = self.quotes = self.likes = 0

    async def act(self, seconds: float, rate: float) -> None:
        """Act for some time, `rate` times a second in the mean."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            name = self._draw.choice(list(self._clients))
            try:
                await self._one(name, self._clients[name])
            except (ApiError, ConnectionFailed) as error:
                err.print(f"{name}: {error}", style="yellow")
            await asyncio.sleep(self._draw.expovariate(rate))

    async def _one(self, name: str, client: Client) -> None:
        choice = self._draw.random()
        if not self._recent or choice >= 0.65:
            other = self._draw.choice([o for o in self._clients if o != name])
            text = self._draw.choice(OPENERS).format(topic=self._draw.choice(TOPICS), other=other)
            tweet = await client.post(text)
            self.posts += 1
        else:
            target = self._draw.choice(self._recent)
            if choice < 0.35:
                await client.like(target)
                self.likes += 1
                return
            if choice < 0.45:
                await client.retweet(target)
                self.retweets += 1
                return
            if choice < 0.5:
                tweet = await client.retweet(target, self._draw.choice(COMMENTS))
                self.quotes += 1
            else:
                tweet = await client.post(self._draw.choice(REPLIES), reply_to=target)
                self.replies += 1
        self._recent = [*self._recent[-30:], tweet.id]


async def _show(stream: Stream, viewer: str, acting: Coroutine[Any, Any, None]) -> None:
    """Show the stream while `acting` goes on; whatever ends first ends both."""
    rows: list[tuple[str, str, str]] = []
    with Live(_table(viewer, rows), console=out, refresh_per_second=4) as live:

        async def read() -> None:
            async for event in stream:
                if isinstance(event, TweetEvent):
                    tweet = event.tweet
                    time = f"{tweet.created_at:%H:%M:%S}"
                    rows.append((time, tweet.author.username, summary(tweet)))
                    live.update(_table(viewer, rows[-SHOWN_ROWS:]))

        tasks = [asyncio.create_task(acting), asyncio.create_task(read())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()


def _table(viewer: str, rows: list[tuple[str, str, str]]) -> Rows:
    shown = table(
        "time (UTC)", "who", "says", title=f"{viewer}'s home, live", styles=("dim", "cyan")
    )
    for row in rows:
        shown.add(*row)
    return shown
