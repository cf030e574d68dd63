"""Costs of single operations, from what the benchmarks reported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.assumptions import Assumptions
from bench.report import Result, UnusableResults
from bench.report import read as read_results
from bench.sizing import Cost

WHEN = "2026-11-21, two x86-64 cores, Python 3.11.7, Ray 2.60.0"
"""When, and on what, the figures below were measured (Ray runtime, clients on the same cores)."""


def _known(bench: str, value: float, unit: str, **parameters: Any) -> Result:
    return Result(bench=bench, value=value, unit=unit, parameters=parameters, machine={"cores": 2})


FIGURES = (
    _known(
        *("reads", 10_018, "requests/s"),
        body_bytes=12_972,
        cpu_us_each={"Gateway": 115.4, "TimelineShard": 29.5, "others": 4.9, "generator": 27.7},
    ),
    _known(
        *("posts", 3_711, "accepted/s"),
        cpu_us_each={
            **{"Gateway": 231.9, "StoreWriter": 96.9, "FanoutWorker": 53.0, "TimelineShard": 42.4},
            **{"others": 8.8, "generator": 27.3},
        },
    ),
    _known("fanout", 20.6e6, "deliveries/s", rows="scattered", shards=1),
    _known("push", 84_950, "frames/s", burst=1),
    _known("coldstart", 13.6, "ms", followees=200),
    _known("memory", 14_600, "bytes", of="warm timeline", followees=200),
    _known("memory", 10_300, "bytes", of="idle session"),
)


def read(path: Path) -> list[Result]:
    """The lines of ``python -m bench all --json``.

    Raises:
        UnusableResults: the file cannot be read, a line is no result, or none is of use here.
    """
    results = [result for result in read_results(path) if _is_used(result)]
    if not results:
        raise UnusableResults(f"{path} has no line of a benchmark that is used here")
    for result in results:
        if result.value <= 0:
            raise UnusableResults(f"{path}: the value of {result.bench} is not above 0")
    return results


def _is_used(result: Result) -> bool:
    return any(_same(result, known) for known in FIGURES)


def _same(result: Result, known: Result) -> bool:
    """Whether two lines are of the same measurement."""
    wanted = {
        name: known.parameters[name]
        for name in ("rows", "burst", "of", "followees")
        if name in known.parameters and (name != "followees" or known.bench == "coldstart")
    }
    return result.bench == known.bench and wanted.items() <= result.parameters.items()


def costs(results: Sequence[Result], where: str, a: Assumptions) -> dict[str, Cost]:
    """What the model needs, by name; from the figures above where the results lack a line.

    Processor time is what the benchmark saw the server use, where it saw it. Else it is
    conservatively all cores by the rate, although the clients used them as well.
    """
    made: dict[str, Cost] = {}

    def line(bench: str, **parameters: Any) -> tuple[Result, str]:
        known = next(
            each
            for each in FIGURES
            if each.bench == bench and parameters.items() <= each.parameters.items()
        )
        # The last one counts: a file to which several runs were appended ends with the newest.
        for each in reversed(results):
            if _same(each, known):
                return each, where
        return known, WHEN

    for name, bench, parameters in (
        ("read", "reads", {}),
        ("post", "posts", {}),
        ("delivery", "fanout", {"rows": "scattered"}),
        ("push", "push", {"burst": 1}),
    ):
        result, source = line(bench, **parameters)
        cores = result.machine.get("cores", 2)
        seen = {k: v for k, v in _seen(result).items() if k != "generator"}
        told = f"`{bench}` {result.value:,.0f} {result.unit}, {source}"
        if not seen:
            text = f"{cores} cores by rate: {told}"
            made[name] = Cost(cores / result.value * 1e6, "us", text)
            continue
        # Of calls between processes the model counts as many as a scale has, not as were there.
        batched_call_us = a.call_us / (1 + result.value * a.call_ms / 1000)
        total_us = sum(seen.values())
        if name == "read":
            text = f"server's processor time {total_us:.0f} without calls: {told}"
            made[name] = Cost(max(0.0, total_us - batched_call_us), "us", text)
        else:
            worker_us = seen.get("FanoutWorker", 0.0)
            rest_us = total_us - worker_us - seen.get("TimelineShard", 0.0)
            text = f"server's processor time {total_us:.0f} without fan-out: {told}"
            made[name] = Cost(rest_us, "us", text)
            text = f"its processor time {worker_us:.0f} without calls: {told}"
            made["worker"] = Cost(max(0.0, worker_us - batched_call_us / 2), "us", text)
    if "worker" not in made:
        known_posts = costs(FIGURES, WHEN, a)
        made["worker"] = known_posts["worker"]
    result, source = line("reads")
    if "body_bytes" not in result.parameters:
        result, source = FIGURES[0], WHEN
    made["body"] = Cost(result.parameters["body_bytes"], "bytes", f"a page of 20 cards, {source}")
    result, source = line("coldstart", followees=200)
    text = f"`coldstart` {result.value:.3g} ms, all of it taken as processor time, {source}"
    made["cold read"] = Cost(result.value * 1000, "us", text)
    for name, of in (("timeline", "warm timeline"), ("session", "idle session")):
        result, source = line("memory", of=of)
        made[name] = Cost(result.value, "bytes", f"`memory`, {of}, {source}")
    return made


def _seen(result: Result) -> dict[str, float]:
    seen = result.parameters.get("cpu_us_each")
    return seen if isinstance(seen, dict) else {}
