"""``rookery demo``: a small lively network, so that a first look shows something."""

import asyncio
import contextlib
import random
import time
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from rookery.cli.console import err, out, run
from rookery.client import ApiError, Client, Conflict, TweetEvent

NAMES = (
    "ada", "bruno", "chika", "dario", "elif", "farah", "goran", "hana", "igor", "jun", "kaya",
    "lena", "mateo", "nia", "omar", "priya",
)  # fmt: skip
PASSWORD = "correct horse battery"
TOPICS = ("coffee", "rain", "chess", "trains", "python", "tea", "birds", "maps", "music", "bread")
OPENERS = (
    "Nothing beats {topic} in the morning #{topic}",
    "@{other} have you seen the news about {topic}?",
    "I could talk about {topic} all day, @{other} knows",
    "Unpopular opinion: {topic} is overrated #{topic}",
    "Reading about {topic} again… #{topic} #today",
    "Who is up for {topic} tonight? @{other}?",
)
REPLIES = ("Absolutely!", "Not so sure about that.", "Ha, tell me more", "Count me in", "+1")


def demo(
    url: Annotated[str, typer.Option(help="The server's address.")] = "http://127.0.0.1:8000",
    people: Annotated[int, typer.Option(min=2, max=len(NAMES), help="How many people.")] = 10,
    minutes: Annotated[float, typer.Option(min=0.05, help="How long they go on.")] = 5.0,
    rate: Annotated[float, typer.Option(min=0.1, max=50, help="Actions a second, all over.")] = 2.0,
) -> None:
    """Let some people sign up on a running server, follow each other, post, reply and like.

    Prints what one of them sees arrive live, and how to look at it yourself. Run it again and the
    same people go on.
    """
    run(_demo(url, people, minutes, rate))


async def _demo(url: str, people: int, minutes: float, rate: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(url)) for name in NAMES[:people]}
        with err.status(f"{people} people sign up (hashing passwords takes a moment) …"):
            for name, client in clients.items():
                await _enter(client, name)
        ids = {name: (await client.me()).id for name, client in clients.items()}
        draw = random.Random()
        for name, client in clients.items():
            for other in draw.sample([o for o in clients if o != name], people // 2):
                await client.follow(ids[other])
        viewer = NAMES[0]
        for other in clients:
            if other != viewer:
                await clients[viewer].follow(ids[other])
        out.print(
            f"{people} people are there: {', '.join(clients)} (password: “{PASSWORD}”).\n"
            f"See what {viewer} sees:  rookery tail {viewer} --password '{PASSWORD}' --url {url}\n"
            "Below it is live, too. Ctrl-C ends it.",
            soft_wrap=True,
        )
        crowd = Crowd(clients, draw)
        acting = asyncio.create_task(crowd.act(minutes * 60, rate))
        try:
            await _show(clients[viewer], viewer, acting)
        finally:
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)
        out.print(
            f"{crowd.posts} posts, {crowd.replies} replies, {crowd.likes} likes. They stay;"
            " run it again for more."
        )


async def _enter(client: Client, name: str) -> None:
    try:
        await client.sign_up(
            email=f"{name}@demo.example", username=name, password=PASSWORD, name=name.title()
        )
    except Conflict:
        await client.log_in(PASSWORD, username=name, device_name="demo")


class Crowd:
    """People who act at random."""

    def __init__(self, clients: dict[str, Client], draw: random.Random) -> None:
        self._clients = clients
        self._draw = draw
        self._recent: list[str] = []
        self.posts = self.replies = self.likes = 0

    async def act(self, seconds: float, rate: float) -> None:
        """Post, reply and like for some time, at `rate` actions a second in the mean."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            name = self._draw.choice(list(self._clients))
            try:
                await self._one(name, self._clients[name])
            except ApiError as error:
                err.print(f"[yellow]{name}: {error}[/yellow]")
            await asyncio.sleep(self._draw.expovariate(rate))

    async def _one(self, name: str, client: Client) -> None:
        choice = self._draw.random()
        if self._recent and choice < 0.35:
            await client.like(self._draw.choice(self._recent))
            self.likes += 1
            return
        if self._recent and choice < 0.5:
            target = self._draw.choice(self._recent)
            tweet = await client.post(self._draw.choice(REPLIES), reply_to=target)
            self.replies += 1
        else:
            other = self._draw.choice([o for o in self._clients if o != name])
            text = self._draw.choice(OPENERS).format(topic=self._draw.choice(TOPICS), other=other)
            tweet = await client.post(text)
            self.posts += 1
        self._recent = [*self._recent[-30:], tweet.id]


async def _show(client: Client, viewer: str, acting: asyncio.Task[None]) -> None:
    rows: list[tuple[str, str, str]] = []
    async with client.stream() as stream:
        with Live(_table(viewer, rows), console=out, refresh_per_second=4) as live:
            reading = asyncio.create_task(anext(stream))
            while True:
                await asyncio.wait([reading, acting], return_when=asyncio.FIRST_COMPLETED)
                if acting.done():
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
                    return
                event = reading.result()
                if isinstance(event, TweetEvent):
                    tweet = event.tweet
                    rows.append((f"{tweet.created_at:%H:%M:%S}", tweet.author.username, tweet.text))
                    live.update(_table(viewer, rows[-15:]))
                reading = asyncio.create_task(anext(stream))


def _table(viewer: str, rows: list[tuple[str, str, str]]) -> Table:
    table = Table(title=f"{viewer}'s home, live", box=None, title_justify="left")
    table.add_column("time (UTC)", style="dim")
    table.add_column("who", style="cyan")
    table.add_column("says")
    for row in rows:
        table.add_row(*row)
    return table
