"""Plots show each measurement, name their axes with units, and depend on results alone."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.plots import Panel, Plot, Series, plot_of, write
from bench.report import Result
from bench.sweeps import SWEEPS

SVG = "{http://www.w3.org/2000/svg}"
CPU = {"Gateway": 110.0, "TimelineShard": 18.0, "raylet": 0.1, "generator": 28.0}


def swept(name: str) -> list[Result]:
    """Results as a sweep yields them, at each of its sizes."""
    rows = ("as they became warm", "scattered") if name == "growth-followers" else ("",)
    return [
        Result(
            bench=name,
            value=1_000.0 + size,
            unit="",
            ceiling=5_000.0 + size,
            p50_ms=2.0,
            p99_ms=9.0,
            parameters={
                SWEEPS[name].vary: size,
                "followers": size,
                "rows": order,
                "cpu_us_each": CPU,
                "idle_cpu": {"ConnectionServer": 0.09, "TimelineShard": 0.02},
            },
        )
        for size in SWEEPS[name].sizes
        for order in rows
    ]


class Drawing:
    """An SVG file, read as XML."""

    def __init__(self, path: Path) -> None:
        root = ElementTree.parse(path).getroot()
        self._groups = {each.get("id", ""): each for each in root.iter(f"{SVG}g")}
        self.texts = [each.text for each in root.iter(f"{SVG}text")]

    def markers(self, panel: int) -> Iterator[int]:
        """The number of points of each series of a panel."""
        number = 0
        while group := self._groups.get(f"panel{panel}-series{number}"):
            yield len(list(group.iter(f"{SVG}use")))
            number += 1

    def required(self, panel: int) -> int:
        """The number of levels that are required in a panel."""
        return sum(name.startswith(f"panel{panel}-required") for name in self._groups)


def drawn(plot: Plot, folder: Path) -> Drawing:
    write(plot, folder / "plot.svg")
    return Drawing(folder / "plot.svg")


@pytest.mark.parametrize(
    ("name", "series", "texts"),
    [
        ("load-reads", [2, 2], {"connections", "requests/s", "ms", "rookery", "required at 64"}),
        ("load-posts", [2, 2], {"connections", "accepted/s", "ms", "99th percentile", "128"}),
        ("load-latency", [2], {"posts/s (open rate)", "ms from post to socket", "median"}),
        ("growth-users", [2], {"warm users", "µs of processor time per read", "Gateway"}),
        ("growth-follows", [3], {"users followed", "ms per read", "processor time"}),
        ("growth-followers", [4, 2], {"followers", "deliveries/s", "ms per post", "scattered"}),
        ("growth-connections", [1, 2], {"sessions", "KB per session", "% of a core while idle"}),
    ],
)
def test_every_measurement_of_a_sweep_is_shown(
    tmp_path: Path, name: str, series: list[int], texts: set[str]
) -> None:
    """Each series has a marker for each size, and axes and series are named."""
    drawing = drawn(plot_of(name, swept(name)), tmp_path)
    for panel, count in enumerate(series):
        assert list(drawing.markers(panel)) == [len(SWEEPS[name].sizes)] * count
    assert texts <= set(drawing.texts)


def test_required_levels_are_marked(tmp_path: Path) -> None:
    """Beside what was measured stand the median and the percentile that are promised."""
    drawing = drawn(plot_of("load-latency", swept("load-latency")), tmp_path)
    assert drawing.required(0) == 2
    assert {"required: median", "required: 99th percentile"} <= set(drawing.texts)


def test_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    """A plot changes only if a result did: there is no date, version or random name in it."""
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for path in (first, second):
        write(plot_of("load-reads", swept("load-reads")), path)
    write(plot_of("load-reads", swept("load-reads")[:-1]), other)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("points", [[], [(1.0, 0.0)]])
def test_nothing_to_show_is_no_error(tmp_path: Path, points: list[tuple[float, float]]) -> None:
    """What was too little to be measured is drawn at zero, also where the axis is logarithmic."""
    panel = Panel("ms", [Series("nothing", points)], log_y=True)
    assert sum(drawn(Plot("", "", [panel]), tmp_path).markers(0)) == len(points)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_varies_what_its_benchmark_takes(name: str) -> None:
    """The size of a sweep is a keyword argument of the benchmark's run."""
    run: Any = import_module(f"bench.{SWEEPS[name].bench}").run
    assert SWEEPS[name].vary in inspect.signature(run).parameters
