"""The outbox as the queue: entries wait in the store itself."""

from collections.abc import Awaitable, Callable, Sequence

from rookery.models import OutboxEntry
from rookery.store.outbox import Outbox


class OutboxQueue:
    """`rookery.store.queue.Queue` for the only consumer of a store's outbox.

    `grown(wait_s)` returns when something may have been added since its last call, or after
    `wait_s`. A consumer that dies loses only its notes of what it holds; the entries are handed
    out again.
    """

    def __init__(self, outbox: Outbox, grown: Callable[[float], Awaitable[None]]) -> None:
        self._outbox = outbox
        self._grown = grown
        self._held: set[int] = set()

    async def take(self, limit: int, wait_s: float) -> list[OutboxEntry]:
        entries = await self._outbox.pending(self._held, limit)
        if not entries:
            await self._grown(wait_s)
            entries = await self._outbox.pending(self._held, limit)
        self._held.update(entry.id for entry in entries)
        return entries

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        await self._outbox.acknowledge(entry_ids)
        self._held.difference_update(entry_ids)

    def release(self, entry_ids: Sequence[int]) -> None:
        self._held.difference_update(entry_ids)

    async def is_empty(self) -> bool:
        return not self._held and not await self._outbox.pending((), 1)

    @property
    def held(self) -> int:
        return len(self._held)
