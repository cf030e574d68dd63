"""Each benchmark runs in its small size, checks what it moves, and reports in the agreed shape."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.sweeps import SWEEPS

ROOT = Path(__file__).parents[2]
LIMIT_S = 110
FIELDS = {
    "bench",
    "value",
    "unit",
    "ceiling",
    "ratio",
    "p50_ms",
    "p99_ms",
    "parameters",
    "repeats",
    "spread",
    "required",
    "met",
    "machine",
}
LINES = {
    "reads": 1,
    "reads-social": 1,
    "posts": 1,
    "fanout": 2,
    "push": 2,
    "latency": 1,
    "connections": 1,
    "coldstart": 2,
    "memory": 3,
}
BESIDE_A_CEILING = {"reads", "reads-social", "posts", "fanout", "push"}
WITH_TIMES = {"reads", "reads-social", "posts", "latency", "coldstart"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def lines_of(name: str, runtime: str) -> list[dict[str, Any]]:
    """The JSON lines of one benchmark in its small size; it must succeed."""
    done = bench(name, "--json", "--size", "small", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(LIMIT_S + 10)
@pytest.mark.parametrize("name", LINES)
def test_reports_one_json_object_a_line(name: str) -> None:
    """Every line has the agreed fields, a positive value, and what belongs to its kind."""
    lines = lines_of(name, "inline")
    assert len(lines) == LINES[name]
    for line in lines:
        assert FIELDS <= line.keys()
        assert line["bench"] == name
        assert line["value"] > 0
        assert line["unit"]
        assert line["met"] is None, "nothing is promised for a small run"
        if name in BESIDE_A_CEILING:
            assert line["ceiling"] > 0
            assert line["ratio"] == pytest.approx(line["value"] / line["ceiling"], rel=1e-3)
            assert line["repeats"] > 1
            assert line["spread"] is not None
        if name in WITH_TIMES:
            assert 0 < line["p50_ms"] <= line["p99_ms"]


@pytest.mark.ray
@pytest.mark.timeout(LIMIT_S + 10)
@pytest.mark.parametrize("name", ["posts"])
def test_runs_on_ray(name: str) -> None:
    """A server of processes, and actors started by the benchmark itself, can be measured too."""
    lines = lines_of(name, "ray")
    assert len(lines) == LINES[name]
    assert all(line["parameters"]["runtime"] == "ray" for line in lines)


@pytest.mark.timeout(LIMIT_S + 10)
def test_a_sweep_is_measured_and_rendered(tmp_path: Path) -> None:
    """A benchmark is run at several sizes, tells how far it is, and becomes a plot and a table."""
    done = bench("growth-follows", "--json", "--size", "small", "--runtime", "inline")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["parameters"]["followees"] for line in lines] == [50, 200]
    assert all(line["bench"] == "growth-follows" and line["value"] > 0 for line in lines)
    assert all(line["met"] is None and line["size"] == "small" for line in lines)
    assert all(sum(line["parameters"]["cpu_us_each"].values()) > 0 for line in lines)
    assert "[1/1] growth-follows" in done.stderr
    assert "follows 200: " in done.stderr
    results = tmp_path / "results.jsonl"
    results.write_text(done.stdout)
    page = tmp_path / "benchmarks.md"
    page.write_text((ROOT / "docs" / page.name).read_text())
    done = bench("render", str(results), "--docs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "| follows 200 |" in page.read_text()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["growth-follows.svg"]


def test_help_names_every_benchmark() -> None:
    """Who asks for help is told what each benchmark and each sweep measures."""
    done = bench("--help")
    assert done.returncode == 0
    assert all(f"{name}:" in done.stdout for name in [*LINES, *SWEEPS, "capacity", "render"])


def test_an_unknown_benchmark_is_refused() -> None:
    """A wrong name ends with the usual status of a wrong command line, and the right names."""
    done = bench("nonsense")
    assert done.returncode == 2
    assert "coldstart" in done.stderr
