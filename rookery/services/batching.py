"""Merging the reads of concurrent requests.

A store read has a price per call and a small one per row. A `Batcher` has at most one load under
way; what is asked for meanwhile becomes the next one. An idle server thus reads at once, a loaded
one in large batches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from rookery.errors import Overloaded

K = TypeVar("K")
R = TypeVar("R")

MAX_WAITING = 20_000


class _Batch(Generic[K, R]):
    def __init__(self) -> None:
        self.keys: set[K] = set()
        # One for each request: one that is given up must not cancel the others'.
        self.waiters: list[asyncio.Future[R]] = []


class Batcher(Generic[K, R]):
    """Loads keys through `load`, which gets the distinct keys of one batch.

    A load begins after all requests whose keys it gets: what was written before a request, the
    request sees. A result is shared by the requests of its batch and must not be changed.
    """

    def __init__(
        self, load: Callable[[list[K]], Awaitable[R]], *, max_waiting: int = MAX_WAITING
    ) -> None:
        self._load = load
        self._max_waiting = max_waiting
        self._next: _Batch[K, R] | None = None
        self._running: asyncio.Task[None] | None = None

    def request(self, keys: Iterable[K]) -> Awaitable[R]:
        """Join the next batch now; awaiting gives the result of the whole batch.

        Raises:
            Overloaded: too many keys wait already.
        """
        loop = asyncio.get_running_loop()
        batch = self._next
        if batch is None:
            batch = self._next = _Batch()
        elif len(batch.keys) >= self._max_waiting:
            raise Overloaded()
        batch.keys.update(keys)
        if self._running is None:
            self._running = loop.create_task(self._run())
        waiter: asyncio.Future[R] = loop.create_future()
        batch.waiters.append(waiter)
        return waiter

    async def _run(self) -> None:
        try:
            while (batch := self._next) is not None:
                self._next = None
                await self._run_batch(batch)
        finally:
            self._running = None

    async def _run_batch(self, batch: _Batch[K, R]) -> None:
        try:
            result = await self._load(list(batch.keys))
        except Exception as error:
            for waiter in batch.waiters:
                if not waiter.done():
                    waiter.set_exception(error)
                    waiter.exception()  # that it is never awaited is not to be logged
        except BaseException:
            for waiter in batch.waiters:
                waiter.cancel()
            raise
        else:
            for waiter in batch.waiters:
                if not waiter.done():
                    waiter.set_result(result)
