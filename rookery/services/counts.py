"""Telling every process that counts of tweets changed. Must not import http or actors."""

import asyncio
from collections.abc import Iterable

from rookery.services.cards import Cards
from rookery.services.ports import Invalidation, InvalidationPort


class CountChanges:
    """Spreads changes of counts: in this process at once, to the others without being waited for.

    At most one broadcast is under way; what changes meanwhile goes out together after it, each
    tweet once, so that a storm of likes costs no more than one tweet's name at a time.
    """

    def __init__(self, cards: Cards, port: InvalidationPort) -> None:
        self._cards = cards
        self._port = port
        self._pending: set[int] = set()
        self._likers: set[int] = set()
        self._running: asyncio.Task[None] | None = None

    def announce(self, tweet_ids: Iterable[int], liker: int | None = None) -> None:
        """Call after each committed change; `liker` is the user whose likes it changed, if so."""
        change = Invalidation(counts=list(tweet_ids))
        self._cards.invalidate(change)
        self._pending.update(change.counts)
        if liker is not None:
            self._likers.add(liker)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._broadcast())

    async def settled(self) -> None:
        """Return when everything announced so far has been broadcast."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _broadcast(self) -> None:
        try:
            while self._pending:
                counts, likers = sorted(self._pending), sorted(self._likers)
                self._pending.clear()
                self._likers.clear()
                await self._port.broadcast(Invalidation(counts=counts, likers=likers))
        finally:
            self._running = None
