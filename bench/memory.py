"""``memory``: what an idle session, a warm timeline and an idle server take."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from bench import sockets
from bench.report import Options, Result, machine
from bench.server import Server, name_of
from bench.world import Plan, build, random_authors, regular_follows

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
            yield _result(options, "warm timeline", per_row, rows, followees=followees)
            listeners = server.actor_processes("ConnectionServer")
            port = server.stream_ports[0]
            heads = [sockets.handshake(token) for token in world.tokens]
            async with sockets.Receivers(sockets.Job(port=port, heads=heads[:first])):
                before = await resident(listeners)
                async with sockets.Receivers(sockets.Job(port=port, heads=heads[first:])):
                    per_session = (await resident(listeners) - before) / rows
            yield _result(options, "idle session", per_session, rows)


def _result(options: Options, what: str, value: float, count: int, **more: Any) -> Result:
    parameters = {"runtime": options.runtime, "of": what, "count": count, **more}
    return Result(
        bench="memory", value=value, unit="bytes", parameters=parameters, machine=machine()
    )


def _idle(options: Options, server: Server) -> Result:
    """The whole server before anyone came; shared pages are counted once (PSS)."""
    processes = server.processes()
    full = [each.memory_full_info() for each in processes]
    by_name: dict[str, int] = {}
    for process, info in zip(processes, full, strict=True):
        name = name_of(process)
        by_name[name] = by_name.get(name, 0) + info.pss
    return Result(
        bench="memory",
        value=float(sum(info.pss for info in full)),
        unit="bytes",
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
