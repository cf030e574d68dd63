"""`rookery.actors.row_sources`: warm rows in step with the store, on a clock that stands."""

import asyncio

import numpy as np
import pytest

from rookery.actors import row_sources
from rookery.actors.row_sources import RowSources
from rookery.domain.timelines import WarmTimelines
from rookery.errors import StoreUnavailable
from rookery.messages import Delivery
from rookery.models import EventKind
from rookery.store.engine import Delete, Insert, Operation, WriteBatch
from rookery.store.records.home_sources import HomeSources
from rookery.store.schema import FOLLOWEES, MUTES
from tests.unit.memory_store import MemoryStore

ME, ADA = 1, 2
NOW_MS = 1_000


class World:
    """A shard's rows over a store in which `ME` follows `ADA`; the row is built."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = NOW_MS
        self.next_id = 10
        self.store = MemoryStore()
        self.warm = WarmTimelines(rows=4, ring_size=4, max_logs=4, log_events=8, list_size=4)
        self.sources = RowSources(self.warm, self.store.reader)
        monkeypatch.setattr(row_sources, "clock_ms", lambda: self.now_ms)

    async def write(self, *operations: Operation) -> None:
        await self.store.writer.write(WriteBatch(operations))

    async def mute(self, expires_ms: int | None = None) -> None:
        document = {"muter_id": ME, "muted_id": ADA, "mute_id": 7, "expires_ms": expires_ms}
        await self.write(Insert(MUTES.name, document))

    async def unmute(self) -> None:
        await self.write(Delete(MUTES.name, (ME, ADA)))

    async def build(self) -> None:
        row = self.warm.claim(ME, 0.0)
        assert row is not None
        token = self.warm.begin(row)
        assert self.sources.enter(ME, row, await self.sources.load(ME), token)
        nothing = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        assert self.warm.finish(row, *nothing, 0, token)
        self.warm.presence.attach(ME, row, self.warm.presence.server("s", "i"), None, None, "e")

    @property
    def is_built(self) -> bool:
        return self.warm.users() == [ME]

    def hears(self) -> bool:
        """Whether what Ada posts now is pushed."""
        self.next_id += 1
        delivery = Delivery(self.next_id, EventKind.TWEET, self.next_id, ADA)
        return bool(self.warm.deliver(delivery, listed=False)[1])


async def until_heard(world: World) -> None:
    async with asyncio.timeout(5.0):
        while not world.hears():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch)
    edge = {"follower_id": ME, "followee_id": ADA, "follow_id": 5}
    await made.write(Insert(FOLLOWEES.name, edge))
    await made.build()
    return made


async def test_a_mute_counts_from_the_next_delivery_on(world: World) -> None:
    """And no more once it is taken back."""
    assert world.hears()
    await world.mute()
    await world.sources.hidden_changed([ME])
    assert not world.hears()
    assert not world.is_built
    await world.unmute()
    await world.sources.hidden_changed([ME])
    assert world.hears()


async def test_what_counts_is_the_store(world: World) -> None:
    """A change that is told late, or twice, or of somebody who is not warm, does no harm."""
    await world.mute()
    await world.unmute()
    await world.sources.hidden_changed([ME, ME, 99])
    assert world.hears()


async def test_a_timed_mute_ends_at_its_time_for_reads_and_deliveries(world: World) -> None:
    """Not earlier; a read at that moment builds the row anew, and deliveries reach it."""
    await world.mute(NOW_MS + 500)
    await world.sources.hidden_changed([ME])
    await world.build()
    world.now_ms = NOW_MS + 499
    world.sources.end_mutes()
    assert world.is_built
    assert not world.hears()
    world.now_ms = NOW_MS + 500
    world.sources.end_mutes()
    assert not world.is_built
    following = asyncio.create_task(world.sources.follow_mute_ends())
    await until_heard(world)
    following.cancel()


async def test_a_store_that_is_away_when_a_mute_ends_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user is not forgotten."""
    await world.mute(NOW_MS + 500)
    await world.sources.hidden_changed([ME])
    world.now_ms = NOW_MS + 500
    monkeypatch.setattr(row_sources, "MUTE_ENDS_PERIOD_S", 0.001)
    load, calls = world.sources.load, 0

    async def failing(user_id: int) -> HomeSources:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise StoreUnavailable()
        return await load(user_id)

    monkeypatch.setattr(world.sources, "load", failing)
    following = asyncio.create_task(world.sources.follow_mute_ends())
    await until_heard(world)
    following.cancel()
    assert calls == 3


async def test_what_a_building_read_before_a_change_is_not_kept(world: World) -> None:
    """It begins again, with what the store has now."""
    row = world.warm.row_of(ME)
    assert row is not None
    token = world.warm.begin(row)
    before = await world.sources.load(ME)
    await world.mute()
    await world.sources.hidden_changed([ME])
    assert not world.sources.enter(ME, row, before, token)
    assert not world.hears()


async def test_following_somebody_muted_brings_nothing(world: World) -> None:
    """The row keeps to the mute."""
    await world.mute()
    await world.sources.hidden_changed([ME])
    await world.sources.graph_changed([(ME, ADA)])
    assert not world.hears()
