"""``push`` is measured beside nchan where it is there, and does without where it is not."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from bench.nchan import Nchan, missing

ROOT = Path(__file__).parents[2]
LIMIT_S = 110
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
async def test_events_are_checked() -> None:
    """What a subscriber got is compared with what was published, each event and their order."""
    async with Nchan() as nchan, nchan.channel(clients=1, event_bytes=300) as channel:
        async with connect(f"ws://127.0.0.1:{nchan.port}{channel.path}") as subscriber:
            await channel.publish(1)
            await channel.publish(2)
            got = [await subscriber.recv(decode=False) for _ in range(3)]
    assert {len(event) for event in got} == {300}
    channel.check([got])
    for wrong in (got[:2], [*got, got[2]], got[::-1]):
        with pytest.raises(AssertionError, match="lost, doubled"):
            channel.check([got, wrong])


@with_nchan
async def test_clients_that_are_not_there_are_noticed() -> None:
    """An event that is not for all who are to be measured is an error."""
    async with Nchan() as nchan, nchan.channel(clients=1, event_bytes=300) as channel:
        with pytest.raises(AssertionError, match="0 of 1 clients"):
            await channel.publish(1)


@with_nchan
async def test_an_nginx_that_does_not_start_says_why() -> None:
    """The error has the end of its log."""
    nchan = Nchan()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", nchan.port))
        with pytest.raises(RuntimeError, match="Address already in use"):
            await nchan.__aenter__()
