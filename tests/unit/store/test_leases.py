"""Snowflake worker numbers."""

import asyncio

import msgspec
import pytest

from rookery.errors import StoreUnavailable, Unavailable
from rookery.ids import WORKERS, time_ms_of
from rookery.models import Tweet
from rookery.store.engine import Document, Insert, WriteBatch
from rookery.store.leases import WorkerLease
from rookery.store.schema import LEASES, TWEETS
from tests.unit.memory_store import MemoryStore

START_MS = 1_800_000_000_000
TTL_MS = 30_000


class Clock:
    """A wall clock that can step, and a steady one beside it."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.steady_ms = 0

    def __call__(self) -> int:
        return self.now_ms

    def steady(self) -> int:
        return self.steady_ms

    def go_on(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.steady_ms += passed_ms

    def step(self, by_ms: int) -> None:
        self.now_ms += by_ms


def lease_of(store: MemoryStore, clock: Clock, name: str = "") -> WorkerLease:
    return WorkerLease(store, clock, name=name, steady=clock.steady)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def lease(store: MemoryStore, clock: Clock) -> WorkerLease:
    return lease_of(store, clock)


def worker_of(snowflake: int) -> int:
    return snowflake >> 12 & 1023


def tweet(tweet_id: int) -> Document:
    entities: dict[str, list[object]] = {}
    made = Tweet(id=tweet_id, author_id=1, text="x", entities=entities, conversation_id=tweet_id)
    return msgspec.structs.asdict(made)


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
    leases = [lease_of(store, clock, "gateway") for _ in range(8)]
    await asyncio.gather(*(one.acquire() for one in leases))
    assert sorted(one.worker for one in leases if one.worker is not None) == list(range(8))
    assert len({one.next_id() for one in leases}) == 8


async def test_an_expired_number_is_taken(store: MemoryStore, clock: Clock) -> None:
    """A number is taken again when its holder is gone, not before; and only by one."""
    await lease_of(store, clock).acquire()
    clock.go_on(TTL_MS)
    early = lease_of(store, clock)
    await early.acquire()
    assert early.worker == 1
    clock.go_on(1)
    late = [lease_of(store, clock) for _ in range(3)]
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
    clock.go_on(1)
    await lease.acquire()


async def test_ids_stop_when_the_lease_ends(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """Without a renewal ids stop exactly when the number may be taken by another process."""
    await lease.acquire()
    store.before_write = failing_write
    clock.go_on(TTL_MS - 1)
    with pytest.raises(StoreUnavailable):
        await lease.renew()
    lease.next_id()
    clock.go_on(1)
    with pytest.raises(Unavailable):
        lease.next_id()
    store.before_write = None
    await lease.renew()
    assert worker_of(lease.next_id()) == 0


async def test_renewal_keeps_the_number(clock: Clock, lease: WorkerLease) -> None:
    """A lease that is renewed in time goes on for as long as one likes."""
    await lease.acquire()
    for _ in range(10):
        clock.go_on(TTL_MS // 3)
        await lease.renew()
        assert worker_of(lease.next_id()) == 0


async def test_a_lost_number_is_replaced(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """A holder that slept while its number was taken makes no id with it, and gets another."""
    await lease.acquire()
    clock.go_on(TTL_MS + 1)
    rival = lease_of(store, clock)
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
    former = lease_of(store, former_clock)
    await former.acquire()
    last = former.next_id()
    for _ in range(40):
        former_clock.go_on(1_000)
        clock.now_ms = former_clock.now_ms + skew_ms
        last = _last_id(former, last)
        successor = lease_of(store, clock)
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
    """Its ids never enter the time of the former holder."""
    await lease_of(store, clock).acquire()
    end_ms = clock.now_ms + TTL_MS
    clock.go_on(TTL_MS + 1)
    await lease.acquire()
    assert lease.worker == 0
    clock.step(-10)
    assert time_ms_of(lease.next_id()) > end_ms


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
    successor = lease_of(store, clock)
    await successor.acquire()
    assert successor.worker == 0
    assert time_ms_of(successor.next_id()) > time_ms_of(last)


async def test_release_without_an_id(store: MemoryStore, clock: Clock) -> None:
    """A holder that made no id does not lay open the time of the holder before it."""
    first = lease_of(store, clock)
    await first.acquire()
    clock.go_on(TTL_MS + 1)
    second = lease_of(store, clock)
    await second.acquire()
    await second.release()
    clock.step(-TTL_MS)
    third = lease_of(store, clock)
    await third.acquire()
    assert third.worker == 0
    assert time_ms_of(third.next_id()) > START_MS + TTL_MS


HOUR_MS = 3_600_000


async def test_a_clock_that_steps_back_stops_no_ids(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """They go on rising for as long as it is behind, over renewals too, and meet it again."""
    await lease.acquire()
    clock.go_on(1_000)
    last = lease.next_id()
    clock.step(-HOUR_MS)
    for _ in range(11 * 3_600):
        clock.go_on(1_000)
        if clock.steady_ms % 10_000 == 0:
            await lease.renew()
        following = lease.next_id()
        assert following > last
        last = following
    assert time_ms_of(last) == clock.now_ms


async def test_processes_keep_the_order_among_their_ids_after_a_step(
    store: MemoryStore, clock: Clock
) -> None:
    """Posts through two gateways in turn stand in the order of posting."""
    leases = [lease_of(store, clock) for _ in range(2)]
    for each in leases:
        await each.acquire()
        each.next_id()
    clock.step(-HOUR_MS)
    ids = []
    for _ in range(500):
        for each in leases:
            clock.go_on(20)
            ids.append(each.next_id())
    assert ids == sorted(ids)


@pytest.mark.parametrize("is_killed", [False, True])
async def test_ids_rise_over_a_restart_while_the_clock_is_behind(
    store: MemoryStore, clock: Clock, lease: WorkerLease, is_killed: bool
) -> None:
    """What the store has is below whatever is made later, however the process ended."""
    await lease.acquire()
    clock.go_on(5_000)
    tweet_id = lease.next_id()
    await store.write(WriteBatch((Insert(TWEETS.name, tweet(tweet_id)),)))
    if not is_killed:
        await lease.release()
    clock.step(-HOUR_MS)
    successor = lease_of(store, clock)
    await successor.acquire()
    assert successor.next_id() > tweet_id


async def test_a_given_back_number_tells_its_last_id(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """Also of what is neither a tweet nor a user, as a like or a follow."""
    await lease.acquire()
    clock.go_on(5_000)
    like_id = lease.next_id()
    await lease.release()
    clock.step(-HOUR_MS)
    successor = lease_of(store, clock)
    await successor.acquire()
    assert successor.next_id() > like_id


async def test_a_jump_forward_stops_no_ids(
    store: MemoryStore, clock: Clock, lease: WorkerLease
) -> None:
    """Until the lease reaches the new time they go on from the last; corrected, they rise on."""
    await lease.acquire()
    last = lease.next_id()
    clock.step(HOUR_MS)
    following = lease.next_id()
    assert following > last
    await lease.renew()
    last = lease.next_id()
    assert time_ms_of(last) == clock.now_ms
    clock.step(-HOUR_MS)
    await lease.renew()
    assert lease.next_id() > last


async def test_a_process_whose_clock_is_behind_follows_the_others(store: MemoryStore) -> None:
    """With its next renewal."""
    slow, fast = Clock(), Clock()
    fast.step(HOUR_MS)
    one, other = lease_of(store, slow), lease_of(store, fast)
    await one.acquire()
    await other.acquire()
    await one.renew()
    assert time_ms_of(one.next_id()) >= fast.now_ms
    await other.renew()
    await one.renew()
    assert time_ms_of(other.next_id()) < fast.now_ms + 1_000, "they do not drive each other on"


async def test_no_id_is_made_twice_by_machines_whose_clocks_step(store: MemoryStore) -> None:
    """An hour ahead, an hour behind, and corrected: numbers change hands, ids never meet."""
    clocks = [Clock() for _ in range(3)]
    clocks[1].step(HOUR_MS)
    clocks[2].step(-HOUR_MS)
    leases = [lease_of(store, clock) for clock in clocks]
    made: list[int] = []
    for turn in range(60):
        for each, clock in zip(leases, clocks, strict=True):
            if turn == 30:
                clock.now_ms = START_MS + clock.steady_ms
            await each.renew()
            made += [_last_id(each, -len(made) - n - 1) for n in range(5)]
            clock.go_on(700)
    assert len(set(made)) == len(made)
    assert sum(each > 0 for each in made) > len(made) * 0.9


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
    """In the background every third of the time to live; sooner after a failure or a jump."""
    lease = lease_of(store, clock)
    await lease.acquire()
    renewals: list[int] = []
    failing = [False]

    async def note(batch: WriteBatch) -> None:
        renewals.append(clock.steady_ms)
        if failing[0]:
            raise StoreUnavailable()

    async def pause(seconds: float) -> None:
        if not seconds:
            return  # the store's
        clock.go_on(int(seconds * 1000))
        failing[0] = 20_000 <= clock.steady_ms < 21_500
        if clock.steady_ms == 35_000:
            clock.step(HOUR_MS)
        if clock.steady_ms > 40_000:
            raise asyncio.CancelledError

    store.before_write = note
    monkeypatch.setattr("rookery.store.leases.asyncio.sleep", pause)
    with pytest.raises(asyncio.CancelledError):
        await lease.run()
    assert renewals == [10_000, 20_000, 21_250, 22_500, 32_500, 35_000]
