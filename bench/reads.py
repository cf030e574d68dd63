"""``reads``: home timelines a second, beside static responses of the same size."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bench import load
from bench.ceilings import Ceiling
from bench.report import Options, Result, at_least, below, machine, measured, promise
from bench.server import Server, cpu_us_each
from bench.world import Plan, World, build, random_authors, regular_follows

PATH = "/api/v1/timeline/home"
LIMIT = 20
CONNECTIONS = 64
REQUIRED = 10_000
REQUIRED_P99_MS = 60
REQUIRED_RATIO = 0.45


def plan(options: Options, users: int | None = None) -> Plan:
    """10,000 users (or so many) who follow 50 each and posted two tweets each."""
    usual, followees, tweets = (200, 20, 5) if options.is_small else (10_000, 50, 2)
    users = users or usual
    return Plan(regular_follows(users, followees), random_authors(users, tweets * users))


async def run(
    options: Options, *, users: int | None = None, connections: Sequence[int] = (CONNECTIONS,)
) -> AsyncIterator[Result]:
    """GET of the first home page, each request for another user whose timeline is warm.

    One result for each number of `connections`, all from one server.
    """
    conditions = machine()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), plan(options, users))
        async with Server(world.data_dir, options.runtime) as server:
            await server.warm(world.user_ids)
            for count in connections:
                yield await _measure(options, world, server, count, conditions)


async def _measure(
    options: Options, world: World, server: Server, connections: int, conditions: dict[str, Any]
) -> Result:
    requests = [
        world.request("GET", f"{PATH}?limit={LIMIT}", user) for user in range(len(world.user_ids))
    ]
    job = load.Job(
        port=server.http_port,
        requests=requests,
        connections=connections,
        warm_up_s=options.seconds / 2,
        seconds=options.seconds,
    )
    gateways = len(server.actor_processes("Gateway"))
    headers, body = await _response(server, world)
    outcomes: list[load.Outcome] = []
    ceilings: list[load.Outcome] = []
    checked = 0
    ceiling = Ceiling(gateways, method="GET", path=PATH, status=200, headers=headers, body=body)
    async with ceiling:
        for _ in range(options.repeats):
            cpu_s = server.cpu_s()
            outcomes.append(await load.run(job))
            cpu_us = cpu_us_each(cpu_s, server.cpu_s(), outcomes[-1].answered)
            checked += check(world, outcomes[-1])
            ceilings.append(await load.run(msgspec.structs.replace(job, port=ceiling.port)))
            if any(raw != body for _, raw in ceilings[-1].bodies):
                raise AssertionError("the ceiling's bodies differ")
    last = sorted(outcomes, key=lambda each: each.rate)[len(outcomes) // 2]
    rates = [each.rate for each in outcomes]
    figures = measured(rates, [each.rate for each in ceilings])
    return Result(
        bench="reads",
        unit="requests/s",
        ceiling_is="static bodies from aiohttp in as many processes",
        p50_ms=last.p50_ms,
        p95_ms=last.p95_ms,
        p99_ms=last.p99_ms,
        **figures,
        **promise(
            options,
            at_least("requests/s", figures["value"], REQUIRED)
            | below("p99 ms", last.p99_ms, REQUIRED_P99_MS)
            | at_least("ratio", figures["ratio"], REQUIRED_RATIO),
        ),
        parameters={
            "runtime": options.runtime,
            "connections": connections,
            "users": len(world.user_ids),
            "followees": len(world.plan.follows[0]),
            "gateways": gateways,
            "body_bytes": len(body),
            "seconds": options.seconds,
            "ceiling_p50_ms": ceilings[-1].p50_ms,
            "cpu_us_each": cpu_us | {"generator": outcomes[-1].cpu_us_each},
        },
        checked={"bodies": checked, "refused": sum(sum(o.refused.values()) for o in outcomes)},
        machine=conditions,
    )


async def _response(server: Server, world: World) -> tuple[list[tuple[str, str]], bytes]:
    """The headers (without those that aiohttp makes itself) and body of one response."""
    url = f"http://127.0.0.1:{server.http_port}{PATH}?limit={LIMIT}"
    headers = {"Authorization": f"Bearer {world.tokens[0]}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        body = await response.read()
        if response.status != 200:
            raise AssertionError(f"status {response.status}: {body!r}")
        own = {"content-length", "date"}
        kept = [(str(name), value) for name, value in response.headers.items()]
        return [each for each in kept if each[0].lower() not in own], body


def check(world: World, outcome: load.Outcome) -> int:
    """Compare the bodies that were kept with the world; how many there were.

    Raises:
        AssertionError: one shows other tweets than it must, or a request was refused.
    """
    if outcome.refused:
        raise AssertionError(f"requests were refused: {outcome.refused}")
    for user, raw in outcome.bodies:
        page: Sequence[dict[str, Any]] = msgspec.json.decode(raw)["tweets"]
        shown = [int(tweet["id"]) for tweet in page]
        if shown != world.home(user, LIMIT):
            raise AssertionError(f"user {user} was shown {shown}, not {world.home(user, LIMIT)}")
        whole = [*page, *(tweet["retweetOf"] for tweet in page if tweet["retweetOf"])]
        if any("liked" not in tweet or "likeCount" not in tweet for tweet in whole):
            raise AssertionError(f"user {user} was shown tweets without counts or flags")
    if not outcome.bodies:
        raise AssertionError("no body was kept")
    return len(outcome.bodies)
