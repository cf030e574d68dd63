"""``memory``: what an idle session, a warm timeline and an idle server take."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from bench import sockets
from bench.report import Options, Result, below, machine, promise
from bench.server import Server, name_of
from bench.world import Plan, build, random_authors, regular_follows

MOST_BYTES_A_TIMELINE = 10_000
MOST_BYTES_A_SESSION = 20_000
MOST_BYTES_INLINE = 150_000_000
"""The whole idle server with the inline runtime; with Ray it is only reported."""
SETTLED_BYTES = 256 * 1024
SETTLE_S = 15.0


async def run(options: Options) -> AsyncIterator[Result]:
    """Growth of resident memory, of the processes concerned."""
    users, followees = (300, 20) if options.is_small else (6_000, 200)
    plan = Plan(regular_follows(users, followees), random_authors(users, users * 10))
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), plan)
        async with Server(world.data_dir, options.runtime) as server:
            yield _idle(options, server)
            shards = server.actor_processes("TimelineShard")
            # The first ones also fill what is there but once: code, and the store's page cache,
            # which takes some kilobytes of each user's followees until its 16 MB are full.
            first = users * 2 // 3
            await server.warm(world.user_ids[:first])
            before = await resident(shards)
            await server.warm(world.user_ids[first:])
            rows = users - first
            per_row = (await resident(shards) - before) / rows
            yield _result(
                options,
                "warm timeline",
                per_row,
                rows,
                most=MOST_BYTES_A_TIMELINE,
                followees=followees,
            )
            listeners = server.actor_processes("ConnectionServer")
            port = server.stream_ports[0]
            heads = [sockets.handshake(token) for token in world.tokens]
            async with sockets.Receivers(sockets.Job(port=port, heads=heads[:first])):
                before = await resident(listeners)
                async with sockets.Receivers(sockets.Job(port=port, heads=heads[first:])):
                    per_session = (await resident(listeners) - before) / rows
            yield _result(options, "idle session", per_session, rows, most=MOST_BYTES_A_SESSION)


def _result(
    options: Options, what: str, value: float, count: int, *, most: int, **more: Any
) -> Result:
    return Result(
        bench="memory",
        value=value,
        unit="bytes",
        **promise(options, below("bytes", value, most)),
        parameters={"runtime": options.runtime, "of": what, "count": count, **more},
        machine=machine(),
    )


def _idle(options: Options, server: Server) -> Result:
    """The whole server before anyone came; shared pages are counted once (PSS)."""
    processes = server.processes()
    full = [each.memory_full_info() for each in processes]
    by_name: dict[str, int] = {}
    for process, info in zip(processes, full, strict=True):
        name = name_of(process)
        by_name[name] = by_name.get(name, 0) + info.pss
    value = float(sum(info.pss for info in full))
    demands = below("bytes", value, MOST_BYTES_INLINE) if options.runtime == "inline" else {}
    return Result(
        bench="memory",
        value=value,
        unit="bytes",
        **promise(options, demands, runtime="inline"),
        parameters={
            "runtime": options.runtime,
            "of": "idle server",
            "processes": len(processes),
            "rss_bytes": sum(info.rss for info in full),
        },
        checked={"pss_bytes": dict(sorted(by_name.items(), key=lambda each: -each[1]))},
        machine=machine(),
    )


async def resident(processes: list[psutil.Process]) -> int:
    """The resident bytes of these processes, once they have stopped to grow."""
    deadline_s = monotonic() + SETTLE_S
    last = -1
    while True:
        now = sum(each.memory_info().rss for each in processes)
        if abs(now - last) < SETTLED_BYTES or monotonic() > deadline_s:
            return now
        last = now
        await asyncio.sleep(1.0)
