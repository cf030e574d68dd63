"""The Locust scenarios run headless, as a user runs them, against a real server.

Locust is a process of its own: it is built on gevent, which must not get into this one.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rookery.client import Client
from tests.integration.server.world import ServerThread, World, config, settled

ROOT = Path(__file__).parents[2]
SCENARIOS = {
    *("CasualReader", "PowerUser", "Celebrity", "NewUser", "Spammer", "BreakingNews"),
    "Socialite",
}
USERS = 2 * len(SCENARIOS)
NEWS = 60
HOUR = 1_341_100_800
"""The begin of an hour, in seconds since 1970."""
WRITES_A_MINUTE = 100
STARTED = "All users spawned"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server that limits what each user writes, and how many one address signs up."""
    settings = config(
        tmp_path / "data",
        "inline",
        limits={"writes_per_user": WRITES_A_MINUTE, "signups_per_address": 5},
    )
    server = ServerThread(settings)
    await asyncio.to_thread(server.start)
    try:
        async with World(server) as made:
            yield made
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def locust(world: World, folder: Path, *options: str) -> AsyncIterator[Process]:
    """Locust with two users of each class, and an hour of news within three seconds."""
    news = folder / "news.txt"
    times = range(HOUR, HOUR + 3600, 3600 // NEWS)
    news.write_text("".join(f"{n % 7} {n % 5} {time} MT\n" for n, time in enumerate(times)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", "bench/locustfile.py", "--host", world.url),
        *("--headless", "--equal-weights", "-u", str(USERS), "-r", str(USERS)),
        *("--day-seconds", "15", "--follows", "4", "--accounts", str(folder / "accounts")),
        *("--higgs", str(news), "--spike-hours", "1", "--spike-seconds", "3"),
        *("--data", str(world.data_dir), "--report", str(folder / "report"), *options),
        cwd=ROOT,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ended(process: Process) -> str:
    """What it printed."""
    printed, _ = await process.communicate()
    return printed.decode()


def verdict(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report").read_text())
    return found


async def test_all_scenarios_run_and_leave_exact_timelines(world: World, tmp_path: Path) -> None:
    """Every scenario makes requests, none fails, and no timeline differs from the store."""
    stats = tmp_path / "stats"
    async with locust(world, tmp_path, "-t", "8s", "--json-file", str(stats)) as process:
        printed = await ended(process)
    assert process.returncode == 0, printed
    found = verdict(tmp_path)
    assert found["errorRates"] == {"REST": 0.0, "WS": 0.0}
    assert found["requests"].keys() == SCENARIOS
    assert found["homesChecked"] > 0
    assert found["homesWrong"] == []
    assert found["cacheHits"] is not None
    assert found["spike"]["posted"] == found["spike"]["total"] == NEWS
    assert found["spike"]["drainS"] > 0
    names = {entry["name"] for entry in json.loads(stats.with_suffix(".json").read_text())}
    assert {"push", "/tweets (spam) (429)"} <= names
    assert {"/tweets/:id/retweet"} <= names
    await settled(world)
    assert await world.faults() == []


async def test_a_home_that_differs_fails_the_run(world: World, tmp_path: Path) -> None:
    """When a tweet disappears that the scenarios posted, the exit status is 1, and it is told."""
    classes = ("CasualReader", "BreakingNews")
    async with locust(world, tmp_path, "-t", "4s", *classes) as process:
        assert process.stdout is not None
        printed = ""
        while STARTED not in printed:
            line = await process.stdout.readline()
            assert line, printed
            printed += line.decode()
        await delete_a_post(await world.client(), tmp_path)
        printed += await ended(process)
    assert process.returncode == 1, printed
    assert "Timelines are NOT exact" in printed
    assert verdict(tmp_path)["homesWrong"]


async def delete_a_post(client: Client, folder: Path) -> None:
    """Sign in as one of Locust's people, wait until there is a post of the run, and delete it."""
    first = json.loads((folder / "accounts").read_text().splitlines()[0])
    await client.log_in(first["password"], username=first["username"])
    async with asyncio.timeout(20):
        while True:
            posts = await client.user_timeline(first["userId"]).first(1)
            if posts and posts[0].text != "From here on":
                await client.delete_tweet(posts[0].id)
                return
            await asyncio.sleep(0.02)
