"""What every queue promises (`rookery.store.queue`)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from rookery.errors import StoreUnavailable
from rookery.store.engine import Put, WriteBatch
from rookery.store.schema import JOBS, OUTBOX
from tests.contract.queues import LIMIT, WITHIN_S, RedisScene, Scene, entries, ids

QUEUES = ("outbox", "redis")


@pytest_asyncio.fixture(params=QUEUES)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """An empty queue of each kind."""
    async with AsyncExitStack() as stack:
        if request.param == "outbox":
            made = Scene(stack)
        else:
            made = RedisScene(stack, request.getfixturevalue("shared_redis"))
        made.open()
        yield made


async def test_entries_come_whole_and_in_order(scene: Scene) -> None:
    """Also those of several commits."""
    added = entries(30)
    taken = asyncio.create_task(scene.drain(30))
    for first in range(0, 30, 10):
        await scene.commit(added[first : first + 10])
    assert await taken == ids(added)
    await scene.die()
    assert await scene.queue.take(LIMIT, WITHIN_S) == added


async def test_a_waiting_consumer_gets_an_entry_at_once(scene: Scene) -> None:
    """Long before its wait is over."""
    await scene.queue.take(LIMIT, 0.05)
    taking = asyncio.create_task(scene.queue.take(LIMIT, 30.0))
    begun_s = time.monotonic()
    added = await scene.commit(entries(1))
    assert ids(await taking) == added
    assert time.monotonic() - begun_s < 0.5


async def test_an_empty_queue_answers_after_the_wait(scene: Scene) -> None:
    """Not before it is over, and not much later."""
    await scene.queue.take(LIMIT, 0.01)
    begun_s = time.monotonic()
    assert await scene.queue.take(LIMIT, 0.3) == []
    assert 0.29 < time.monotonic() - begun_s < 1.0


async def test_the_limit_is_kept(scene: Scene) -> None:
    """What is over it comes with the next call."""
    added = await scene.commit(entries(5))
    first = await scene.queue.take(2, WITHIN_S)
    rest = await scene.queue.take(3, WITHIN_S)
    assert (len(first), sorted(ids(first) + ids(rest))) == (2, added)


async def test_held_entries_are_not_handed_out_again(scene: Scene) -> None:
    """Neither while they are young nor when they are old."""
    added = entries(3) + entries(2, age_s=60)
    await scene.commit(added)
    await scene.drain(5)
    assert scene.queue.held == 5
    scene.queue.offer(added)
    assert await scene.queue.take(LIMIT, 0.3) == []


async def test_acknowledged_entries_are_gone(scene: Scene) -> None:
    """From the outbox, from the notes of what is held, and for the next consumer."""
    added = await scene.commit(entries(3))
    await scene.drain(3)
    await scene.queue.acknowledge(added)
    await scene.queue.acknowledge(added)
    assert (scene.queue.held, scene.store.documents(OUTBOX)) == (0, [])
    await scene.die()
    assert await scene.queue.take(LIMIT, 0.5) == []


async def test_what_goes_with_an_acknowledgement_is_one_batch_with_it(scene: Scene) -> None:
    """Nothing is lost or doubled in between, wherever a process dies."""
    added = await scene.commit(entries(2))
    await scene.drain(2)
    batches = len(scene.store.batches)
    await scene.queue.acknowledge(added, [Put(JOBS.name, {"name": "x"})])
    assert len(scene.store.batches) == batches + 1
    assert (scene.store.documents(OUTBOX), scene.store.documents(JOBS)) == ([], [{"name": "x"}])


async def test_what_a_dead_consumer_held_comes_again(scene: Scene) -> None:
    """All of it, though not what it acknowledged."""
    added = await scene.commit(entries(6))
    await scene.drain(6)
    await scene.queue.acknowledge(added[:2])
    await scene.die()
    assert await scene.drain(4) == added[2:]
    assert await scene.queue.take(LIMIT, 0.5) == []


async def test_entries_never_announced_come(scene: Scene) -> None:
    """Whoever committed them died before it could tell."""
    await scene.queue.take(LIMIT, 0.05)
    added = entries(3)
    await scene.store_only(added)
    assert await scene.drain(3) == ids(added)


async def test_an_older_entry_that_was_committed_later_comes(scene: Scene) -> None:
    """Commits are not in the order of ids."""
    older, newer = entries(2)
    assert await scene.commit([newer]) == await scene.drain(1)
    assert await scene.commit([older]) == await scene.drain(1)


async def test_a_queue_is_empty_only_when_all_is_acknowledged(scene: Scene) -> None:
    """Not while entries wait or are held."""
    assert await scene.queue.is_empty()
    added = await scene.commit(entries(2))
    assert not await scene.queue.is_empty()
    await scene.drain(2)
    assert not await scene.queue.is_empty()
    await scene.queue.acknowledge(added[:1])
    assert not await scene.queue.is_empty()
    await scene.queue.acknowledge(added[1:])
    assert await scene.queue.is_empty()


async def test_what_cannot_be_acknowledged_stays_held(scene: Scene) -> None:
    """The store is away; afterwards the same call succeeds."""
    added = await scene.commit(entries(2))
    await scene.drain(2)

    async def is_away(batch: WriteBatch) -> None:
        raise StoreUnavailable()

    scene.store.before_write = is_away
    with pytest.raises(StoreUnavailable):
        await scene.queue.acknowledge(added)
    assert scene.queue.held == 2
    scene.store.before_write = None
    await scene.queue.acknowledge(added)
    assert (scene.queue.held, await scene.queue.is_empty()) == (0, True)


async def test_nothing_is_lost_or_doubled_while_others_commit(scene: Scene) -> None:
    """Commits, takes and acknowledgements go on side by side."""
    added = entries(2_000)

    async def commit() -> None:
        for first in range(0, len(added), 20):
            await scene.commit(added[first : first + 20])
            await asyncio.sleep(0)

    committing = asyncio.create_task(commit())
    seen: list[int] = []
    until_s = time.monotonic() + WITHIN_S
    while len(seen) < len(added) and time.monotonic() < until_s:
        taken = ids(await scene.queue.take(LIMIT, 0.5))
        seen += taken
        await scene.queue.acknowledge(taken)
    await committing
    assert sorted(seen) == ids(added)
    assert await scene.queue.is_empty()
