"""What MongoDB acknowledged survives the death of the writing process, and of the server."""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from rookery import config
from rookery.errors import Unavailable
from rookery.store.engine import Increment, Insert, WriteBatch
from rookery.store.mongo import MongoStore
from rookery.store.mongo import writer as writer_module
from tests.chaos.proxy import Proxy
from tests.contract.collections import COLLECTIONS, COUNTS, ITEMS, LINKS
from tests.integration.server.world import until
from tests.servers.mongo import MongoServer, required

ROUNDS = 3
CALLERS = 8

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def batch_of(id_: int) -> WriteBatch:
    return WriteBatch(
        (
            Insert("items", {"id": id_, "text": "x" * 300}),
            Insert("links", {"source": id_, "target": 1}),
            Increment("counts", ("w", 1), {"seen": 1}),
        )
    )


async def write_until_killed(settings: config.Store, first: int) -> None:
    """Print each id when it is acknowledged; runs in the process that is killed."""
    import os

    store = await MongoStore.open(settings, COLLECTIONS)
    while True:
        ids = range(first, first + CALLERS)
        for outcome in await store.writer.write_many([batch_of(id_) for id_ in ids]):
            assert outcome is None
        os.write(1, b"".join(b"id %d\n" % id_ for id_ in ids))
        first += CALLERS


async def check(settings: config.Store, acknowledged: set[int]) -> None:
    """Every acknowledged batch is there and whole, and no batch is there in part."""
    store = await MongoStore.open(settings, COLLECTIONS)
    items = await store.reader.select(ITEMS, ("id",), limit=1_000_000)
    links = await store.reader.select(LINKS, ("source",), limit=1_000_000)
    count = await store.reader.get(COUNTS, ("w", 1))
    await store.close()
    assert acknowledged <= {id_ for (id_,) in items}
    assert items == links
    assert count is not None and count["seen"] == len(items)


def acknowledged_before_kill(settings: config.Store, first: int, lines: int) -> list[int]:
    """Run the writer until it printed `lines` ids, kill it, and return all it printed."""
    program = (
        "import asyncio, msgspec, sys\n"
        "from rookery import config\n"
        "from tests.contract.test_mongo_durability import write_until_killed\n"
        "settings = msgspec.json.decode(sys.argv[1], type=config.Store)\n"
        "asyncio.run(write_until_killed(settings, int(sys.argv[2])))\n"
    )
    argument = msgspec.json.encode(settings).decode()
    ids: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-c", program, argument, str(first)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(b"id ") and line.endswith(b"\n"):
                ids.append(int(line[3:]))
            if len(ids) == lines:
                process.kill()
    assert process.returncode == -signal.SIGKILL
    return ids


async def test_what_was_acknowledged_survives_the_writer(mongo_database: config.Store) -> None:
    """The process is killed in the middle of its transactions."""
    acknowledged: set[int] = set()
    for round_ in range(ROUNDS):
        lines = random.Random(round_).randrange(1, 200)
        first = round_ * 1_000_000
        acknowledged |= set(
            await asyncio.to_thread(acknowledged_before_kill, mongo_database, first, lines)
        )
        await check(mongo_database, acknowledged)


async def test_what_a_lost_connection_left_open_is_closed_at_the_next_contact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would keep it, and the documents closed to everybody, for seconds or a minute."""
    required()
    committed = writer_module._commit

    async def cut_off(session: AsyncClientSession, ends_s: float) -> None:
        monkeypatch.undo()
        proxy.refuse()
        await committed(session, ends_s)

    with MongoServer(tmp_path, lifetime_s=60) as server:
        async with Proxy(server.port) as proxy:
            uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            settings = config.Store(engine="mongo", mongo_uri=uri, timeout_s=1.0)
            store = await MongoStore.open(settings, COLLECTIONS)
            monkeypatch.setattr(writer_module, "_commit", cut_off)
            with pytest.raises(Unavailable):
                await store.writer.write(batch_of(1))
            assert proxy.refused
            proxy.restore()

            async def writes() -> bool:
                (outcome,) = await store.writer.write_many([batch_of(2)])
                return outcome is None

            await until(writes, within_s=20, what="a write to the same")
            await store.close()


async def test_what_was_acknowledged_survives_the_server(tmp_path: Path) -> None:
    """The server is killed in the middle of transactions; what got no error is there, once."""
    required()
    server = MongoServer(tmp_path)
    await asyncio.to_thread(server.start)
    settings = config.Store(engine="mongo", mongo_uri=server.uri, timeout_s=10)
    store = await MongoStore.open(settings, COLLECTIONS)
    acknowledged: set[int] = set()
    for round_ in range(ROUNDS):

        async def kill_and_start() -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        restarting = asyncio.create_task(kill_and_start())
        first = round_ * 1_000_000
        while not restarting.done():
            ids = range(first, first + CALLERS)
            outcomes = await store.writer.write_many([batch_of(id_) for id_ in ids])
            acknowledged |= {
                id_ for id_, outcome in zip(ids, outcomes, strict=True) if outcome is None
            }
            first += CALLERS
        await restarting
        await check(settings, acknowledged)
    await store.close()
    await asyncio.to_thread(server.stop)
