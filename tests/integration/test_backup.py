"""Back-up of the embedded store as docs/operations.md describes it, under load."""

import asyncio
import re
import shlex
import sqlite3
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from rookery.control import Control
from tests.integration.server.world import PASSWORD, Person, ServerThread, World, config, until

GUIDE = Path(__file__).resolve().parents[2] / "docs/operations.md"
WRITERS = 8
BETWEEN = 50
"""Posts acknowledged between two copies."""
COPIES = 4
PRELOADED = 3_000
BATCH = 500


def documented_command(source: Path, copy: Path) -> list[str]:
    """The back-up command of the guide, between the two files."""
    (line,) = re.findall(r"^python3 -c .*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    *words, from_, to = shlex.split(line)
    assert (from_, to) == ("data/rookery.sqlite", "backup/rookery.sqlite")
    return [*words, str(source), str(copy)]


async def run(command: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()


def look_into(copy: Path, acknowledged: set[int]) -> None:
    """Assert that a copy is sound, has these tweets, and each tweet with its index or neither."""
    with closing(sqlite3.connect(copy)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tweets = {id for (id,) in file.execute("SELECT id FROM tweets")}
        assert acknowledged <= tweets
        assert tweets == {id for (id,) in file.execute("SELECT tweet_id FROM posts")}


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[ServerThread]:
    server = ServerThread(config(data_dir, "inline", timelines={"ring_size": 10_000}))
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


class Load:
    """One who posts without a pause, several at a time; `acknowledged` is what was answered."""

    def __init__(self, person: Person) -> None:
        self.acknowledged: list[int] = []
        self._person = person

    async def __aenter__(self) -> "Load":
        self._writers = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.cancel()
        ended = await asyncio.gather(*self._writers, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended

    async def _write(self) -> None:
        while True:
            text = f"post {len(self.acknowledged)}"
            self.acknowledged.append(await self._person.post(text))

    async def more(self, count: int) -> None:
        """Return when this many were acknowledged in all."""

        async def are() -> bool:
            return len(self.acknowledged) >= count

        await until(are, what=f"{count} posts")


async def preload(world: World, person: Person) -> None:
    """Post at once, so that there is something to copy."""
    for first in range(0, PRELOADED, BATCH):
        posts = [[person.id, f"old {first + number}", None, None] for number in range(BATCH)]
        await world.control("post", posts=posts)


async def audited(data_dir: Path) -> tuple[int, list[dict[str, Any]]]:
    """How many warm timelines `rookery fsck` looks at, and what it finds."""
    checked, findings = 0, []
    async with Control(data_dir) as control:
        async for progress in control.stream("fsck", repair=False):
            checked = progress["checked"]
            findings += progress["findings"]
    return checked, findings


async def test_backup_under_load_is_whole(tmp_path: Path) -> None:
    """Copies taken while posts are written have each that was acknowledged before they began."""
    data = tmp_path / "data"
    copies = [tmp_path / f"copy-{number}" / "rookery.sqlite" for number in range(COPIES)]
    async with running(data) as server, World(server) as world:
        author, reader = await world.people(2)
        await reader.follow(author)
        await preload(world, author)
        async with Load(author) as load:
            for copy in copies:
                copy.parent.mkdir()
                await load.more(len(load.acknowledged) + BETWEEN)
                before = set(load.acknowledged)
                await run(documented_command(data / "rookery.sqlite", copy))
                assert len(load.acknowledged) > len(before), "nothing was written meanwhile"
                await asyncio.to_thread(look_into, copy, before)
    async with running(copy.parent) as server, World(server) as world:
        client = await world.client()
        session = await client.log_in(PASSWORD, username=reader.username)
        home = await Person(client, session, world).home()
        assert before <= set(home)
        assert len(home) == len(set(home)) >= PRELOADED + len(before)
        assert await audited(copy.parent) == (1, [])
