"""Whether the server can do all that writing needs."""

import asyncio
from collections.abc import Sequence
from math import inf
from typing import cast

import pytest

from rookery.errors import StoreUnavailable, Unavailable
from rookery.services.readiness import FRESH_S, REFUSED_S, Readiness, WriteCheck, Writing
from rookery.store.engine import Reader
from tests.unit.memory_store import MemoryStore


class FakeIds:
    """Ids and their lease, as good as a test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.paused = False
        self.hangs = False
        self.renewals = 0

    def next_id(self) -> int:
        if self.paused:
            raise Unavailable("ids are paused")
        return 1

    async def renew(self) -> None:
        self.renewals += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


class World:
    def __init__(self) -> None:
        self.ids = FakeIds()
        self.now_s = 1_000.0
        self.refused_s = -inf
        self.check = WriteCheck(
            self.ids, lambda: self.refused_s, within_s=0.01, clock_s=lambda: self.now_s
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_all_is_well(world: World) -> None:
    """A write was tried, and an id made."""
    assert await world.check.look() == Writing(writes=True, ids=True)
    assert world.ids.renewals == 1


async def test_a_store_that_takes_no_writes(world: World) -> None:
    """As on a full disk, where everything can still be read."""
    world.ids.error = StoreUnavailable()
    assert await world.check.look() == Writing(writes=False, ids=True)


async def test_paused_ids(world: World) -> None:
    """As with a lease that is lost."""
    world.ids.paused = True
    assert await world.check.look() == Writing(writes=True, ids=False)


async def test_a_store_that_does_not_answer_in_time(world: World) -> None:
    """It is not ready, and whoever asks has waited for a moment only."""
    world.ids.hangs = True
    assert not (await world.check.look()).writes


async def test_many_who_ask_cost_one_write(world: World) -> None:
    """At the same time, and within a second; then it is looked at again."""
    await asyncio.gather(*(world.check.look() for _ in range(50)))
    await world.check.look()
    assert world.ids.renewals == 1
    world.now_s += FRESH_S
    await world.check.look()
    assert world.ids.renewals == 2


async def test_a_refused_write_of_somebodys_counts_for_a_while(world: World) -> None:
    """Readiness does not flap where small writes succeed and larger ones do not."""
    world.refused_s = world.now_s
    world.now_s += REFUSED_S - 0.1
    assert not (await world.check.look()).writes
    world.now_s += 0.2
    assert (await world.check.look()).writes


async def test_an_outcome_of_long_ago_says_nothing(world: World) -> None:
    """A renewal that came to an end after whoever asked had gone is not what is true now."""
    world.ids.hangs = True
    assert not (await world.check.look()).writes
    running = world.check._running
    assert running is not None
    running.cancel()
    world.ids.hangs, world.ids.error = False, StoreUnavailable()
    world.check._running = asyncio.create_task(_succeeding())
    await asyncio.wait([world.check._running])
    world.now_s += 60
    assert not (await world.check.look()).writes
    assert world.ids.renewals == 2


async def _succeeding() -> bool:
    return True


async def test_each_part_is_named(world: World) -> None:
    """Those that answer, those that do not, and the store, which is asked beside them."""
    asked: list[Sequence[str]] = []

    async def answering(whom: Sequence[str]) -> set[str]:
        asked.append(whom)
        return {"Manager"}

    needed = ["Manager", "Shard-0"]
    store = MemoryStore()
    readiness = Readiness(store.reader, world.check, lambda: list(needed), answering, within_s=0.05)
    world.refused_s = world.now_s
    expected = {"store": True, "Manager": True, "Shard-0": False, "writes": False, "ids": True}
    assert await readiness.look() == expected
    needed.append("Shard-1")
    assert (await readiness.look())["Shard-1"] is False
    assert asked == [["Manager", "Shard-0"], ["Manager", "Shard-0", "Shard-1"]]


async def test_a_store_that_does_not_answer_is_named(world: World) -> None:
    """While all others do."""

    async def answering(whom: Sequence[str]) -> Sequence[str]:
        return whom

    class Away:
        async def select(self, *_: object, **__: object) -> None:
            raise StoreUnavailable()

    reader = cast("Reader", Away())
    readiness = Readiness(reader, world.check, list[str], answering, within_s=0.05)
    assert await readiness.look() == {"store": False, "writes": True, "ids": True}
