"""A client as the protocol wants it, which holds the server to its promise."""

import asyncio
from collections.abc import Awaitable, Callable

from rookery.client import (
    Connected,
    Event,
    More,
    Reset,
    Stream,
    TweetDeleted,
    TweetEvent,
)

Refetch = Callable[[], Awaitable[list[int]]]


class Promise:
    """Checks one stream's events: each offset once and in order, or covered; each tweet once.

    `faults` says in words what was broken. `singly` are the tweets that came as events of the
    present epoch.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.resets = 0
        self.merged = 0
        self.resumptions = 0
        self.singly: list[int] = []
        self._epoch: str | None = None
        self._offset = 0

    def take(self, event: Event) -> bool:
        """Take note of an event; True if the client has to fetch home now."""
        if isinstance(event, Connected):
            if self._epoch is None:
                self._epoch, self._offset = event.epoch, event.offset
            elif event.resumed:
                self.resumptions += 1
                if (event.epoch, event.offset) != (self._epoch, self._offset):
                    self._fault(f"resumed at {event.offset} instead of {self._offset}")
            return False
        if isinstance(event, Reset):
            self.resets += 1
            self._epoch, self._offset, self.singly = event.epoch, event.offset, []
            return True
        if isinstance(event, More):
            self.merged += event.count
            if event.offset != self._offset + event.count:
                self._fault(f"{event.count} events merged up to {event.offset}")
            self._offset = event.offset
            return True
        offset = getattr(event, "offset", None)
        if offset is not None:
            if offset != self._offset + 1:
                self._fault(f"event {offset} after {self._offset}")
            self._offset = offset
        if isinstance(event, TweetEvent):
            self.singly.append(int(event.tweet_id))
        return False

    def _fault(self, text: str) -> None:
        self.faults.append(text)

    def check(self) -> None:
        """Raise if anything was broken.

        Raises:
            AssertionError: what it was.
        """
        doubled = len(self.singly) - len(set(self.singly))
        if doubled:
            self._fault(f"{doubled} tweets came twice")
        assert not self.faults, self.faults[:5]


class Reader:
    """Follows a stream and keeps what its user would see, fetching home where it is told to."""

    def __init__(self, stream: Stream, refetch: Refetch) -> None:
        """`stream` must have been made with ``connection_events=True``."""
        self.stream = stream
        self.promise = Promise()
        self.known: set[int] = set()
        self.came: list[int] = []
        """Every tweet event ever, resets or not."""
        self._refetch = refetch
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.stream:
            if self.promise.take(event):
                fetched = set(await self._refetch())
                self.known = fetched if isinstance(event, Reset) else self.known | fetched
            elif isinstance(event, TweetEvent):
                self.known.add(int(event.tweet_id))
                self.came.append(int(event.tweet_id))
            elif isinstance(event, TweetDeleted):
                self.known.discard(int(event.tweet_id))

    def cut(self) -> bool:
        """Break the connection off as a dead network would; False if there is none."""
        socket = self.stream._socket
        if socket is None or not self.stream.connected:
            return False
        socket.transport.abort()
        return True

    async def aclose(self) -> None:
        """End it; an error that ended the reading is raised."""
        if self._task.done():
            self._task.result()
        await self.stream.aclose()
        await self._task
