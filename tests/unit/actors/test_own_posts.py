"""Telling a shard of posts before they are answered."""

import asyncio
from typing import Any

import numpy as np
import pytest

from rookery.actors import own_posts
from rookery.actors.own_posts import OwnPostsEdge
from rookery.errors import ActorUnavailable


class Shard:
    """Notes what it is told; answers when it is `open`, or as `error` says."""

    name = "TimelineShard-0"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def call(self, method: str, /, *args: Any) -> Any:
        assert method == "posted"
        self.calls.append(np.frombuffer(args[0], dtype=np.int64).tolist())
        if self.error is not None:
            raise self.error
        await self.open.wait()


async def test_what_comes_during_a_call_is_the_next_one() -> None:
    """One call at a time, however many post."""
    shard = Shard()
    edge = OwnPostsEdge(shard)
    first = asyncio.create_task(edge.tell(1, 10, 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(edge.tell(n, 10 + n, 4)) for n in (2, 3)]
    await asyncio.sleep(0)
    shard.open.set()
    await asyncio.gather(first, *others)
    assert shard.calls == [[1, 10, 0], [2, 12, 4, 3, 13, 4]]


async def test_a_dead_shard_delays_nobody() -> None:
    """Its timelines are built anew from the store."""
    shard = Shard()
    shard.error = ActorUnavailable()
    await OwnPostsEdge(shard).tell(1, 10, 0)
    assert len(shard.calls) == 1


async def test_a_shard_that_does_not_answer_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a moment; then it is passed over for a while."""
    monkeypatch.setattr(own_posts, "WITHIN_S", 0.01)
    shard = Shard()
    edge = OwnPostsEdge(shard)
    await edge.tell(1, 10, 0)
    await edge.tell(1, 11, 0)
    assert len(shard.calls) == 1


async def test_who_gives_up_takes_nobody_along() -> None:
    """A request that is broken off does not cancel the call of the others."""
    shard = Shard()
    edge = OwnPostsEdge(shard)
    impatient = asyncio.create_task(edge.tell(1, 10, 0))
    patient = asyncio.create_task(edge.tell(2, 11, 0))
    await asyncio.sleep(0)
    impatient.cancel()
    shard.open.set()
    await patient
    assert shard.calls == [[1, 10, 0, 2, 11, 0]]


async def test_a_fault_of_ours_leaves_nobody_waiting() -> None:
    """Also not those whose posts came meanwhile."""
    shard = Shard()
    shard.error = KeyError("ours")
    edge = OwnPostsEdge(shard)
    async with asyncio.timeout(5):
        await asyncio.gather(edge.tell(1, 10, 0), edge.tell(2, 12, 0))
        await edge.tell(3, 13, 0)
    assert sum(map(len, shard.calls)) == 9
