"""Benchmarks run with one of their sizes varied: results against load and against growth."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module

import msgspec

from bench.report import Options, Result

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Sweep:
    """A benchmark's `run` with its keyword argument `vary` at each of `sizes` (or `small`).

    `vary` is also the parameter of the results that says where each stands. `together`: `run`
    takes all sizes at once, and measures them on one server.
    """

    bench: str
    vary: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    what: str
    together: bool = False


SWEEPS = {
    "load-reads": Sweep(
        *("reads", "connections", CONNECTIONS, (1, 8)),
        what="home timelines a second, and their times, at 1 to 128 connections",
        together=True,
    ),
    "load-posts": Sweep(
        *("posts", "connections", CONNECTIONS, (1, 8)),
        what="tweets a second, and their times, at 1 to 128 connections",
        together=True,
    ),
    "load-latency": Sweep(
        *("latency", "posts_s", (50, 100, 200, 300, 400, 600), (25, 50)),
        what="milliseconds from a post to its followers' sockets, at 50 to 600 posts/s",
        together=True,
    ),
    "growth-users": Sweep(
        *("reads", "users", (1_000, 3_000, 10_000, 30_000), (100, 200)),
        what="processor time of a home timeline, of 1,000 to 30,000 warm users",
    ),
    "growth-follows": Sweep(
        *("coldstart", "followees", (50, 200, 1_000, 5_000), (50, 200)),
        what="milliseconds of the first home read, of users following 50 to 5,000",
        together=True,
    ),
    "growth-followers": Sweep(
        *("fanout", "followers", (1_000, 10_000, 100_000, 1_000_000), (1_000, 10_000)),
        what="deliveries a second, for an author with 1,000 to 1,000,000 followers",
    ),
    "growth-connections": Sweep(
        *("connections", "sessions", (1_000, 5_000, 10_000, 20_000), (600, 1_000)),
        what="bytes and idle processor time of a session, of 1,000 to 20,000",
    ),
}


async def run(name: str, options: Options) -> AsyncIterator[Result]:
    """The results of a sweep, under its name; a benchmark's requirement is not one of each size."""
    sweep = SWEEPS[name]
    sizes = sweep.small if options.is_small else sweep.sizes
    measure = import_module(f"bench.{sweep.bench}").run
    for varied in [sizes] if sweep.together else sizes:
        async with aclosing(measure(options, **{sweep.vary: varied})) as results:
            async for result in results:
                yield msgspec.structs.replace(result, bench=name, required="", met=None, missed=[])
