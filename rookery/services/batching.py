"""Merging the reads of concurrent requests.

A store read has a price per call and a small one per row. A `Batcher` has at most one load under
way; what is asked for meanwhile becomes the next one. An idle server thus reads at once, a loaded
one in large batches. Must not import http, connection or actors.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from rookery.errors import Overloaded

K = TypeVar("K")
R = TypeVar("R")

MAX_WAITING = 20_000


def _heed(done: "asyncio.Future[Any]") -> None:
    """A failure that nobody waits for any more is nobody's concern."""
    if not done.cancelled():
        done.exception()


class _Batch(Generic[K, R]):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.keys: set[K] = set()
        self.result: asyncio.Future[R] = loop.create_future()
        self.result.add_done_callback(_heed)


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
            batch = self._next = _Batch(loop)
        elif len(batch.keys) >= self._max_waiting:
            raise Overloaded()
        batch.keys.update(keys)
        if self._running is None:
            self._running = loop.create_task(self._run())
        # Shielded: one request that is given up must not cancel the others'.
        waiting = asyncio.shield(batch.result)
        waiting.add_done_callback(_heed)
        return waiting

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
            batch.result.set_exception(error)
        except BaseException:
            batch.result.cancel()
            raise
        else:
            batch.result.set_result(result)
