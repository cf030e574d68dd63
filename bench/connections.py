"""``connections``: many idle signed-in sessions on one connection server."""

import asyncio
import resource
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from bench import sockets
from bench.memory import resident
from bench.report import Options, Result, below, machine, promise
from bench.server import Server
from bench.world import Plan, World, build, regular_follows

SESSIONS = 20_000
FIRST = 500
"""Sessions that fill what is there but once, before those that are counted."""
PER_CLIENT = 5_000
SPARE_FILES = 500
FOLLOWEES = 5
IDLE_S = 60.0
"""More than two heartbeats."""
MOST_BYTES = 20_000
MOST_CPU = 0.05


async def run(options: Options, *, sessions: int | None = None) -> AsyncIterator[Result]:
    """Opened by users of their own; then nothing is posted, and only heartbeats pass."""
    sessions = _possible(sessions or (1_000 if options.is_small else SESSIONS), options.runtime)
    conditions = machine()
    plan = Plan(regular_follows(sessions, FOLLOWEES))
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), plan)
        async with Server(world.data_dir, options.runtime) as server, AsyncExitStack() as stack:
            yield await _measure(options, world, server, stack, conditions)


def _possible(wanted: int, runtime: str) -> int:
    """As many sessions as the connection server may have open files for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return wanted
    if runtime == "inline":  # A quarter is for REST, in the same process.
        most = most * 3 // 4
    return min(wanted, most - SPARE_FILES)


async def _measure(
    options: Options,
    world: World,
    server: Server,
    stack: AsyncExitStack,
    conditions: dict[str, Any],
) -> Result:
    listeners = server.actor_processes("ConnectionServer")
    shards = server.actor_processes("TimelineShard")
    heads = [sockets.handshake(token) for token in world.tokens]

    clients: list[sockets.Receivers] = []

    async def open_all(heads: list[bytes]) -> None:
        for first in range(0, len(heads), PER_CLIENT):
            job = sockets.Job(port=server.stream_ports[0], heads=heads[first : first + PER_CLIENT])
            clients.append(await stack.enter_async_context(sockets.Receivers(job)))

    await open_all(heads[:FIRST])
    before = await resident(listeners), await resident(shards)
    began_s = monotonic()
    await open_all(heads[FIRST:])
    took_s = monotonic() - began_s
    count = len(heads) - FIRST
    per_session = (await resident(listeners) - before[0]) / count
    in_shard = (await resident(shards) - before[1]) / count
    idle = [_cpu_s(listeners), _cpu_s(shards)]
    idle_s = 2.0 if options.is_small else IDLE_S
    await asyncio.sleep(idle_s)
    used = [(_cpu_s(listeners) - idle[0]) / idle_s, (_cpu_s(shards) - idle[1]) / idle_s]
    closed = sum([(await client.received()).closed for client in clients])
    if closed:
        raise AssertionError(f"{closed} sessions were closed")
    return Result(
        bench="connections",
        value=per_session,
        unit="bytes",
        **promise(
            options,
            below("bytes", per_session, MOST_BYTES) | below("idle CPU", used[0], MOST_CPU),
        ),
        parameters={
            "runtime": options.runtime,
            "sessions": len(heads),
            "opened_per_s": count / took_s,
            "shard_bytes": in_shard,
            "idle_cpu": {"ConnectionServer": used[0], "TimelineShard": used[1]},
            "idle_s": idle_s,
        },
        checked={"open": len(heads)},
        machine=conditions,
    )


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)
