"""Back-up of both engines as docs/operations.md describes it, under load.

That of MongoDB by mongodump where ROOKERY_TEST_MONGO_TOOLS names the folder with its tools, which
neither Debian nor PyPI has.
"""

import asyncio
import os
import re
import shlex
import shutil
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pymongo
import pytest

from rookery.control import Control
from tests.integration.server.world import PASSWORD, Person, ServerThread, World, config, until
from tests.servers.mongo import MongoMember, MongoServer, required

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/operations.md"
WRITERS = 8
BETWEEN = 50
"""Posts acknowledged between two copies."""
COPIES = 4
PRELOADED = 3_000
BATCH = 500


def documented_command(data: Path, copy: Path) -> list[str]:
    """The back-up command of the guide, for a data folder and a file."""
    guide = GUIDE.read_text(encoding="utf-8")
    (line,) = re.findall(r"^\$ rookery (backup \S+\.sqlite)$", guide, re.MULTILINE)
    word, _ = shlex.split(line)
    return [sys.executable, str(ROOT / "main.py"), word, str(copy), "--data", str(data)]


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
async def running(data_dir: Path, **overrides: Mapping[str, Any]) -> AsyncIterator[ServerThread]:
    rings = {"ring_size": 10_000}
    server = ServerThread(config(data_dir, "inline", timelines=rings, **overrides))
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


async def preload(world: World, person: Person, count: int = PRELOADED) -> None:
    """Post at once, so that there is something to copy."""
    for first in range(0, count, BATCH):
        posts = [[person.id, f"old {first + number}", None, None] for number in range(BATCH)]
        await world.control("post", posts=posts)


async def home_of(person: Person, world: World) -> list[int]:
    """Somebody's home in a server that was restored, by logging in."""
    client = await world.client()
    session = await client.log_in(PASSWORD, username=person.username)
    return await Person(client, session, world).home()


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
                await load.more(len(load.acknowledged) + BETWEEN)
                before = set(load.acknowledged)
                await run(documented_command(data, copy))
                assert len(load.acknowledged) > len(before), "nothing was written meanwhile"
                await asyncio.to_thread(look_into, copy, before)
    async with running(copy.parent) as server, World(server) as world:
        home = await home_of(reader, world)
        assert before <= set(home)
        assert len(home) == len(set(home)) >= PRELOADED + len(before)
        assert await audited(copy.parent) == (1, [])


MONGO_TOOLS = os.environ.get("ROOKERY_TEST_MONGO_TOOLS")
PRELOADED_IN_MONGO = 500


def documented_tool(name: str, uri: str, archive: Path) -> list[str]:
    """The command of the guide that begins so, for an address and a file."""
    (line,) = re.findall(rf"^\$ {name} .*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    _, tool, _, _, *options = shlex.split(line)
    *options, file = options
    assert (tool, file) == (name, "--archive=rookery.gz")
    return [f"{MONGO_TOOLS}/{tool}", "--uri", uri, *options, f"--archive={archive}"]


def ids_in(uri: str) -> tuple[set[int], set[int]]:
    """The tweets, and those of the authors' indexes."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        database = client["rookery"]
        return set(database.tweets.distinct("_id")), set(database.posts.distinct("tweet_id"))


class Dump:
    """By mongodump and mongorestore."""

    def __init__(self, folder: Path) -> None:
        self._archive = folder / "rookery.gz"
        self._there = MongoServer(folder / "there")

    async def back_up(self, server: MongoServer) -> None:
        await run(documented_tool("mongodump", server.uri, self._archive))

    async def restore(self) -> MongoServer:
        """A server that was started on what was backed up."""
        await asyncio.to_thread(self._there.start)
        await run(documented_tool("mongorestore", self._there.uri, self._archive))
        return self._there


class Files:
    """By the files of a member, which takes no writes while they are copied."""

    def __init__(self, folder: Path) -> None:
        self._copy = folder / "there"

    async def back_up(self, server: MongoServer) -> None:
        await asyncio.to_thread(self._back_up, server)

    def _back_up(self, server: MongoServer) -> None:
        with server.client() as client:
            client.admin.command({"fsync": 1, "lock": True})
            try:
                shutil.copytree(server.folder / "data", self._copy / "data")
            finally:
                client.admin.command({"fsyncUnlock": 1})

    async def restore(self) -> MongoServer:
        """A server that was started on what was backed up."""
        return await asyncio.to_thread(self._restore)

    def _restore(self) -> MongoServer:
        with MongoMember(self._copy, replica_set=None) as alone, alone.client() as client:
            client.drop_database("local")  # it belonged to the former replica set
            client.admin.command({"fsync": 1})
        server = MongoServer(self._copy)
        server.start()
        return server


NO_TOOLS = pytest.mark.skipif(not MONGO_TOOLS, reason="ROOKERY_TEST_MONGO_TOOLS names no folder")


@pytest.mark.parametrize("way", [Files, pytest.param(Dump, marks=NO_TOOLS)])
@pytest.mark.timeout(120)
async def test_backup_of_mongodb_under_load_is_whole(
    way: type[Dump | Files], tmp_path: Path
) -> None:
    """It has all that was acknowledged before it began, and each post whole or not at all."""
    required()
    chosen = way(tmp_path)
    with MongoServer(tmp_path / "here") as here:
        async with on_mongo(here, tmp_path / "a") as server, World(server) as world:
            author, reader = await world.people(2)
            await reader.follow(author)
            await preload(world, author, PRELOADED_IN_MONGO)
            async with Load(author) as load:
                await load.more(BETWEEN)
                before = set(load.acknowledged)
                await chosen.back_up(here)
                await load.more(len(load.acknowledged) + BETWEEN)
    there = await chosen.restore()
    try:
        tweets, indexed = await asyncio.to_thread(ids_in, there.uri)
        assert tweets == indexed
        assert before <= tweets
        assert set(load.acknowledged) - tweets, "what came later is in it"
        async with on_mongo(there, tmp_path / "b") as server, World(server) as world:
            home = await home_of(reader, world)
            assert home == sorted(tweets, reverse=True)
            assert await audited(tmp_path / "b") == (1, [])
    finally:
        there.stop()


def on_mongo(mongo: MongoServer, data_dir: Path) -> AbstractAsyncContextManager[ServerThread]:
    return running(data_dir, store={"engine": "mongo", "mongo_uri": mongo.uri})
