"""The usual rival: a list in Redis for each follower, filled by pipelines."""

import asyncio
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from time import monotonic, perf_counter
from typing import Any

from bench.server import free_port

PIPELINE = 10_000
START_S = 10.0


def missing() -> str | None:
    """Why there can be no comparison; None if there can."""
    if shutil.which("redis-server") is None:
        return "skipped: no redis-server on the PATH"
    return None if find_spec("redis") else "skipped: the redis package is not installed"


async def deliveries_per_s(followers: int, tweets: int, ring_size: int) -> float:
    """Push tweets to the front of each follower's list and trim it, in large pipelines."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = await asyncio.to_thread(
            subprocess.Popen,
            ["redis-server", *options, "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        try:
            return await _measure(port, followers, tweets, ring_size)
        finally:
            server.terminate()
            await asyncio.to_thread(server.wait)


async def _measure(port: int, followers: int, tweets: int, ring_size: int) -> float:
    redis: Any = import_module("redis.asyncio")
    client = redis.Redis(port=port)
    try:
        await _until_there(client)
        keys = [f"timeline:{number}" for number in range(followers)]
        await _deliver(client, keys, 1, ring_size)
        began_s = perf_counter()
        for tweet_id in range(2, tweets + 2):
            await _deliver(client, keys, tweet_id, ring_size)
        return followers * tweets / (perf_counter() - began_s)
    finally:
        await client.aclose()


async def _until_there(client: Any) -> None:
    deadline_s = monotonic() + START_S
    while True:
        with suppress(OSError, import_module("redis").RedisError):
            await client.ping()
            return
        if monotonic() > deadline_s:
            raise RuntimeError(f"redis-server is not there after {START_S} s")
        await asyncio.sleep(0.02)


async def _deliver(client: Any, keys: list[str], tweet_id: int, ring_size: int) -> None:
    for first in range(0, len(keys), PIPELINE):
        pipeline = client.pipeline(transaction=False)
        for key in keys[first : first + PIPELINE]:
            pipeline.lpush(key, tweet_id)
            pipeline.ltrim(key, 0, ring_size - 1)
        await pipeline.execute()
