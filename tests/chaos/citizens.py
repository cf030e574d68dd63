"""People under load: each does one thing after the other and notes what was acknowledged."""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rookery.client import (
    ApiError,
    Client,
    ClientError,
    NotFound,
    Stream,
    Tweet,
    Unauthorized,
)
from tests.chaos.faults import Fault, doubled, leaked, lost, wrong
from tests.chaos.model import Model, Posted, Value
from tests.chaos.watching import Watcher
from tests.integration.server.world import PASSWORD, SOON, Person, World

T = TypeVar("T")

TIMEOUT_S = 6.0
"""So long a person waits for an answer, repetitions included."""
MOST_DEVICES = 3

WEIGHTS = {
    "post": 26,
    "reply": 10,
    "edit": 8,
    "delete": 6,
    "follow": 5,
    "unfollow": 5,
    "like": 12,
    "unlike": 5,
    "read_home": 12,
    "read_back": 5,
    "cut_stream": 3,
    "log_in": 2,
    "log_out": 2,
}
"""How often each is done."""


@dataclass
class LoggedOut:
    """A device that was told that it is logged out, and the tokens it had."""

    token: str
    refresh_token: str
    watcher: Watcher | None


@dataclass
class Town:
    """Everybody, what they did, and what they saw that must not be."""

    world: World
    model: Model = field(default_factory=Model)
    faults: list[Fault] = field(default_factory=list)
    citizens: list["Citizen"] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WEIGHTS, 0))
    failed: int = 0
    writes: int = 0

    def some_tweet(self, chance: random.Random) -> Posted | None:
        """A tweet that surely exists, of those that everybody knows; newer ones rather."""
        known = list(self.model.tweets.values())[-200:]
        alive = [each for each in known if each.must_exist]
        return chance.choice(alive) if alive else None


class Citizen:
    """Somebody with a client of their own, perhaps a stream, and further devices."""

    def __init__(self, town: Town, person: Person, client: Client, chance: random.Random) -> None:
        self.town = town
        self.person = person
        self.client = client
        self.id = person.id
        self.username = person.username
        self.steady: set[int] = set()
        """Whom they follow all the time."""
        self.loose: list[int] = []
        """Whom they follow and unfollow."""
        self.watcher: Watcher | None = None
        self.devices: list[tuple[Client, Watcher | None]] = []
        self.logged_out: list[LoggedOut] = []
        self.last_error: ClientError | None = None
        self._chance = chance
        self._numbers = 0

    @property
    def model(self) -> Model:
        return self.town.model

    async def live(self, until_s: Callable[[], bool], pace_s: float) -> None:
        """Do one thing after the other, one in `pace_s` on the average, until told to end."""
        names, weights = [*WEIGHTS], [*WEIGHTS.values()]
        await asyncio.sleep(self._chance.uniform(0, pace_s))
        while not until_s():
            began_s = time.monotonic()
            [name] = self._chance.choices(names, weights)
            await getattr(self, name)()
            self.town.done[name] += 1
            took_s = time.monotonic() - began_s
            await asyncio.sleep(max(0.0, self._chance.uniform(0.5, 1.5) * pace_s - took_s))

    async def _write(
        self,
        act: Callable[[], Awaitable[object]],
        acknowledged: Callable[[], object],
        doubted: Callable[[], object],
    ) -> bool:
        """Make a change and note what became of it; whether it was acknowledged."""
        self.town.writes += 1
        try:
            await act()
        except ClientError as error:
            self._failed(error)
            doubted()
            self.model.doubted += 1
            return False
        acknowledged()
        self.model.acknowledged += 1
        return True

    def _failed(self, error: ClientError) -> None:
        self.town.failed += 1
        self.last_error = error
        if isinstance(error, Unauthorized):
            self._fault(lost(f"{self.username} is logged in and was refused: {error}"))
        elif isinstance(error, ApiError) and error.status == 500:
            self._fault(wrong(f"{self.username} got an internal error: {error}"))

    def _fault(self, fault: Fault) -> None:
        self.town.faults.append(fault)

    # Writing

    async def post(self, parent: Posted | None = None) -> Posted | None:
        """Post a text that nobody else posts; the tweet if it was acknowledged."""
        self._numbers += 1
        text, key = f"{self.username} says {self._numbers}", str(uuid.uuid4())
        parent_id = parent.id if parent is not None else None
        posted = Posted(0, self.id, Value(text), key, text, parent_id)

        async def act() -> None:
            tweet = await self.client.post(text, reply_to=parent_id, idempotency_key=key)
            posted.id = int(tweet.id)

        def acknowledged() -> None:
            if posted.id in self.model.tweets:
                self._fault(doubled(f"two tweets have the id {posted.id}"))
            self.model.tweets[posted.id] = posted

        def doubted() -> None:
            posted.alive = Value(False)
            posted.alive.doubt(True)
            self.model.unanswered[text] = posted

        return posted if await self._write(act, acknowledged, doubted) else None

    async def reply(self) -> None:
        if (parent := self.town.some_tweet(self._chance)) is not None:
            await self.post(parent)

    def _own(self) -> Posted | None:
        own = [each for each in self.model.of_author(self.id) if each.must_exist]
        return self._chance.choice(own[-20:]) if own else None

    async def edit(self) -> None:
        if (tweet := self._own()) is None:
            return
        self._numbers += 1
        text = f"{self.username} corrects {self._numbers}"

        async def act() -> None:
            try:
                await self.client.edit_tweet(tweet.id, text)
            except NotFound:
                self._fault(lost(f"tweet {tweet.id} is not there to be edited"))
                raise

        await self._write(
            act,
            lambda: tweet.text.set(text),
            lambda: tweet.text.doubt(text),
        )

    async def delete(self) -> None:
        if (tweet := self._own()) is None:
            return

        async def act() -> None:
            # From now on nobody else may rely on it.
            tweet.alive.doubt(False)
            try:
                await self.client.delete_tweet(tweet.id)
            except NotFound:
                self._fault(lost(f"tweet {tweet.id} is not there to be deleted"))

        await self._write(act, lambda: self._deleted(tweet), lambda: None)

    @staticmethod
    def _deleted(tweet: Posted) -> None:
        tweet.alive = Value(False)

    async def follow(self) -> None:
        await self._set_follow(True)

    async def unfollow(self) -> None:
        await self._set_follow(False)

    async def _set_follow(self, follows: bool) -> None:
        fitting = [
            other
            for other in self.loose
            if self.model.edge(self.id, other).acknowledged is not follows
        ]
        if not fitting:
            return
        other = self._chance.choice(fitting)
        edge = self.model.edge(self.id, other)
        change = self.client.follow if follows else self.client.unfollow
        await self._write(
            lambda: change(other), lambda: edge.set(follows), lambda: edge.doubt(follows)
        )

    async def like(self) -> None:
        if (tweet := self.town.some_tweet(self._chance)) is None:
            return
        like = self.model.like(self.id, tweet.id)
        await self._write(
            lambda: self.client.like(tweet.id), lambda: like.set(True), lambda: like.doubt(True)
        )

    async def unlike(self) -> None:
        liked = [
            (tweet_id, like)
            for (user_id, tweet_id), like in self.model.likes.items()
            if user_id == self.id and like.acknowledged and self.model.tweets[tweet_id].must_exist
        ]
        if not liked:
            return
        tweet_id, like = self._chance.choice(liked)
        await self._write(
            lambda: self.client.unlike(tweet_id), lambda: like.set(False), lambda: like.doubt(False)
        )

    # Reading

    async def read_home(self) -> None:
        """Walk through home; whatever is going on, it is in order and holds each tweet once."""
        ids: list[int] = []
        try:
            async for tweet in self.client.home(limit=100):
                ids.append(int(tweet.id))
                known = self.model.tweets.get(ids[-1])
                if known is not None and not self._may_see(known.author_id):
                    self._fault(leaked(f"{self.username} sees a tweet of who is not followed"))
        except ClientError as error:
            self._failed(error)
        if len(ids) != len(set(ids)):
            self._fault(doubled(f"the home of {self.username} showed a tweet twice"))
        elif ids != sorted(ids, reverse=True):
            self._fault(wrong(f"the home of {self.username} was out of order"))

    def _may_see(self, author_id: int) -> bool:
        return author_id == self.id or author_id in self.steady or author_id in self.loose

    async def read_back(self) -> None:
        """What was acknowledged can be read at once."""
        tweet = self._own()
        if tweet is None:
            return
        try:
            read = await self.client.tweet(tweet.id)
        except NotFound:
            self._fault(lost(f"tweet {tweet.id} was acknowledged and cannot be read"))
        except ClientError as error:
            self._failed(error)
        else:
            if int(read.id) != tweet.id or int(read.author.id) != self.id:
                self._fault(wrong(f"tweet {tweet.id} was asked for, {read.id} answered"))

    # Devices and streams

    async def watch(self, client: Client | None = None) -> Watcher:
        """Open a stream, which need not be live yet."""
        client = client or self.client
        encoding = self._chance.choice(("msgpack", "msgpack", "json"))
        stream: Stream = client.stream(
            encoding="json" if encoding == "json" else "msgpack",
            settings=SOON,
            connection_events=True,
        )
        watcher = Watcher(stream, lambda: until_answered(lambda: whole_home(self.client)))
        self.town.world.stack.push_async_callback(watcher.aclose)
        return watcher

    async def cut_stream(self) -> None:
        if self.watcher is not None:
            self.watcher.cut()

    async def log_in(self) -> None:
        """Sign in on one more device, half of which open a stream."""
        if len(self.devices) >= MOST_DEVICES:
            return
        client = await self.town.world.client(timeout_s=TIMEOUT_S)
        try:
            await client.log_in(PASSWORD, username=self.username, device_name="more")
        except ClientError as error:
            self._failed(error)
            return
        watcher = await self.watch(client) if self._chance.random() < 0.5 else None
        self.devices.append((client, watcher))

    async def log_out(self) -> None:
        if not self.devices:
            return
        client, watcher = self.devices.pop(0)
        token, refresh_token = client.token, client.refresh_token
        assert token is not None and refresh_token is not None
        gone = LoggedOut(token, refresh_token, watcher)
        # Without an answer it may be logged out or not; either is right.
        await self._write(client.log_out, lambda: self.logged_out.append(gone), lambda: None)


async def until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer."""
    while True:
        try:
            return await ask()
        except ClientError:
            await asyncio.sleep(0.1)


async def whole_home(client: Client) -> list[Tweet]:
    """All of a home timeline, page by page."""
    return [tweet async for tweet in client.home(limit=100)]
