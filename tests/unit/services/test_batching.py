"""Merging concurrent reads."""

import asyncio

import pytest

from rookery.errors import Overloaded, StoreUnavailable
from rookery.services.batching import Batcher


class Loader:
    """Notes each batch; answers when `resume` is set."""

    def __init__(self) -> None:
        self.batches: list[set[int]] = []
        self._begun = asyncio.Event()
        self.resume = asyncio.Event()
        self.failure: Exception | None = None

    async def load(self, keys: list[int]) -> dict[int, int]:
        self.batches.append(set(keys))
        self._begun.set()
        await self.resume.wait()
        if self.failure is not None:
            raise self.failure
        return {key: -key for key in keys}

    async def began(self) -> None:
        async with asyncio.timeout(2):
            await self._begun.wait()


async def test_what_arrives_during_a_load_becomes_the_next_one() -> None:
    """Never two loads at once, and each key of a batch once."""
    loader = Loader()
    batcher = Batcher(loader.load)
    first = batcher.request([1])
    await loader.began()
    others = [batcher.request([key % 3]) for key in range(30)]
    loader.resume.set()
    assert await first == {1: -1}
    assert all(result == {0: 0, 1: -1, 2: -2} for result in [await other for other in others])
    assert loader.batches == [{1}, {0, 1, 2}]


async def test_a_failed_load_fails_its_requests_only() -> None:
    """The next batch is tried anew."""
    loader = Loader()
    loader.resume.set()
    batcher = Batcher(loader.load)
    loader.failure = StoreUnavailable()
    with pytest.raises(StoreUnavailable):
        await batcher.request([1])
    loader.failure = None
    assert await batcher.request([2]) == {2: -2}


async def test_a_request_given_up_does_not_harm_the_others() -> None:
    """Cancelling one that waits leaves the batch alone."""
    loader = Loader()
    batcher = Batcher(loader.load)

    async def ask(key: int) -> dict[int, int]:
        return await batcher.request([key])

    given_up, other = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
    await loader.began()
    given_up.cancel()
    loader.resume.set()
    assert await other == {1: -1, 2: -2}
    assert given_up.cancelled()


async def test_too_many_waiting_keys_are_refused() -> None:
    """The queue is bounded, and overflow is Overloaded."""
    loader = Loader()
    batcher = Batcher(loader.load, max_waiting=2)
    under_way = batcher.request([1])
    await loader.began()
    waiting = batcher.request([2, 3])
    with pytest.raises(Overloaded):
        batcher.request([4])
    loader.resume.set()
    assert await under_way and await waiting
