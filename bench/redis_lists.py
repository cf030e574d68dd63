"""The usual rival: a list in Redis for each follower, filled by pipelines.

Measured as the `redis` package does it, and as fast as a client can: with the commands as bytes
made before, and replies that are only counted.
"""

import asyncio
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from bench.server import free_port

PIPELINE = 10_000
START_S = 10.0
READ_BYTES = 1 << 20


class Rates(NamedTuple):
    """Deliveries a second by the `redis` package, and by commands made before."""

    package: float
    raw: float


def missing() -> str | None:
    """Why there can be no comparison; None if there can."""
    if shutil.which("redis-server") is None:
        return "skipped: no redis-server on the PATH"
    return None if find_spec("redis") else "skipped: the redis package is not installed"


async def deliveries_per_s(followers: int, tweets: int, ring_size: int) -> Rates:
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


async def _measure(port: int, followers: int, tweets: int, ring_size: int) -> Rates:
    redis: Any = import_module("redis.asyncio")
    client = redis.Redis(port=port)
    try:
        await _until_there(client)
        keys = [f"timeline:{number}" for number in range(followers)]
        await _deliver(client, keys, 1, ring_size)
        began_s = perf_counter()
        await _deliver(client, keys, 2, ring_size)
        package = followers / (perf_counter() - began_s)
        raw = await _deliver_raw(port, keys, tweets, ring_size)
        if await client.llen(keys[-1]) != min(tweets + 2, ring_size):
            raise AssertionError("a list is not as long as it must be")
        return Rates(package, raw)
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


async def _deliver_raw(port: int, keys: list[str], tweets: int, ring_size: int) -> float:
    """Deliveries a second, by the same commands as bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=READ_BYTES)
    chunks = []
    for first in range(0, len(keys), PIPELINE):
        chosen = keys[first : first + PIPELINE]
        commands = [
            _command("LPUSH", key, str(1 << 60)) + _command("LTRIM", key, "0", str(ring_size - 1))
            for key in chosen
        ]
        chunks.append((b"".join(commands), 2 * len(chosen)))
    began_s = perf_counter()
    for _ in range(tweets):
        for commands_raw, replies in chunks:
            writer.write(commands_raw)
            while replies > 0:
                replies -= (await reader.read(READ_BYTES)).count(b"\n")
    took_s = perf_counter() - began_s
    writer.close()
    return tweets * len(keys) / took_s


def _command(*words: str) -> bytes:
    """A command in Redis' protocol."""
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{parts}".encode()
