"""Rate limits of a whole server, as its settings say."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from rookery.client import Retries, TooManyRequests
from tests.integration.server.world import ServerThread, World
from tests.servers.redis import RedisServer, required


async def test_a_server_with_redis_counts_there(
    start_inline: Callable[..., Awaitable[ServerThread]], tmp_path: Path
) -> None:
    """A user over the limit is refused, and Redis has the count under the configured prefix."""
    required()
    redis = RedisServer(tmp_path / "redis")
    await asyncio.to_thread(redis.start)
    try:
        server = await start_inline(
            redis={"url": redis.url, "prefix": "test:"},
            limits={"reads_per_user": 30, "signups_per_address": 100},
        )
        async with World(server) as world, Redis.from_url(redis.url) as at_redis:
            person = await world.person()
            one_by_one = await world.client(token=person.client.token, retries=Retries(1))
            with pytest.raises(TooManyRequests) as refused:
                for _ in range(80):  # It may begin at the end of a minute.
                    await one_by_one.home(limit=1).page()
            assert refused.value.retry_after_s
            names = {key async for key in at_redis.scan_iter("test:limits*")}
            assert any(b"reads_per_user" in name for name in names)
            assert any(b"signups_per_address" in name for name in names)
    finally:
        await asyncio.to_thread(redis.stop)
