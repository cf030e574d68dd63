"""Streams under observation: what their users were told, and whether the promise was kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from rookery.client import (
    Disconnected,
    Event,
    More,
    Reset,
    Stream,
    StreamClosed,
    Tweet,
    TweetDeleted,
    TweetEdited,
    TweetEvent,
)
from tests.chaos.faults import Fault, doubled, wrong
from tests.integration.server.reader import Promise

Refetch = Callable[[], Awaitable[list[Tweet]]]
BREACH = "the server broke the protocol"
Heard: TypeAlias = TweetEvent | TweetEdited | TweetDeleted


class Note(NamedTuple):
    """What was heard when, by `time.monotonic`."""

    at_s: float
    event: Heard


class Watcher:
    """Reads a stream as its user's client would, fetching home where it is told to.

    `shown` is what the user sees: the text of each tweet, by its id.
    """

    def __init__(self, stream: Stream, refetch: Refetch) -> None:
        """`stream` must have been made with ``connection_events=True``."""
        self.stream = stream
        self.promise = Promise()
        self.shown: dict[int, str] = {}
        self.told: list[int] = []
        """Every tweet event ever, resets or not."""
        self.heard: list[Note] = []
        self.closed: StreamClosed | None = None
        self.cuts = 0
        self.breaches: list[str] = []
        self._versions: dict[int, int] = {}
        self._refetch = refetch
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for event in self.stream:
                if self.promise.take(event):
                    await self._fetch()
                else:
                    self._take(event)
        except StreamClosed as closed:
            self.closed = closed

    async def _fetch(self) -> None:
        tweets = await self._refetch()
        self._versions = {int(tweet.id): tweet.version for tweet in tweets}
        self.shown = {int(tweet.id): tweet.text for tweet in tweets}

    def _take(self, event: Event) -> None:
        if isinstance(event, Heard):
            self.heard.append(Note(time.monotonic(), event))
        if isinstance(event, TweetEvent | TweetEdited):
            tweet_id = int(event.tweet_id)
            if isinstance(event, TweetEvent):
                self.told.append(tweet_id)
            elif tweet_id not in self.shown:
                return  # of before this stream began
            # A card that was fetched may be newer than an event that was on its way.
            if event.raw["version"] >= self._versions.get(tweet_id, 0):
                self._versions[tweet_id] = event.raw["version"]
                self.shown[tweet_id] = event.raw["text"]
        elif isinstance(event, TweetDeleted):
            self.shown.pop(int(event.tweet_id), None)
        elif isinstance(event, Disconnected):
            self.cuts += 1
            if event.reason.startswith(BREACH):
                self.breaches.append(event.reason)
        else:
            assert not isinstance(event, More | Reset)  # `take` asked to fetch

    def cut(self) -> bool:
        """Break the connection off as a dead network would; False if there is none."""
        socket = self.stream._socket
        if socket is None or not self.stream.connected:
            return False
        socket.transport.abort()
        return True

    def faults(self, whose: str) -> list[Fault]:
        """What the stream itself showed to be broken."""
        found = [wrong(f"stream of {whose}: {text}") for text in self.promise.faults]
        found += [wrong(f"stream of {whose}: {text}") for text in self.breaches]
        again = len(self.promise.singly) - len(set(self.promise.singly))
        if again:
            found.append(doubled(f"stream of {whose}: {again} tweets came twice"))
        return found

    async def aclose(self) -> None:
        """End it; an error that ended the reading is raised."""
        if self._task.done():
            self._task.result()
        await self.stream.aclose()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
