"""The command line runs what it is told to, one after another, and tells what became of it."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from typer.testing import CliRunner

from bench import coldstart, memory
from bench.__main__ import app
from bench.report import Options, Result


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The command line sets where a process logs to."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


async def failing(_: Options) -> AsyncIterator[Result]:
    yield Result(bench="coldstart", value=1.0, unit="ms")
    raise AssertionError("not every reader was answered")


async def missing(_: Options) -> AsyncIterator[Result]:
    yield Result(bench="memory", value=9.0, unit="bytes", met=False, parameters={"of": "a session"})


async def succeeding(_: Options) -> AsyncIterator[Result]:
    yield Result(bench="memory", value=9.0, unit="bytes", met=True)


def test_a_benchmark_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured before and after it is kept, and the exit status is 1."""
    monkeypatch.setattr(coldstart, "run", failing)
    monkeypatch.setattr(memory, "run", succeeding)
    done = CliRunner().invoke(app, ["coldstart", "memory", "--json"])
    assert done.exit_code == 1
    assert [json.loads(line)["bench"] for line in done.stdout.splitlines()] == [
        "coldstart",
        "memory",
    ]
    assert "not every reader was answered" in done.stderr
    assert "failed: coldstart; requirement missed: none" in done.stderr


def test_a_missed_requirement_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only looks at the exit status learns that a promise was not kept, and of which."""
    monkeypatch.setattr(memory, "run", missing)
    done = CliRunner().invoke(app, ["memory", "--json"])
    assert done.exit_code == 1
    assert "failed: none; requirement missed: memory a session" in done.stderr


def test_success_is_exit_status_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines of a run tell its size and when it began."""
    monkeypatch.setattr(memory, "run", succeeding)
    done = CliRunner().invoke(app, ["memory", "--json", "--size", "small"])
    assert done.exit_code == 0
    line = json.loads(done.stdout)
    assert line["size"] == "small"
    assert line["began"].endswith("+00:00")
    assert "[1/1] memory" in done.stderr
