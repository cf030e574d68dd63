"""Where events wait between the task that reads them and the one that iterates.

Knows the position after what was taken out, which is what an application has seen.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from rookery.client.events import Connected, Counts, Disconnected, Event, Reset, TweetEvent
from rookery.client.position import Position


class Inbox:
    """A queue with one writer and one reader, in which about `capacity` events wait.

    `put` takes more than that: a writer that finds the inbox `full` is to stop until it is empty.
    Without `connection_events`, those serve only to know the position.
    """

    def __init__(self, position: Position | None, capacity: int, connection_events: bool) -> None:
        self._epoch = None if position is None else position.epoch
        self._offset = -1 if position is None else position.offset
        self._capacity = capacity
        self._connection_events = connection_events
        self._queue: deque[Event] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._when_empty: Callable[[], None] | None = None
        self._end: BaseException | None = None

    @property
    def position(self) -> Position | None:
        """After the last event that was taken out; None if none is known yet."""
        return None if self._epoch is None else Position(self._epoch, self._offset)

    def put(self, event: Event) -> None:
        """Add an event; of several `Disconnected` in a row the last stays."""
        if isinstance(event, Disconnected):
            if not self._connection_events:
                return
            if self._queue and isinstance(self._queue[-1], Disconnected):
                self._queue.pop()
        self._queue.append(event)
        self._wake()

    @property
    def full(self) -> bool:
        """Whether the writer is to stop."""
        return len(self._queue) >= self._capacity

    def when_empty(self, act: Callable[[], None]) -> None:
        """Call `act` once, when the reader has taken out everything."""
        self._when_empty = act

    def end(self, error: BaseException) -> None:
        """Let the reader take what is there, and then raise `error`; the first one stands."""
        if self._end is None:
            self._end = error
        self._wake()

    def clear(self) -> None:
        """Drop what is there."""
        self._queue.clear()

    async def get(self) -> Event:
        """Take the next event out; what `end` was given is raised when there is none."""
        queue = self._queue
        while True:
            while not queue:
                await self._wait()
            event = queue.popleft()
            if self._when_empty is not None and not queue:
                act, self._when_empty = self._when_empty, None
                act()
            if type(event) is TweetEvent:  # as most are
                self._offset = event.offset
                return event
            if self._note(event) or self._connection_events:
                return event

    async def _wait(self) -> None:
        if self._end is not None:
            raise self._end
        if self._waiting is not None:
            raise RuntimeError("only one task may iterate over a stream")
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _note(self, event: Event) -> bool:
        """Follow the position; False for events about the connection."""
        if isinstance(event, Reset):
            self._epoch, self._offset = event.epoch, event.offset
        elif isinstance(event, Connected):
            # Of another epoch, its position counts only with the Reset that comes next.
            if self._epoch is None:
                self._epoch, self._offset = event.epoch, event.offset
            return False
        elif isinstance(event, Disconnected):
            return False
        elif not isinstance(event, Counts):
            self._offset = event.offset
        return True
