"""What the relay writes down in the store, and reads from it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import TypeVar

import msgspec
import structlog

from rookery.errors import Unavailable
from rookery.events.consumer import Consumer
from rookery.events.encoding import StoredEvent, decoded, encoded
from rookery.events.kinds import Event
from rookery.events.lane import Lane, Limits
from rookery.events.ledger import Ledger
from rookery.store.engine import Operation, Reader
from rookery.store.queue import Queue
from rookery.store.records.events import (
    EventRepository,
    FailedEvent,
    into_backlog,
    no_longer_failed,
    off_backlog,
    putting_aside,
)
from rookery.store.records.outbox import adding_again

log = structlog.get_logger(__name__)

T = TypeVar("T")

UNREADABLE = "relay"
"""Under this name events are put aside that this build cannot read."""
BATCH = 500
REFILL = 1_000
"""Events in memory of a consumer that goes on from its backlog; half of it or less is filled up."""
COUNTED = 10_000
PAUSE_S = 0.2
NOTED_S = 0.01
BUSY_S = 3.0


class Line:
    """A consumer, and what is on its way to it; `bit` is its place in the ledger."""

    def __init__(self, consumer: Consumer, bit: int, limits: Limits) -> None:
        self.consumer = consumer
        self.name = consumer.name
        self.bit = bit
        self.lane = Lane(limits, in_order=consumer.in_order)
        self.off_backlog: list[int] = []
        self.taken = 0
        self.failures = 0


class Keeper:
    """Keeps the store up with what the consumers took.

    All that was done since the last `round` shares one batch, or a few: what everybody took leaves
    the outbox; what somebody has not taken for `lag_s`, or cannot take now, goes from the outbox
    into the backlogs of those consumers; what was put aside is noted.
    """

    def __init__(
        self,
        queue: Queue,
        reader: Reader,
        lines: Sequence[Line],
        clock_ms: Callable[[], int],
        lag_s: float,
    ) -> None:
        self.ledger = Ledger()
        self.due = asyncio.Event()
        """Set when there is something for `round` to do."""
        self.failed: dict[str, int] = {}
        """How many events are put aside, by consumer."""
        self._queue = queue
        self._events = EventRepository(reader)
        self._lines = lines
        self._clock_ms = clock_ms
        self._lag_s = lag_s
        self._also: list[Operation] = []
        self._writing = asyncio.Lock()

    async def begin(self) -> None:
        """Learn what a former process has left; waits for the store."""
        self.failed = await _persistently(partial(self._events.count_failed, COUNTED))
        for line in self._lines:
            await self._refill(line)

    @property
    def is_settled(self) -> bool:
        """Whether all is written down that happened."""
        is_due = bool(self._also) or any(line.off_backlog for line in self._lines)
        return not is_due and not self._writing.locked()

    # What happened

    def took(self, line: Line, events: Iterable[Event]) -> None:
        """A consumer took events, or gave them up."""
        off_outbox, off_its_backlog = line.lane.took(events)
        self.ledger.took(line.bit, off_outbox)
        line.off_backlog += off_its_backlog
        self.due.set()

    def put_aside(self, consumer: str, event: StoredEvent, reason: str, tries: int) -> None:
        """A consumer cannot take an event."""
        log.error(
            "an event cannot be taken and is put aside; remove the cause, then retry it",
            consumer=consumer,
            event_id=event.id,
            tries=tries,
            reason=reason,
        )
        self.failed[consumer] = self.failed.get(consumer, 0) + 1
        failed = FailedEvent(
            consumer=consumer,
            id=event.id,
            event=event.data,
            reason=reason,
            tries=tries,
            failed_ms=self._clock_ms(),
        )
        self._also.append(putting_aside(failed))
        self.due.set()

    def readable(
        self, stored: Iterable[StoredEvent], consumer: str, drop: Callable[[int], None]
    ) -> list[Event]:
        """The events that this build can read; the others are put aside, and `drop` is told."""
        events: list[Event] = []
        for each in stored:
            try:
                events.append(decoded(each))
            except msgspec.MsgspecError as error:
                self.put_aside(consumer, each, repr(error), 1)
                drop(each.id)
        return events

    # The store

    async def round(self) -> None:
        """Write down what is due, and fill up those who are behind; waits for the store."""
        self.due.clear()
        async with self._writing:
            is_more = True
            while is_more:
                moved, operations = self._moving()
                is_more = len(moved) == BATCH
                await self._write([*self.ledger.done(), *moved], operations)
            for line in self._lines:
                if line.lane.is_behind and len(line.lane) <= REFILL // 2:
                    await self._refill(line)

    def _moving(self) -> tuple[list[int], list[Operation]]:
        """The ids of events that move from the outbox into backlogs, and all operations due."""
        operations, self._also = self._also, []
        behind = sum(line.bit for line in self._lines if line.lane.is_behind)
        moved = self.ledger.move(monotonic() - self._lag_s, behind, BATCH)
        for held in moved:
            stored = encoded(held.event)
            for line in self._lines:
                if held.pending & line.bit:
                    operations.append(into_backlog(line.name, stored))
                    line.lane.moved(stored.id)
        for line in self._lines:
            operations += [off_backlog(line.name, each) for each in line.off_backlog]
            line.off_backlog.clear()
        return [held.event.id for held in moved], operations

    async def _write(self, gone: Sequence[int], operations: Sequence[Operation]) -> None:
        if gone or operations:
            await _persistently(lambda: self._queue.acknowledge(gone, operations))

    async def _refill(self, line: Line) -> None:
        """Bring events from a consumer's backlog; where it has no more, the lane catches up."""
        limit = REFILL - len(line.lane)
        known = {*line.lane.backlogged, *line.off_backlog}
        found = await _persistently(lambda: self._events.backlog(line.name, known, limit))
        line.lane.bring(self.readable(found, line.name, line.off_backlog.append))
        if len(found) < limit:
            line.lane.catch_up(self.ledger.pending_of(line.bit))
        self.due.set()

    # What was put aside

    async def list_failed(self, consumer: str | None, limit: int) -> list[FailedEvent]:
        """Events that were put aside, of one consumer or of all, by consumer and id.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        return await self._events.failed(consumer, None, limit)

    async def retry(self, consumer: str | None) -> int:
        """Hand out again what one consumer, or any, could not take; how many events that are.

        Those of a consumer that there is no more stay put aside.

        Raises:
            Unavailable: the store does not answer; call it again.
        """
        try:
            async with asyncio.timeout(BUSY_S):
                while self._also:  # What was put aside just now is not in the store yet.
                    self.due.set()
                    await asyncio.sleep(NOTED_S)
                await self._writing.acquire()
        except TimeoutError as error:
            raise Unavailable("The store does not answer; retry when it does") from error
        try:
            return await self._retry(consumer)
        finally:
            self._writing.release()
            self.due.set()

    async def _retry(self, consumer: str | None) -> int:
        count = 0
        after: tuple[str, int] | None = None
        present = {line.name: line for line in self._lines}
        while found := await self._events.failed(consumer, after, BATCH):
            after = (found[-1].consumer, found[-1].id)
            again = [e for e in found if e.consumer in present or e.consumer == UNREADABLE]
            operations: list[Operation] = []
            for each in again:
                stored = StoredEvent(each.id, each.event)
                if each.consumer == UNREADABLE:
                    operations += [no_longer_failed(each), adding_again(stored)]
                else:
                    present[each.consumer].lane.is_behind = True
                    operations += [no_longer_failed(each), into_backlog(each.consumer, stored)]
            if operations:
                await self._queue.acknowledge([], operations)
            count += len(again)
        self.failed = await self._events.count_failed(COUNTED)
        self._queue.offer([])
        return count


async def _persistently(act: Callable[[], Awaitable[T]]) -> T:
    """The result of `act`, called again and again while the store does not answer."""
    while True:
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
        except Exception:  # a fault in here must not end what all consumers depend on
            log.exception("events cannot be written down, or read")
            await asyncio.sleep(1.0)
