"""``latency``: from a post over HTTP to its followers' WebSockets, at a steady rate."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import poster, sockets
from bench.report import Options, Result, below, machine, percentile, promise
from bench.server import Server, cpu_us_each
from bench.world import Plan, World, build

AUTHORS_A_GROUP = 5
REQUIRED_P50_MS = 8
REQUIRED_P99_MS = 50
LEAST_S = 10.0


@dataclass(frozen=True)
class Shape:
    """`groups` of five authors each, whom the same `followers` follow; all of them connected."""

    rate: float
    followers: int
    groups: int

    @property
    def sessions(self) -> int:
        return self.followers * self.groups

    @property
    def authors(self) -> int:
        return self.groups * AUTHORS_A_GROUP

    def plan(self) -> Plan:
        """The sessions' users first, then the authors."""
        follows: list[list[int]] = []
        for group in range(self.groups):
            first = self.sessions + group * AUTHORS_A_GROUP
            follows += [list(range(first, first + AUTHORS_A_GROUP))] * self.followers
        return Plan(follows + [[]] * self.authors)


async def run(options: Options, *, posts_s: Sequence[float] = ()) -> AsyncIterator[Result]:
    """100 posts/s to 200 connected followers each, and 300 posts/s to 50 each.

    With `posts_s`: each of these rates to 50 each, all on one server.
    """
    shapes = [Shape(50, 20, 1)] if options.is_small else [Shape(100, 200, 1), Shape(300, 50, 6)]
    if posts_s:
        shapes = [replace(shapes[-1], rate=rate) for rate in posts_s]
    for audience, rates in groupby(shapes, key=lambda shape: replace(shape, rate=0)):
        conditions = machine()
        with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder:
            world = await build(Path(folder), audience.plan())
            async with Server(world.data_dir, options.runtime) as server:
                for shape in rates:
                    yield await _repeat(options, shape, world, server, conditions)


async def _repeat(
    options: Options, shape: Shape, world: World, server: Server, conditions: dict[str, Any]
) -> Result:
    cpu_s = server.cpu_s()
    runs = [await _measure(options, shape, world, server) for _ in range(options.repeats)]
    posts = options.repeats * int(shape.rate * _whole_s(options))
    cpu_us = cpu_us_each(cpu_s, server.cpu_s(), posts * shape.followers)
    p50s, p95s, p99s = (sorted(values) for values in zip(*runs, strict=True))
    middle = len(runs) // 2
    return Result(
        bench="latency",
        value=p50s[middle],
        unit="ms",
        p50_ms=p50s[middle],
        p95_ms=p95s[middle],
        p99_ms=p99s[middle],
        repeats=len(runs),
        spread=(p50s[-1] - p50s[0]) / p50s[middle],
        **promise(
            options,
            below("p50 ms", p50s[middle], REQUIRED_P50_MS)
            | below("p99 ms", p99s[middle], REQUIRED_P99_MS),
        ),
        parameters={
            "runtime": options.runtime,
            "posts_s": shape.rate,
            "followers": shape.followers,
            "sessions": shape.sessions,
            "frames_s": shape.rate * shape.followers,
            "seconds": _seconds(options),
            "cpu_us_each": cpu_us,
        },
        checked={"each_frame_once": True},
        machine=conditions,
    )


def _seconds(options: Options) -> float:
    return options.seconds if options.is_small else max(LEAST_S, options.seconds)


def _whole_s(options: Options) -> float:
    """With the warm-up."""
    return _seconds(options) * 1.25


async def _measure(
    options: Options, shape: Shape, world: World, server: Server
) -> tuple[float, float, float]:
    """p50, p95 and p99 in ms, over all followers of all posts but those of the warm-up.

    Raises:
        AssertionError: a follower missed a post or got one twice, or a post was refused.
    """
    authors = range(shape.sessions, shape.sessions + shape.authors)
    requests = [
        world.request("POST", "/api/v1/tweets", author, {"text": f"To my followers, {author}"})
        for author in authors
    ]
    heads = [sockets.handshake(world.tokens[user]) for user in range(shape.sessions)]
    job = poster.Job(
        port=server.http_port,
        requests=requests,
        rate=shape.rate,
        seconds=_whole_s(options),
    )
    posts = int(job.rate * job.seconds)
    receiving = sockets.Job(
        port=server.stream_ports[0],
        heads=heads,
        times=True,
        round_frames=posts * shape.followers,
    )
    async with sockets.Receivers(receiving) as receivers:
        posted = await poster.run(job)
        if posted.refused or len(posted.tweets) != posts:
            raise AssertionError(f"{posted.refused} of {posts} posts were refused")
        await receivers.round()
        received = await receivers.received()
    due = {tweet_id: due_s for tweet_id, due_s, _ in posted.tweets}
    arrivals: dict[str, int] = dict.fromkeys(due, 0)
    measured_from_s = min(due.values()) + _whole_s(options) - _seconds(options)
    times_ms = []
    for tweet_id, at_s in received.tweets:
        arrivals[tweet_id] += 1
        if due[tweet_id] >= measured_from_s:
            times_ms.append((at_s - due[tweet_id]) * 1000)
    wrong = [tweet_id for tweet_id, count in arrivals.items() if count != shape.followers]
    if wrong or received.closed:
        raise AssertionError(f"{len(wrong)} posts did not reach every follower exactly once")
    return percentile(times_ms, 50), percentile(times_ms, 95), percentile(times_ms, 99)
