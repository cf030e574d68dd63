"""Snowflake worker numbers."""

import asyncio
from collections.abc import Callable

import pytest

from rookery.errors import StoreUnavailable, Unavailable
from rookery.ids import WORKERS, time_ms_of
from rookery.store.engine import Insert, WriteBatch
from rookery.store.leases import WorkerLease
from rookery.store.schema import LEASES
from tests.unit.memory_store import MemoryStore

START_MS = 1_800_000_000_000
TTL_MS = 30_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def lease(store: MemoryStore, clock: Clock) -> WorkerLease:
    return WorkerLease(store, clock)


def worker_of(snowflake: int) -> int:
    return snowflake >> 12 & 1023


async def failing_write(batch: WriteBatch) -> None:
    raise StoreUnavailable()


async def test_ids_need_a_lease(lease: WorkerLease) -> None:
    """No id is made before a number is held."""
    with pytest.raises(Unavailable):
        lease.next_id()
    await lease.acquire()
    assert worker_of(lease.next_id()) == lease.worker == 0


async def test_processes_get_different_numbers(store: MemoryStore, clock: Clock) -> None:
    """Processes that start at once each get a number of their own."""
    leases = [WorkerLease(store, clock, name="gateway") for _ in range(8)]
    await asyncio.gather(*(one.acquire() for one in leases))
    assert sorted(one.worker for one in leases if one.worker is not None) == list(range(8))
    assert len({one.next_id() for one in leases}) == 8


async def test_an_expired_number_is_taken(store: MemoryStore, clock: Clock) -> None:
    """A number is taken again when its holder is gone, not before; and only by one."""
    await WorkerLease(store, clock).acquire()
    clock.now_ms += TTL_MS
    early = WorkerLease(store, clock)
    await early.acquire()
    assert early.worker == 1
    clock.now_ms += 1
    late = [WorkerLease(store, clock) for _ in range(3)]
    await asyncio.gather(*(one.acquire() for one in late))
    assert sorted(one.worker or 0 for one in late) == [0, 2, 3]


async def test_all_numbers_in_use(store: MemoryStore, clock: Clock, lease: WorkerLease) -> None:
    """When every number is held, that is said."""
    documents = [
        {"worker": number, "holder": "x", "expires_ms": START_MS} for number in range(WORKERS)
    ]
    await store.write(WriteBatch(tuple(Insert(LEASES.name, document) for document in documents)))
    with pytest.raises(Unavailable):
        await lease.acquire()
    clock.now_ms += 1
    await lease.acquire()


async def test_ids_stop_when_the_lease_ends(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """Without a renewal ids stop exactly when the number may be taken by another process."""
    await lease.acquire()
    store.before_write = failing_write
    clock.now_ms += TTL_MS - 1
    with pytest.raises(StoreUnavailable):
        await lease.renew()
    lease.next_id()
    clock.now_ms += 1
    with pytest.raises(Unavailable):
        lease.next_id()
    store.before_write = None
    await lease.renew()
    assert worker_of(lease.next_id()) == 0


async def test_renewal_keeps_the_number(clock: Clock, lease: WorkerLease) -> None:
    """A lease that is renewed in time goes on for as long as one likes."""
    await lease.acquire()
    for _ in range(10):
        clock.now_ms += TTL_MS // 3
        await lease.renew()
        assert worker_of(lease.next_id()) == 0


async def test_a_lost_number_is_replaced(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """A holder that slept while its number was taken makes no id with it, and gets another."""
    await lease.acquire()
    clock.now_ms += TTL_MS + 1
    rival = WorkerLease(store, clock)
    await rival.acquire()
    assert rival.worker == 0
    with pytest.raises(Unavailable):
        lease.next_id()
    await lease.renew()
    assert lease.worker == 1
    assert worker_of(lease.next_id()) == 1


@pytest.mark.parametrize("skew_ms", [-20_000, 0, 20_000])
async def test_no_id_twice_whatever_the_clocks_say(store: MemoryStore, skew_ms: int) -> None:
    """A successor whose clock differs makes only ids past those of the former holder."""
    former_clock, clock = Clock(), Clock()
    former = WorkerLease(store, former_clock)
    await former.acquire()
    last = former.next_id()
    for _ in range(40):
        former_clock.now_ms += 1_000
        clock.now_ms = former_clock.now_ms + skew_ms
        last = _last_id(former, last)
        successor = WorkerLease(store, clock)
        await successor.acquire()
        if successor.worker == 0:
            assert time_ms_of(successor.next_id()) > time_ms_of(last)
            break
        await successor.release()
    else:
        assert skew_ms < 0, "the number was never free"


def _last_id(lease: WorkerLease, last: int) -> int:
    try:
        return lease.next_id()
    except Unavailable:
        return last


async def test_a_successors_clock_that_steps_back(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """Ids pause rather than enter the time of the former holder."""
    await WorkerLease(store, clock).acquire()
    clock.now_ms += TTL_MS + 1
    await lease.acquire()
    assert lease.worker == 0
    clock.now_ms -= 10
    with pytest.raises(Unavailable):
        lease.next_id()
    clock.now_ms += 10
    lease.next_id()


async def test_release_frees_the_number(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """A released number can be taken at once, behind the ids that were made."""
    await lease.acquire()
    for _ in range(4096 * 3):
        last = lease.next_id()
    await lease.release()
    with pytest.raises(Unavailable):
        lease.next_id()
    successor = WorkerLease(store, clock)
    await successor.acquire()
    assert successor.worker == 1, "ids ran ahead of the clock, so the number is not free yet"
    clock.now_ms = time_ms_of(last) + 1
    successor = WorkerLease(store, clock)
    await successor.acquire()
    assert successor.worker == 0
    assert successor.next_id() > last


async def test_release_without_an_id(store: MemoryStore, clock: Clock) -> None:
    """A holder that made no id does not lay open the time of the holder before it."""
    first = WorkerLease(store, clock)
    await first.acquire()
    clock.now_ms += TTL_MS + 1
    second = WorkerLease(store, clock)
    await second.acquire()
    await second.release()
    clock.now_ms -= TTL_MS
    third = WorkerLease(store, clock)
    await third.acquire()
    assert third.worker == 1


async def test_release_is_best_effort(store: MemoryStore, lease: WorkerLease) -> None:
    """A store that fails does not keep a process from stopping; again does nothing."""
    await lease.acquire()
    store.before_write = failing_write
    await lease.release()
    await lease.release()
    assert lease.worker is None


async def test_run_renews_until_cancelled(
    store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background it renews every third of the time to live, and sooner after a failure."""
    lease = WorkerLease(store, clock)
    await lease.acquire()
    pauses: list[float] = []
    failures = iter([None, failing_write, failing_write, None])

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.now_ms += int(seconds * 1000)
        store.before_write = next(failures, None)
        if len(pauses) == 6:
            raise asyncio.CancelledError

    sleep: Callable[[float], object] = asyncio.sleep
    monkeypatch.setattr("rookery.store.leases.asyncio.sleep", lambda s: pause(s) if s else sleep(s))
    with pytest.raises(asyncio.CancelledError):
        await lease.run()
    assert pauses == [10.0, 10.0, 1.0, 1.0, 10.0, 10.0]
    (document,) = store.documents(LEASES)
    assert document["expires_ms"] == clock.now_ms - 10_000 + TTL_MS
