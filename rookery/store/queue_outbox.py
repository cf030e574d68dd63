"""The outbox as the queue: entries wait in the store itself."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic

from rookery.events.encoding import StoredEvent
from rookery.store.records.outbox import Outbox

LOOK_S = 1.0
MAX_WAITING = 10_000


class OutboxQueue:
    """`rookery.store.queue.Queue` for the only consumer of a store's outbox.

    Entries come as they are offered; the outbox is read for what nobody offered: at the start,
    every `LOOK_S`, after entries were released, and when more than `MAX_WAITING` wait here.

    A consumer that dies loses only its notes of what it holds; the entries are handed out again.
    Nothing is ever put aside: an entry that cannot be delivered is tried again and again.
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
        entries = list(islice(self._waiting.values(), limit))
        for entry in entries:
            del self._waiting[entry.id]
            self._held.add(entry.id)
        return entries

    async def _look(self, limit: int) -> None:
        """Read the outbox, if it is time to."""
        if monotonic() < self._look_at_s:
            return
        self._look_at_s = monotonic() + LOOK_S  # before the read: a `release` during it counts
        try:
            found = await self._outbox.pending(self._held | self._waiting.keys(), limit)
        except BaseException:
            self._look_at_s = 0.0
            raise
        if len(found) >= limit:  # there may be more
            self._look_at_s = 0.0
        self._waiting |= {entry.id: entry for entry in found}

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        await self._outbox.acknowledge(entry_ids)
        self._held.difference_update(entry_ids)

    def release(self, entry_ids: Sequence[int], fault: Exception | None = None) -> None:
        self._held.difference_update(entry_ids)
        self._look_at_s = 0.0
        self._woken.set()

    def offer(self, entries: Sequence[StoredEvent]) -> None:
        if len(self._waiting) + len(entries) > MAX_WAITING:
            self._look_at_s = 0.0
        else:
            self._waiting |= {entry.id: entry for entry in entries if entry.id not in self._held}
        self._woken.set()

    async def is_empty(self) -> bool:
        if self._held or self._waiting:
            return False
        return not await self._outbox.pending((), 1)

    async def requeue_dead(self) -> int:
        return 0

    @property
    def held(self) -> int:
        return len(self._held)

    def figures(self) -> Mapping[str, float]:
        return {}

    async def close(self) -> None:
        """Nothing to close."""
