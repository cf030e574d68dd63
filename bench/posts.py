"""``posts``: tweets accepted durably a second, and delivered to every follower's timeline."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from bench import load
from bench.ceilings import Ceiling
from bench.reads import plan
from bench.report import Options, Result, at_least, below, machine, measured, promise
from bench.server import Server, cpu_us_each
from bench.world import World, build, username

PATH = "/api/v1/tweets"
CONNECTIONS = 64
REQUIRED = 3_000
REQUIRED_P95_MS = 100
REQUIRED_RATIO = 0.5
LOOKED_AT = 20


async def run(
    options: Options, *, connections: Sequence[int] = (CONNECTIONS,)
) -> AsyncIterator[Result]:
    """POST of tweets with a mention and a hashtag, by authors whose followers are all warm.

    One result for each number of `connections`, all from one server.
    """
    conditions = machine()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), plan(options))
        async with Server(world.data_dir, options.runtime) as server:
            await server.warm(world.user_ids)
            for count in connections:
                yield await _measure(options, world, server, count, conditions)


async def _measure(
    options: Options, world: World, server: Server, connections: int, conditions: dict[str, Any]
) -> Result:
    users = len(world.user_ids)
    job = load.Job(
        port=server.http_port,
        requests=[world.request("POST", PATH, user, _body(user, users)) for user in range(users)],
        connections=connections,
        status=201,
        warm_up_s=options.seconds / 2,
        seconds=options.seconds,
    )
    first = await load.run(msgspec.structs.replace(job, requests_max=CONNECTIONS, warm_up_s=0))
    gateways = len(server.actor_processes("Gateway"))
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    ceiling = Ceiling(
        gateways, method="POST", path=PATH, status=201, headers=headers, body=first.bodies[0][1]
    )
    outcomes: list[load.Outcome] = []
    ceilings: list[load.Outcome] = []
    drains_s: list[float] = []
    delivered = 0
    async with ceiling:
        for _ in range(options.repeats):
            await server.control("settle")
            before = await _deliveries(server)
            cpu_s = server.cpu_s()
            outcomes.append(await load.run(job))
            began_s = perf_counter()
            await server.control("settle")
            drains_s.append(perf_counter() - began_s)
            cpu_us = cpu_us_each(cpu_s, server.cpu_s(), outcomes[-1].answered)
            delivered += await _check(world, server, outcomes[-1], before)
            ceilings.append(await load.run(msgspec.structs.replace(job, port=ceiling.port)))
    middle = sorted(outcomes, key=lambda each: each.rate)[len(outcomes) // 2]
    figures = measured([each.rate for each in outcomes], [each.rate for each in ceilings])
    return Result(
        bench="posts",
        unit="accepted/s",
        ceiling_is="aiohttp in as many processes, body parsed and text checked, nothing stored",
        p50_ms=middle.p50_ms,
        p95_ms=middle.p95_ms,
        p99_ms=middle.p99_ms,
        **figures,
        **promise(
            options,
            at_least("accepted/s", figures["value"], REQUIRED)
            | below("p95 ms", middle.p95_ms, REQUIRED_P95_MS)
            | at_least("ratio", figures["ratio"], REQUIRED_RATIO),
        ),
        parameters={
            "runtime": options.runtime,
            "connections": connections,
            "users": users,
            "followers": len(world.plan.follows[0]),
            "gateways": gateways,
            "seconds": options.seconds,
            "drain_s": sorted(drains_s)[len(drains_s) // 2],
            "cpu_us_each": cpu_us | {"generator": outcomes[-1].cpu_us_each},
        },
        checked={"accepted": sum(each.answered for each in outcomes), "delivered": delivered},
        machine=conditions,
    )


def _body(user: int, users: int) -> dict[str, str]:
    mentioned = username((user * 7 + 1) % users)
    return {"text": f"Three rooks on the mast again, @{mentioned}! No. {user} this week #birds"}


async def _deliveries(server: Server) -> int:
    return int((await server.control("delivered"))["deliveries"])


async def _check(world: World, server: Server, outcome: load.Outcome, before: int) -> int:
    """How many deliveries there were since `before`.

    Raises:
        AssertionError: not one to each follower (and to the author) of each accepted tweet, or
            a tweet that was looked for is not at the top of a follower's timeline.
    """
    if outcome.refused:
        raise AssertionError(f"requests were refused: {outcome.refused}")
    delivered = await _deliveries(server) - before
    followers = len(world.plan.follows[0])  # in this graph everyone has as many as followees
    expected = outcome.answered * (followers + 1)
    if delivered != expected:
        raise AssertionError(f"{delivered} deliveries of {outcome.answered} tweets: {expected}?")
    for author, raw in outcome.bodies[:LOOKED_AT]:
        created = msgspec.json.decode(raw)
        entities = created["tweet"]["entities"]
        if len(entities["mentions"]) != 1 or len(entities["hashtags"]) != 1:
            raise AssertionError(f"the mention or the hashtag was not found: {created}")
        follower = next(u for u, whom in enumerate(world.plan.follows) if author in whom)
        readers = (author, follower)
        homes = await server.control("home", user_ids=[world.user_ids[user] for user in readers])
        if any(int(created["tweetId"]) not in home for home in homes):
            raise AssertionError(f"a tweet of {author} is missing at it or at {follower}")
    return delivered
