"""``push`` is measured beside nchan where it is there, and does without where it is not."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from bench.nchan import Nchan, missing

ROOT = Path(__file__).parents[2]
LIMIT_S = 110
EVENT_BYTES = 300
SHORT = ("--seconds", "0.2", "--repeats", "1", "--size", "small", "--runtime", "inline")
# An optional rival, so it may be missing in CI too.
with_nchan = pytest.mark.skipif(missing() is not None, reason=missing() or "")


def push(path: str) -> list[dict[str, Any]]:
    """The JSON lines of the benchmark, which must succeed with this PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "push", "--json", *SHORT],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@with_nchan
@pytest.mark.timeout(LIMIT_S + 10)
def test_push_is_compared_with_nchan() -> None:
    """Both lines have what nchan did in the same run, and how many times that ours is."""
    single, burst = push(os.environ["PATH"])
    for line in (single, burst):
        figures = line["parameters"]
        assert figures["nchan"] > 0
        assert figures["times_nchan"] == pytest.approx(line["value"] / figures["nchan"], rel=1e-3)
    assert "nchan" not in single["required"]
    assert "nchan" in burst["required"]


@pytest.mark.timeout(LIMIT_S + 10)
def test_push_goes_on_without_nchan(tmp_path: Path) -> None:
    """With an nginx that has no such module, the lines say so and promise nothing about it."""
    bare = tmp_path / "nginx"
    bare.write_text(f"#!/bin/sh\necho configure arguments: --modules-path={tmp_path} >&2\n")
    bare.chmod(0o755)
    for line in push(os.pathsep.join((str(tmp_path), os.environ["PATH"]))):
        assert "no module nchan" in line["parameters"]["nchan"]
        assert line["parameters"]["times_nchan"] is None
        assert "nchan" not in line["required"]


@with_nchan
async def test_events_come_once_and_in_order() -> None:
    """What a subscriber got passes the check: each event, in the order of publishing."""
    got = await _received(events=3, clients=1)
    assert len(set(got)) == 3
    assert {len(event) for event in got} == {EVENT_BYTES}


@with_nchan
@pytest.mark.parametrize("wrong", [[0, 1], [0, 1, 2, 2], [0, 2, 1], []])
async def test_events_that_are_not_as_published_are_noticed(wrong: list[int]) -> None:
    """A session that missed an event, or got one twice or out of order, fails the check."""
    with pytest.raises(AssertionError, match="lost, doubled"):
        await _received(events=3, clients=1, wrong=wrong)


@with_nchan
async def test_clients_that_are_not_there_are_noticed() -> None:
    """Events that are not for all who are to be measured fail the check."""
    with pytest.raises(AssertionError, match="1 of 2 clients"):
        await _received(events=3, clients=2)


async def _received(
    events: int, clients: int, wrong: Sequence[int] | None = None
) -> Sequence[bytes]:
    """What one subscriber got, checked for so many; or only these of it, as if it were all."""
    async with Nchan() as nchan, nchan.channel(clients, EVENT_BYTES) as channel:
        async with connect(f"ws://127.0.0.1:{nchan.port}{channel.path}") as subscriber:
            await channel.publish(1)
            await channel.publish(events - 1)
            got = [await subscriber.recv(decode=False) for _ in range(events)]
        await channel.check([got, got if wrong is None else [got[index] for index in wrong]])
        return got


@with_nchan
async def test_an_nginx_that_does_not_start_says_why() -> None:
    """The error has the end of its log."""
    nchan = Nchan()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", nchan.port))
        with pytest.raises(RuntimeError, match="Address already in use"):
            await nchan.__aenter__()
