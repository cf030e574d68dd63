"""What the queue over Redis does besides what every queue promises (`test_queue`)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from rookery.store.redis.connection import connect
from tests.contract.queues import (
    LIMIT,
    RedisScene,
    entries,
    ids,
    until,
)
from tests.servers.redis import RedisServer, required


@pytest_asyncio.fixture
async def calm(shared_redis: RedisServer) -> AsyncIterator[RedisScene]:
    """A queue over a Redis that stays unharmed."""
    async with AsyncExitStack() as stack:
        made = RedisScene(stack, shared_redis)
        made.open()
        yield made


@pytest_asyncio.fixture
async def harmed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisScene]:
    """A queue that reads the stream of a Redis of the test's own."""
    required()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    async with AsyncExitStack() as stack:
        stack.callback(server.stop)
        made = RedisScene(stack, server)
        made.open()
        assert await made.queue.take(LIMIT, 0.01) == []
        await made.is_streaming()
        assert await made.queue.take(LIMIT, 0.01) == []  # it looks into the outbox once more
        yield made


async def _raw(scene: RedisScene, command: str, *args: Any) -> Any:
    """A command to Redis, on a connection of its own."""
    client = connect(scene.settings)
    try:
        execute: Any = client.execute_command
        return await execute(command, *args)
    finally:
        await client.aclose()


async def _streamed(scene: RedisScene) -> int:
    """Entries that are in the stream."""
    length: int = await _raw(scene, "XLEN", f"{scene.settings.prefix}fanout")
    return length


async def test_entries_come_through_the_stream(calm: RedisScene) -> None:
    """No read of the store brings them, and the announcer offers nothing itself."""
    await calm.queue.take(LIMIT, 0.05)
    await calm.is_streaming()
    await calm.queue.take(LIMIT, 0.05)
    reads = calm.store.reads.get("get_many", 0)
    added = await calm.commit(entries(10))
    assert await calm.drain(10) == added
    assert (calm.direct.count, calm.store.reads.get("get_many", 0)) == (0, reads)
    assert calm.queue.figures()["queue_from_stream"] == 10


async def test_acknowledged_entries_leave_the_stream(calm: RedisScene) -> None:
    """Also those that came from the outbox before their copy was read."""
    added = entries(5)
    await calm.store_only(added)
    assert await calm.drain(5) == ids(added)
    calm.announcer.announce(added)
    await until(lambda: _streamed(calm))
    await calm.queue.acknowledge(ids(added))

    async def is_clean() -> bool:
        await calm.queue.take(LIMIT, 0.05)
        await calm.queue.acknowledge([])
        return await _streamed(calm) == 0

    await until(is_clean)
    assert calm.queue.held == 0


@pytest.mark.parametrize("age_s", [0, 60])
async def test_a_copy_of_an_acknowledged_entry_is_not_handed_out(
    calm: RedisScene, age_s: float
) -> None:
    """Not even by a consumer that never saw it: the outbox is asked."""
    added = entries(3, age_s=age_s)
    await calm.store_only(added)
    await calm.drain(3)
    await calm.queue.acknowledge(ids(added))
    await calm.die()
    calm.announcer.announce(added)
    assert await calm.queue.take(LIMIT, 0.5) == []


async def test_what_a_dead_consumer_left_in_the_stream_is_reclaimed(calm: RedisScene) -> None:
    """It acknowledged them, and died before it could remove them."""
    added = await calm.commit(entries(4))
    await calm.drain(4)
    await calm.queue.close()
    await calm.outbox.acknowledge(added)
    calm.open()
    assert await _streamed(calm) == 4

    async def is_clean() -> bool:
        assert await calm.queue.take(LIMIT, 0.05) == []
        await calm.queue.acknowledge([])
        return await _streamed(calm) == 0

    await until(is_clean)


async def test_a_killed_redis_is_replaced_by_the_outbox(harmed: RedisScene) -> None:
    """Within two seconds a waiting consumer gets what is committed meanwhile."""
    taking = asyncio.create_task(harmed.drain(3, within_s=2.0))
    harmed.server.kill()
    added = await harmed.commit(entries(3))
    assert await taking == added
    await harmed.queue.acknowledge(added)
    assert await harmed.queue.is_empty()


async def test_the_stream_is_used_again_when_redis_is_back(harmed: RedisScene) -> None:
    """Without its data: the group is made again by itself."""
    harmed.server.kill()
    added = await harmed.commit(entries(3))
    assert await harmed.drain(3) == added
    await harmed.is_streaming(is_away=True)
    harmed.server.start()
    streamed = harmed.queue.figures()["queue_from_stream"]

    async def is_used() -> bool:
        batch = await harmed.commit(entries(1))
        assert await harmed.drain(1) == batch
        return harmed.queue.figures()["queue_from_stream"] > streamed

    await until(is_used)
    await harmed.queue.acknowledge(list(added))
    assert harmed.queue.held >= 1


async def test_emptying_redis_loses_nothing(harmed: RedisScene) -> None:
    """Neither what was held, nor what was in the stream, nor what comes after."""
    first = await harmed.commit(entries(3))
    assert await harmed.drain(3) == first
    await _raw(harmed, "FLUSHALL")
    second = await harmed.commit(entries(3))
    assert await harmed.drain(3) == second
    await harmed.queue.acknowledge(first)
    await harmed.queue.close()
    third = await harmed.commit(entries(3))
    await until(lambda: _streamed(harmed))
    await _raw(harmed, "FLUSHALL")
    harmed.open()
    assert await harmed.drain(6) == second + third
    await harmed.queue.acknowledge(second + third)
    assert await harmed.queue.is_empty()


async def test_emptying_redis_wakes_a_waiting_consumer(harmed: RedisScene) -> None:
    """It makes the group again, and gets what is announced next."""
    taking = asyncio.create_task(harmed.drain(2))
    await _raw(harmed, "FLUSHALL")
    added = await harmed.commit(entries(2))
    assert await taking == added


async def test_a_redis_that_hangs_delays_entries_by_its_time_limit_once(
    harmed: RedisScene,
) -> None:
    """SIGSTOP: connections stay open, nothing is answered; the next ones are not delayed."""
    harmed.server.pause()
    try:
        added = await harmed.commit(entries(3))
        assert await harmed.drain(3, within_s=1.0) == added
        begun_s = time.monotonic()
        again = await harmed.commit(entries(3))
        assert await harmed.drain(3) == again
        assert time.monotonic() - begun_s < 0.1
        await harmed.queue.acknowledge(added + again)
        assert await harmed.queue.is_empty()
    finally:
        harmed.server.resume()
    assert await harmed.queue.take(LIMIT, 0.5) == []


async def test_a_persistent_redis_may_be_restarted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Each entry that it kept comes once, although the outbox has it too."""
    required()
    server = RedisServer(tmp_path_factory.mktemp("redis"), persistent=True)
    server.start()
    async with AsyncExitStack() as stack:
        stack.callback(server.stop)
        scene = RedisScene(stack, server)
        scene.open()
        added = await scene.commit(entries(5))
        await until(lambda: _streamed(scene))
        server.restart()
        assert sorted(await scene.drain(5)) == added
        assert await scene.queue.take(LIMIT, 1.0) == []


async def test_a_full_stream_is_not_added_to(calm: RedisScene) -> None:
    """The outbox has what is new, and the stream stays about as long as it was."""
    calm.max_length = 10
    await calm.announcer.close()
    calm.announcer = calm.direct
    await calm.die()
    added = entries(100)
    await calm.store_only(added)
    for entry in added:
        calm.announcer.announce([entry])
        await asyncio.sleep(0.001)
    await until(lambda: _offered(calm))
    assert 10 < await _streamed(calm) < 100
    assert sorted(await calm.drain(100)) == ids(added)


async def _offered(scene: RedisScene) -> bool:
    return scene.direct.count > 0


async def test_a_trimmed_stream_loses_nothing(calm: RedisScene) -> None:
    """What was cut off before it was read is in the outbox."""
    await calm.queue.take(LIMIT, 0.05)
    await calm.is_streaming()
    await calm.queue.close()
    added = await calm.commit(entries(50))
    await until(lambda: _streamed(calm))
    await _raw(calm, "XTRIM", f"{calm.settings.prefix}fanout", "MAXLEN", "5")
    calm.open()
    assert sorted(await calm.drain(50)) == added


async def test_rubbish_in_the_stream_is_removed(calm: RedisScene) -> None:
    """It stops nothing that comes after it."""
    await calm.queue.take(LIMIT, 0.05)
    key = f"{calm.settings.prefix}fanout"
    await _raw(calm, "XADD", key, "*", "event", "rubbish")
    await _raw(calm, "XADD", key, "*", "other", "field")
    added = await calm.commit(entries(1))
    assert await calm.drain(1) == added
    await calm.queue.acknowledge(added)
    assert await _streamed(calm) == 0
