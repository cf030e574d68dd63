"""The outbox as the queue: events wait in the store itself."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic

from rookery.events.encoding import StoredEvent
from rookery.store.engine import Operation
from rookery.store.records.outbox import Outbox

LOOK_S = 1.0
MAX_WAITING = 10_000


class OutboxQueue:
    """`rookery.store.queue.Queue` for the only relay of a store's outbox.

    Events come as they are offered; the outbox is read for what nobody offered: at the start,
    every `LOOK_S`, and when more than `MAX_WAITING` wait here. A relay that dies loses only its
    notes of what it holds; the events are handed out again.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._woken = asyncio.Event()
        self._waiting: dict[int, StoredEvent] = {}
        self._held: set[int] = set()
        self._look_at_s = 0.0

    async def take(self, limit: int, wait_s: float) -> list[StoredEvent]:
        self._woken.clear()
        await self._look(limit)
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            await self._look(limit)
        events = list(islice(self._waiting.values(), limit))
        for event in events:
            del self._waiting[event.id]
            self._held.add(event.id)
        return events

    async def _look(self, limit: int) -> None:
        """Read the outbox, if it is time to."""
        if monotonic() < self._look_at_s:
            return
        self._look_at_s = monotonic() + LOOK_S  # before the read: an `offer` during it counts
        known = self._held | self._waiting.keys()
        try:
            found = await self._outbox.pending(known, limit)
        except BaseException:
            self._look_at_s = 0.0
            raise
        if len(found) >= limit:  # there may be more
            self._look_at_s = 0.0
        self._waiting |= {event.id: event for event in found}

    async def acknowledge(self, event_ids: Sequence[int], also: Sequence[Operation] = ()) -> None:
        await self._outbox.acknowledge(event_ids, also)
        self._held.difference_update(event_ids)

    def offer(self, events: Sequence[StoredEvent]) -> None:
        if len(self._waiting) + len(events) > MAX_WAITING:
            self._look_at_s = 0.0
        else:
            self._waiting |= {event.id: event for event in events if event.id not in self._held}
        self._woken.set()

    async def is_empty(self) -> bool:
        if self._held or self._waiting:
            return False
        return not await self._outbox.pending((), 1)

    @property
    def held(self) -> int:
        return len(self._held)

    def figures(self) -> Mapping[str, float]:
        return {}

    async def close(self) -> None:
        """Nothing to close."""
