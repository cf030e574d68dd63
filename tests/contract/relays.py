"""What the relay's suite runs over: consumers that may fail, stall or be slow, and any store."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from rookery.errors import Unavailable
from rookery.events.consumer import Consumer
from rookery.events.kinds import Event, PrivacyChanged
from rookery.events.lane import Limits
from rookery.events.relay import Pace, Relay
from rookery.ids import first_id_at
from rookery.store import clock_ms
from rookery.store.engine import Store, WriteBatch
from rookery.store.queue import Queue
from rookery.store.queue_outbox import OutboxQueue
from rookery.store.records.outbox import Outbox, adding
from rookery.store.schema import EVENT_BACKLOG, FAILED_EVENTS, OUTBOX

PACE = Pace(lag_s=0.3, retry_pause_s=0.01, limits=Limits(held=1_000, batch=50, tries=3))


def made(count: int) -> list[Event]:
    """New events in the order of their ids."""
    first = first_id_at(clock_ms())
    return [PrivacyChanged(id=first + number, user_id=7) for number in range(count)]


class Recorder:
    """A consumer that notes what it took, in the order in which it did.

    While `is_open` is clear it waits. `poison` are ids that it cannot take; `is_away` makes it
    fail as if a part of the server did not answer.
    """

    def __init__(self, name: str, kinds: tuple[type[Event], ...] = (PrivacyChanged,)) -> None:
        self.name = name
        self.kinds = kinds
        self.in_order = True
        self.took: list[int] = []
        self.poison: set[int] = set()
        self.is_away = False
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.calls = 0

    async def handle(self, events: Sequence[Event]) -> None:
        self.calls += 1
        await self.is_open.wait()
        if self.is_away:
            raise Unavailable()
        if any(event.id in self.poison for event in events):
            raise ValueError("cannot be rendered")
        self.took += [event.id for event in events]


class RelayScene:
    """A store, who commits to it, and the present relay."""

    def __init__(
        self, store: Store, queue: Callable[[Outbox], Queue] = OutboxQueue, pace: Pace = PACE
    ) -> None:
        self.store = store
        self.pace = pace
        self._queue_of = queue
        self._tasks: set[asyncio.Task[None]] = set()
        self.relay: Relay
        self.queue: Queue

    def start(self, *consumers: Consumer) -> None:
        """Another relay, which is the present one from now on."""
        self.queue = self._queue_of(Outbox(self.store))
        self.relay = Relay(
            self.queue, self.store.reader, consumers, self._spawn, clock_ms, pace=self.pace
        )
        self._spawn(self.relay.run())

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def die(self) -> None:
        """The present relay ends without a word."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.queue.close()

    async def commit(self, events: Sequence[Event]) -> list[int]:
        """Commit events; their ids."""
        for first in range(0, len(events), 500):
            batch = WriteBatch(tuple(map(adding, events[first : first + 500])))
            await self.store.writer.write(batch)
        self.queue.offer([])
        return [event.id for event in events]

    async def settled(self) -> None:
        """Return when everything was taken, within half a minute."""
        async with asyncio.timeout(30):
            await self.relay.settle()

    async def in_outbox(self) -> list[int]:
        return [d["id"] for d in await self.store.reader.range(OUTBOX, limit=10_000)]

    async def in_backlog(self, consumer: str) -> list[int]:
        found = await self.store.reader.range(EVENT_BACKLOG, (consumer,), limit=10_000)
        return [document["id"] for document in found]

    async def failed(self) -> list[tuple[str, int]]:
        found = await self.store.reader.range(FAILED_EVENTS, limit=10_000)
        return [(document["consumer"], document["id"]) for document in found]
