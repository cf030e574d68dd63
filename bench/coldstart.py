"""``coldstart``: the first home page of users whose timelines are nowhere in memory."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench import load
from bench.reads import LIMIT, PATH, check
from bench.report import Options, Result, below, machine, promise
from bench.server import Server, cpu_us_each
from bench.world import Plan, World, build, random_authors

REQUIRED_P99_MS = {200: 40, 5_000: 300}
"""By how many the reader follows."""
FIRST_READS = 5
"""Reads by others before, so that the gateways have begun to work."""


async def run(options: Options, *, followees: Sequence[int] = ()) -> AsyncIterator[Result]:
    """One read at a time, by users who follow 200 and by users who follow 5,000.

    With `followees`: by users who follow so many each.
    """
    authors, tweets = (300, 1_000) if options.is_small else (6_000, 50_000)
    shapes = [(100, 20), (250, 10)] if options.is_small else [(200, 200), (5_000, 40)]
    if followees:
        shapes = [(count, 10 if options.is_small else 100) for count in followees]
    rng = Random(authors)
    follows: list[list[int]] = [[]] * authors
    follows += [rng.sample(range(authors), 50) for _ in range(FIRST_READS)]
    groups: list[range] = []
    for whom, count in shapes:
        groups.append(range(len(follows), len(follows) + count))
        follows += [rng.sample(range(authors), whom) for _ in range(count)]
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), Plan(follows, random_authors(authors, tweets)))
        async with Server(world.data_dir, options.runtime) as server:
            await _read(world, server, range(authors, authors + FIRST_READS))
            for (whom, _), readers in zip(shapes, groups, strict=True):
                conditions = machine()
                cpu_s = server.cpu_s()
                outcome = await _read(world, server, readers)
                cpu_us = cpu_us_each(cpu_s, server.cpu_s(), len(readers))
                yield Result(
                    bench="coldstart",
                    value=outcome.p50_ms,
                    unit="ms",
                    p50_ms=outcome.p50_ms,
                    p95_ms=outcome.p95_ms,
                    p99_ms=outcome.p99_ms,
                    repeats=1,
                    **_promise(options, whom, outcome.p99_ms),
                    parameters={
                        "runtime": options.runtime,
                        "followees": whom,
                        "readers": len(readers),
                        "tweets": tweets,
                        "cpu_us_each": cpu_us | {"generator": outcome.cpu_us_each},
                    },
                    checked={"bodies": len(outcome.bodies)},
                    machine=conditions,
                )


def _promise(options: Options, followees: int, p99_ms: float) -> dict[str, Any]:
    bound_ms = REQUIRED_P99_MS.get(followees)
    return {} if bound_ms is None else promise(options, below("p99 ms", p99_ms, bound_ms))


async def _read(world: World, server: Server, readers: range) -> load.Outcome:
    """Each reader's first page, one after another, compared with what it must show."""
    requests = {user: world.request("GET", f"{PATH}?limit={LIMIT}", user) for user in readers}
    outcome = await load.run(
        load.Job(
            port=server.http_port,
            requests=list(requests.values()),
            connections=1,
            warm_up_s=0,
            seconds=120,
            requests_max=len(requests),
            keep_bodies=len(requests),
        )
    )
    users = list(requests)
    outcome.bodies = [(users[number], body) for number, body in outcome.bodies]
    if check(world, outcome) != len(requests):
        raise AssertionError("not every reader was answered")
    return outcome
