"""The outbox as the queue: entries wait in the store itself."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from rookery.models import OutboxEntry
from rookery.store.outbox import Outbox


class OutboxQueue:
    """`rookery.store.queue.Queue` for the only consumer of a store's outbox.

    A consumer that dies loses only its notes of what it holds; the entries are handed out again.
    Nothing is ever put aside: an entry that cannot be delivered is tried again and again.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._woken = asyncio.Event()
        self._held: set[int] = set()

    async def take(self, limit: int, wait_s: float) -> list[OutboxEntry]:
        entries = await self._outbox.pending(self._held, limit)
        if not entries:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()
            self._woken.clear()
            entries = await self._outbox.pending(self._held, limit)
        self._held.update(entry.id for entry in entries)
        return entries

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        await self._outbox.acknowledge(entry_ids)
        self._held.difference_update(entry_ids)

    def release(self, entry_ids: Sequence[int], fault: Exception | None = None) -> None:
        self._held.difference_update(entry_ids)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def is_empty(self) -> bool:
        return not self._held and not await self._outbox.pending((), 1)

    async def requeue_dead(self) -> int:
        return 0

    @property
    def held(self) -> int:
        return len(self._held)

    def figures(self) -> Mapping[str, float]:
        return {}

    async def close(self) -> None:
        """Nothing to close."""
