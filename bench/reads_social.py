"""``reads-social``: home timelines of people who retweet, quote and hide, beside plain ones."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench import load, social
from bench.reads import CONNECTIONS, LIMIT, PATH, check
from bench.reads import plan as plain_plan
from bench.report import Options, Result, at_least, machine, measured, promise
from bench.server import Server, cpu_us_each
from bench.world import Plan, World, build

REQUIRED_RATIO = 0.8


def plan(options: Options) -> Plan:
    """The people of `reads` twice, who have nothing to do with each other: first those who retweet,
    quote and hide, then plain ones. The tweets of both come in turns."""
    plain = plain_plan(options)
    users = len(plain.follows)
    follows = [*plain.follows, *([each + users for each in those] for those in plain.follows)]
    authors = [author for each in plain.authors for author in (each, each + users)]
    return Plan(follows, authors, social.draw(follows, authors, users))


async def run(options: Options) -> AsyncIterator[Result]:
    """GET of the first home page, each request for another user whose timeline is warm.

    On one server, in turns for those who are social and those who are not.
    """
    conditions = machine()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
        world = await build(Path(folder), plan(options))
        async with Server(world.data_dir, options.runtime) as server:
            await server.warm(world.user_ids)
            yield await _measure(options, world, server, conditions)


async def _measure(
    options: Options, world: World, server: Server, conditions: dict[str, Any]
) -> Result:
    half = len(world.user_ids) // 2
    everybody = range(len(world.user_ids))
    sides: tuple[Sequence[int], Sequence[int]] = (everybody[:half], everybody[half:])
    outcomes: tuple[list[load.Outcome], list[load.Outcome]] = ([], [])
    used: list[dict[str, float]] = [{}, {}]
    checked = 0
    for _ in range(options.repeats):
        for side, users in enumerate(sides):
            before = server.cpu_s()
            outcome = await load.run(_job(options, world, server, users))
            used[side] = cpu_us_each(before, server.cpu_s(), outcome.answered)
            outcomes[side].append(outcome)
            checked += check(world, _of_users(outcome, users))
    mixed = _bodies(outcomes[0])
    if not mixed["retweets"] or not mixed["quotes"]:
        raise AssertionError(f"homes showed {mixed}")
    middle = sorted(outcomes[0], key=lambda each: each.rate)[options.repeats // 2]
    figures = measured(*([each.rate for each in side] for side in outcomes))
    return Result(
        bench="reads-social",
        unit="requests/s",
        ceiling_is="the same of people who only post and follow, on the same server",
        p50_ms=middle.p50_ms,
        p95_ms=middle.p95_ms,
        p99_ms=middle.p99_ms,
        **figures,
        **promise(options, at_least("ratio", figures["ratio"], REQUIRED_RATIO)),
        parameters={
            "runtime": options.runtime,
            "connections": CONNECTIONS,
            "users": half,
            "followees": len(world.plan.follows[0]),
            "hidden": social.MUTED_FOLLOWEES + social.MUTED_OTHERS + social.BLOCKED,
            "gateways": len(server.actor_processes("Gateway")),
            "seconds": options.seconds,
            "cpu_us_each": used[0] | {"generator": outcomes[0][-1].cpu_us_each},
            "plain_cpu_us_each": used[1] | {"generator": outcomes[1][-1].cpu_us_each},
            "body_bytes": mixed["bytes"],
            "plain_body_bytes": _bodies(outcomes[1])["bytes"],
        },
        checked={"bodies": checked, **mixed},
        machine=conditions,
    )


def _job(options: Options, world: World, server: Server, users: Sequence[int]) -> load.Job:
    return load.Job(
        port=server.http_port,
        requests=[world.request("GET", f"{PATH}?limit={LIMIT}", user) for user in users],
        connections=CONNECTIONS,
        warm_up_s=options.seconds / 2,
        seconds=options.seconds,
    )


def _of_users(outcome: load.Outcome, users: Sequence[int]) -> load.Outcome:
    """With the users' numbers in the place of those of their requests."""
    bodies = [(users[number], body) for number, body in outcome.bodies]
    return msgspec.structs.replace(outcome, bodies=bodies)


def _bodies(outcomes: Sequence[load.Outcome]) -> dict[str, int]:
    """How many retweets and quotes the bodies that were kept show, and their size on average."""
    raws = [raw for outcome in outcomes for _, raw in outcome.bodies]
    tweets = [tweet for raw in raws for tweet in msgspec.json.decode(raw)["tweets"]]
    return {
        "retweets": sum(bool(tweet["retweetOf"]) for tweet in tweets),
        "quotes": sum(bool(tweet["quoteOf"]) for tweet in tweets),
        "bytes": sum(map(len, raws)) // len(raws),
    }
