"""Changes of one thing, one after another.

A change that reads, decides and writes on condition that nothing has changed meanwhile fails when
another one came first. In one process these take turns instead, so that only other processes can
come in between.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ATTEMPTS = 32
"""So often a change is tried against other processes; each time one of them has succeeded."""


class _Turn:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Turns:
    """A lock for each key that is in use."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @asynccontextmanager
    async def of(self, key: int) -> AsyncIterator[None]:
        """Hold the turn of `key`; whoever asked first has it first."""
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]
