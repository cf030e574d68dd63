"""A replay that is run again posts what is missing, and nothing twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rookery.bulk import higgs
from rookery.bulk.higgs import Event
from rookery.bulk.loading import Loader
from rookery.bulk.replaying import BruteForce, Replay, differences
from rookery.control import Control
from rookery.store import StoreParts, open_reader, open_writer
from tests.integration.server.command import Command
from tests.integration.server.world import ServerThread, config

USERS = 12
EVENTS = 120
BATCH = 10


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small network in the data set's form: each kind of event, some of them the same twice."""
    draw = random.Random(5)
    lines = []
    for number in range(EVENTS):
        actor, target = draw.sample(range(1, USERS), 2)
        kind = draw.choice(["RT", "MT", "RE"])
        lines.append(f"{actor} {target} {1_341_100_972 + number // 3} {kind}\n")
    path = tmp_path / "events.txt"
    path.write_text("".join(lines))
    return path


@pytest_asyncio.fixture
async def server(tmp_path: Path, file: Path) -> AsyncIterator[ServerThread]:
    """A server on which the network is loaded."""
    settings = config(tmp_path / "data", "inline")
    writer, reader = open_writer(settings), open_reader(settings)
    await Loader(StoreParts(reader, writer), higgs.read(file), "load higgs").run(lambda *_: None)
    await reader.close()
    await writer.close()
    running = ServerThread(settings)
    await asyncio.to_thread(running.start)
    yield running
    await asyncio.to_thread(running.stop)


async def replay(control: Control, events: list[Event]) -> Replay:
    made = Replay(control, batch=BATCH)
    async for _ in made.look(events):
        pass
    async for _ in made.run(events):
        pass
    await control.call("settle")
    return made


async def wrong_homes(control: Control, network: higgs.Network, made: Replay) -> int:
    truth = BruteForce(network, made.posted)
    wrong = 0
    async for _, found in differences(control, truth, network.users):
        wrong += len(found)
    return wrong


async def test_the_second_run_posts_nothing(server: ServerThread, file: Path) -> None:
    """It finds all that the first one posted, by its ids, and all homes as they must be."""
    network = higgs.read(file)
    async with Control(Path(server.config.server.data_dir)) as control:
        first = await replay(control, network.events)
        again = await replay(control, network.events)
        assert (first.found, again.found) == (0, EVENTS)
        assert sorted(again.posted) == sorted(first.posted)
        assert await wrong_homes(control, network, again) == 0


async def test_an_interrupted_run_is_gone_on_with(server: ServerThread, file: Path) -> None:
    """Also where of one batch some were posted, and some not."""
    network = higgs.read(file)
    async with Control(Path(server.config.server.data_dir)) as control:
        begun = await replay(control, network.events[:40])
        batch = network.events[40:50]
        posts = [begun._post(event) for event in batch]
        await control.call("post", posts=posts[::2])
        resumed = await replay(control, network.events)
        assert resumed.found == 45
        assert len(set(resumed.posted)) == EVENTS
        assert await wrong_homes(control, network, resumed) == 0


async def test_the_command_says_what_was_there(
    server: ServerThread, file: Path, tmp_path: Path
) -> None:
    """Twice in a row, both end well."""
    arguments = ("replay", str(file), "--data", str(tmp_path / "data"), "--readers", "11")
    for number, text in enumerate((f"posted {EVENTS} events", f"{EVENTS} of {EVENTS} events")):
        async with Command(tmp_path / f"run-{number}", *arguments) as command:
            assert await command.status() == 0, command.said
            assert text in command.said
            assert "11 home timelines compared with the file: 0 differ" in command.said
