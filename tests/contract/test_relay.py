"""One event, many consumers: what the relay promises over every store, and with Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rookery.config import Redis
from rookery.events.keeper import UNREADABLE
from rookery.events.kinds import FollowChanged, HiddenChanged
from rookery.events.lane import Limits
from rookery.store import clock_ms
from rookery.store.engine import Insert, Store, WriteBatch
from rookery.store.queue import Queue
from rookery.store.records.outbox import Outbox
from rookery.store.redis.queue import RedisQueue
from rookery.store.schema import EVENT_BACKLOG, FAILED_EVENTS, OUTBOX
from tests.contract.queues import until
from tests.contract.relays import PACE, Recorder, RelayScene, made
from tests.servers.redis import RedisServer
from tests.unit.memory_store import MemoryStore


@pytest_asyncio.fixture
async def scene(event_store: Store) -> AsyncIterator[RelayScene]:
    """Over each engine, the outbox being the queue."""
    opened = RelayScene(event_store)
    yield opened
    await opened.die()


@pytest_asyncio.fixture
async def memory() -> AsyncIterator[RelayScene]:
    """Over the store in memory, for what does not depend on the engine."""
    opened = RelayScene(MemoryStore())
    yield opened
    await opened.die()


async def test_each_consumer_takes_each_event_of_its_kinds_once(scene: RelayScene) -> None:
    """In order; then nothing is left in the store."""
    one, two, other = Recorder("one"), Recorder("two"), Recorder("other", (HiddenChanged,))
    scene.start(one, two, other)
    ids = await scene.commit(made(1_200))
    await scene.settled()
    assert one.took == two.took == ids
    assert other.took == []
    assert await scene.in_outbox() == []


async def test_one_that_is_stuck_delays_nobody_and_goes_on_in_order(scene: RelayScene) -> None:
    """Its part moves into its backlog; the outbox is free of it."""
    quick, stuck = Recorder("quick"), Recorder("stuck")
    stuck.is_open.clear()
    scene.start(quick, stuck)
    ids = await scene.commit(made(300))

    async def is_moved() -> bool:
        return not await scene.in_outbox()

    await until(is_moved)
    assert quick.took == ids
    assert await scene.in_backlog("stuck") == ids
    assert await scene.in_backlog("quick") == []
    figures = scene.relay.figures()
    assert (figures["stuck_behind"], figures["quick_behind"], figures["consumers_behind"]) == (
        1,
        0,
        1,
    )
    async with asyncio.timeout(30):
        await scene.relay.settle("quick")
    later = await scene.commit(made(5))
    await until(lambda: _has(quick, ids + later))
    stuck.is_open.set()
    await scene.settled()
    assert stuck.took == ids + later
    assert await scene.in_backlog("stuck") == []


async def _has(consumer: Recorder, ids: list[int]) -> bool:
    return consumer.took == ids


async def test_a_backlog_is_taken_after_a_restart(scene: RelayScene) -> None:
    """With what was committed meanwhile, in order, and by that consumer alone."""
    quick, stuck = Recorder("quick"), Recorder("stuck")
    stuck.is_away = True
    scene.start(quick, stuck)
    ids = await scene.commit(made(1_500))

    async def is_moved() -> bool:
        left = [await scene.in_outbox(), await scene.in_backlog("quick")]
        return left == [[], []] and len(await scene.in_backlog("stuck")) == len(ids)

    await until(is_moved)
    await scene.die()
    later = await scene.commit(made(200))
    again, recovered = Recorder("quick"), Recorder("stuck")
    scene.start(again, recovered)
    await scene.settled()
    assert recovered.took == ids + later
    assert (quick.took, again.took) == (ids, later)
    assert (await scene.in_outbox(), await scene.in_backlog("stuck")) == ([], [])


async def test_poison_is_put_aside_and_the_others_go_on(scene: RelayScene) -> None:
    """Nothing is lost: it is listed, and taken when the cause is gone."""
    well, ill = Recorder("well"), Recorder("ill")
    scene.start(well, ill)
    events = made(100)
    ill.poison = {events[40].id, events[60].id}
    ids = await scene.commit(events)
    await scene.settled()
    assert well.took == ids
    assert ill.took == [each for each in ids if each not in ill.poison]
    assert await scene.failed() == [("ill", each) for each in sorted(ill.poison)]
    assert await scene.in_outbox() == []
    listed = await scene.relay.keeper.list_failed("ill", 10)
    assert [(each.tries, "cannot be rendered" in each.reason) for each in listed] == [
        (PACE.limits.tries, True)
    ] * 2
    assert await scene.relay.keeper.list_failed("well", 10) == []
    figures = scene.relay.figures()
    assert (figures["events_put_aside"], figures["ill_put_aside"]) == (2, 2)

    poison, ill.poison = sorted(ill.poison), set()
    assert await scene.relay.keeper.retry("well") == 0
    assert await scene.relay.keeper.retry(None) == 2
    await scene.settled()
    assert ill.took[-2:] == poison
    assert well.took == ids
    assert await scene.failed() == []
    assert scene.relay.figures()["events_put_aside"] == 0
    assert await scene.relay.keeper.retry(None) == 0


async def test_what_was_put_aside_outlives_a_restart(scene: RelayScene) -> None:
    """It is counted, not tried again by itself, and can be retried."""
    ill = Recorder("ill")
    scene.start(ill)
    events = made(3)
    ill.poison = {events[1].id}
    await scene.commit(events)
    await scene.settled()
    await scene.die()
    recovered = Recorder("ill")
    scene.start(recovered)
    await scene.settled()
    assert recovered.took == []
    assert scene.relay.figures()["ill_put_aside"] == 1
    assert await scene.relay.keeper.retry("ill") == 1
    await scene.settled()
    assert recovered.took == [events[1].id]


async def test_death_between_taking_and_acknowledging_loses_nothing(scene: RelayScene) -> None:
    """The events come again, to be recognised."""
    one = Recorder("one")
    scene.start(one)
    ids = await scene.commit(made(10))
    await until(lambda: _has(one, ids))
    await scene.die()  # before the round that would have written it down
    assert await scene.in_outbox() == ids
    again = Recorder("one")
    scene.start(again)
    await scene.settled()
    assert again.took == ids


async def test_an_older_event_that_was_committed_later_comes(scene: RelayScene) -> None:
    """Commits are not in the order of ids: also in a backlog."""
    older, newer, newest = made(3)
    stuck = Recorder("stuck")
    stuck.is_away = True
    scene.start(Recorder("quick"), stuck)
    await scene.commit([newer])

    async def is_moved() -> bool:
        return await scene.in_backlog("stuck") == [newer.id]

    await until(is_moved)
    await scene.commit([older, newest])
    stuck.is_away = False
    await scene.settled()
    assert sorted(stuck.took) == [older.id, newer.id, newest.id]


async def test_a_consumer_that_does_not_answer_is_to_be_tried_for_ever(memory: RelayScene) -> None:
    """Its events are not at fault."""
    away = Recorder("away")
    away.is_away = True
    memory.start(away)
    ids = await memory.commit(made(3))
    await until(lambda: _called(away, 3 * PACE.limits.tries))
    assert await memory.failed() == []
    away.is_away = False
    await memory.settled()
    assert away.took == ids


async def _called(consumer: Recorder, times: int) -> bool:
    return consumer.calls >= times


async def test_a_consumer_that_is_cancelled_inside_goes_on(memory: RelayScene) -> None:
    """What it awaited was cancelled, not the relay."""

    class Cancelled(Recorder):
        async def handle(self, events: object) -> None:
            self.calls += 1
            if self.calls == 1:
                raise asyncio.CancelledError
            await super().handle(events)  # type: ignore[arg-type]

    consumer = Cancelled("one")
    memory.start(consumer)
    ids = await memory.commit(made(1))
    await memory.settled()
    assert consumer.took == ids


async def test_memory_is_bounded_whatever_lags() -> None:
    """With far more events than may be held; all of them come, in order, once."""
    limits = Limits(held=1_000, batch=100, tries=3)
    scene = RelayScene(MemoryStore(), pace=PACE._replace(lag_s=60.0, limits=limits))
    quick, stuck = Recorder("quick"), Recorder("stuck")
    stuck.is_open.clear()
    scene.start(quick, stuck)
    ids = await scene.commit(made(6_000))
    await until(lambda: _has(quick, ids))

    async def is_moved() -> bool:
        return len(await scene.in_outbox()) <= limits.held

    await until(is_moved)
    figures = scene.relay.figures()
    assert figures["stuck_waiting"] <= limits.held
    assert (figures["stuck_behind"], figures["quick_behind"]) == (1, 0)
    stuck.is_open.set()
    await scene.settled()
    assert stuck.took == ids
    assert quick.took == ids
    await scene.die()


async def test_a_post_is_one_insert_and_one_removal_whatever_the_number_of_consumers() -> None:
    """Where nobody lags."""
    store = MemoryStore()
    scene = RelayScene(store)
    scene.start(*(Recorder(f"number {n}") for n in range(6)))
    await scene.commit(made(50))
    await scene.settled()
    operations = [each for batch in store.batches for each in batch.operations]
    assert {type(each).__name__ for each in operations} == {"Insert", "Delete"}
    assert {each.collection for each in operations if hasattr(each, "collection")} == {OUTBOX.name}
    assert len(operations) == 100
    await scene.die()


async def test_an_unreadable_event_is_put_aside(memory: RelayScene) -> None:
    """As after a return to an older release; retried, it goes the usual way."""
    one = Recorder("one")
    memory.start(one)
    broken = {"id": 5, "event": b"rubbish"}
    await memory.store.writer.write(WriteBatch((Insert(OUTBOX.name, broken),)))
    ids = await memory.commit(made(3))
    await memory.settled()
    assert one.took == ids
    assert await memory.failed() == [(UNREADABLE, 5)]
    assert await memory.in_outbox() == []
    assert await memory.relay.keeper.retry(None) == 1

    async def is_aside() -> bool:
        return await memory.failed() == [(UNREADABLE, 5)]

    await until(is_aside)
    backlogged = {"consumer": "one", "id": 6, "event": b"rubbish"}
    await memory.die()
    await memory.store.writer.write(WriteBatch((Insert(EVENT_BACKLOG.name, backlogged),)))
    memory.start(one)
    await memory.settled()
    assert await memory.failed() == [("one", 6), (UNREADABLE, 5)]
    assert await memory.in_backlog("one") == []


async def test_what_a_former_consumer_left_stays(memory: RelayScene) -> None:
    """Nobody here could take it."""
    gone = {
        "consumer": "gone",
        "id": 5,
        "event": b"x",
        "reason": "y",
        "tries": 5,
        "failed_ms": 1,
    }
    await memory.store.writer.write(WriteBatch((Insert(FAILED_EVENTS.name, gone),)))
    memory.start(Recorder("one"))
    await memory.settled()
    assert await memory.relay.keeper.retry(None) == 0
    assert await memory.failed() == [("gone", 5)]


async def test_an_entry_of_a_former_release_is_relayed(memory: RelayScene) -> None:
    """A store that was upgraded has them in its outbox."""
    former = {"id": 5, "event": 100, "author_id": 7, "subject_id": 9, "kind": 1, "payload": b""}
    await memory.store.writer.write(WriteBatch((Insert(OUTBOX.name, former),)))
    one = Recorder("one", (FollowChanged,))
    memory.start(one)
    await memory.settled()
    assert (one.took, await memory.in_outbox()) == ([5], [])


@pytest.fixture
def redis_scene(shared_redis: RedisServer) -> RelayScene:
    """The queue is a stream of Redis."""
    settings = Redis(url=shared_redis.url, prefix="relay:", timeout_s=0.3)

    def queue(outbox: Outbox) -> Queue:
        return RedisQueue(outbox, settings, "relay", clock_ms, reclaim_s=0.2)

    return RelayScene(MemoryStore(), queue)


async def test_poison_and_backlogs_with_redis(redis_scene: RelayScene) -> None:
    """The same as without: they are in the store."""
    scene = redis_scene
    well, ill, stuck = Recorder("well"), Recorder("ill"), Recorder("stuck")
    stuck.is_open.clear()
    scene.start(well, ill, stuck)
    events = made(60)
    ill.poison = {events[30].id}
    ids = await scene.commit(events)

    async def is_moved() -> bool:
        return not await scene.in_outbox() and await scene.failed() == [("ill", events[30].id)]

    await until(is_moved)
    assert well.took == ids
    await scene.die()
    ill.poison.clear()
    again = Recorder("stuck")
    scene.start(well, ill, again)
    assert await scene.relay.keeper.retry("ill") == 1
    await scene.settled()
    assert (again.took, ill.took[-1]) == (ids, events[30].id)
    assert well.took == ids
    await scene.die()


async def test_what_has_settled_is_written_down(memory: RelayScene) -> None:
    """Also what was put aside, or taken off a backlog, just now."""
    ill = Recorder("ill")
    ill.is_open.clear()
    memory.start(ill)
    events = made(2)
    ill.poison = {events[1].id}
    await memory.commit(events)

    async def is_moved() -> bool:
        return len(await memory.in_backlog("ill")) == 2

    await until(is_moved)
    settling = asyncio.create_task(memory.settled())
    ill.is_open.set()
    await settling
    assert await memory.in_backlog("ill") == []
    assert await memory.failed() == [("ill", events[1].id)]
