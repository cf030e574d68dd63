"""`rookery migrate-store` with the real command, SQLite files and a MongoDB."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import msgspec
import pytest
from typer.testing import CliRunner

from rookery import config
from rookery.bulk import addresses
from rookery.bulk.migrating import COPIED, JOB
from rookery.cli.main import app
from rookery.compose.serving import RunningServer
from rookery.errors import RookeryError, StartupError
from rookery.models import User
from rookery.store import SQLITE_FILE, StoreParts, clock_ms
from rookery.store.engine import Collection, Document, Operation, Put, Reader, WriteBatch
from rookery.store.leases import WorkerLease
from rookery.store.mongo import MongoReader
from rookery.store.schema import CLUSTER, COLLECTIONS, JOBS, TWEETS, USERS
from rookery.store.sqlite import SqliteReader, SqliteStore
from tests.integration.server.world import config as server_config
from tests.servers.mongo import MongoServer, required

# PyMongo 4.20.0 leaves a socket to the collector when a client is closed while its monitor connects
# (`_async_create_connection` closes it after errors, and not after a cancellation).
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

MANY, FEW = 5_000, 20
"""Documents of the longest collection, which is several batches, and of the others."""

COMMAND = "import rookery.cli; rookery.cli.main()"
DYING = """
import os, signal
from rookery.cli import console

def show(self, stage, done, total, note=""):
    if stage == "copying tweets" and done:
        os.kill(os.getpid(), signal.SIGKILL)

console.Bars.show = show
"""
"""Makes the command kill itself right after the first batch of tweets."""


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server for the tests of this module; started again after a test that killed it."""
    required()
    with MongoServer(tmp_path_factory.mktemp("mongod")) as server:
        yield server


def in_mongo(server: MongoServer) -> str:
    """The address of a new database."""
    return server.uri.replace("/?", f"/rookery_{token_hex(6)}?")


def reader_of(address: str) -> Reader:
    if address.startswith("sqlite:"):
        path = Path(address.removeprefix("sqlite:")) / SQLITE_FILE
        return SqliteReader(path, COLLECTIONS)
    parsed = addresses.parse(address)
    assert isinstance(parsed, addresses.MongoAddress)
    settings = config.Store(
        engine="mongo", mongo_uri=parsed.uri, mongo_database=parsed.database, timeout_s=10
    )
    return MongoReader(settings, COLLECTIONS)


@asynccontextmanager
async def reading(address: str) -> AsyncIterator[Reader]:
    reader = reader_of(address)
    try:
        yield reader
    finally:
        await reader.close()


async def contents(address: str) -> dict[str, list[Document]]:
    """Everything in a store, except the cluster's view."""
    async with reading(address) as reader:
        return {
            each.name: await reader.range(each, limit=100_000)
            for each in COLLECTIONS
            if each is not CLUSTER
        }


def document(collection: Collection, number: int) -> Document:
    """One that is like none of the others, with values of every type in its body."""
    made: Document = {
        name: type_(number + 1) for name, type_ in {**collection.key, **collection.columns}.items()
    }
    if collection.body:
        made |= {
            "text": f"ünïcode 🐦 {number}",
            "raw": bytes(range(number % 256)),
            "nothing": None,
            "parts": [number / 3, True, {"id": (1 << 62) + number}],
        }
    if collection.expires:
        made[collection.expires] = clock_ms() + 86_400_000
    return made


@pytest.fixture
async def source(tmp_path: Path) -> str:
    """The address of a filled SQLite store."""
    folder = tmp_path / "source"
    store = SqliteStore(folder / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms)
    for collection in COLLECTIONS:
        size = MANY if collection is TWEETS else FEW
        operations: list[Operation] = [
            Put(collection.name, document(collection, number)) for number in range(size)
        ]
        await store.writer.write(WriteBatch(tuple(operations)))
    await store.close()
    return f"sqlite:{folder}"


async def migrate(
    source: str,
    target: str,
    *,
    program: str = COMMAND,
    preexec_fn: Callable[[], None] | None = None,
) -> tuple[int, str]:
    """Exit status and everything that was said, on one line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "migrate-store", source, target),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=preexec_fn,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, " ".join(said.decode().split())


async def test_from_sqlite_to_mongo_and_back(
    source: str, mongo: MongoServer, tmp_path: Path
) -> None:
    """Every document is what it was, and each engine finds it in the same order."""
    between, back = in_mongo(mongo), f"sqlite:{tmp_path / 'back'}"
    total = MANY + FEW * (len(COPIED) - 1)
    for one, other in ((source, between), (between, back)):
        status, said = await migrate(one, other)
        assert status == 0, said
        assert f"the same {total:,} documents" in said
    expected = await contents(source)
    assert await contents(between) == expected
    assert await contents(back) == expected


@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
async def test_a_copy_that_was_killed_is_completed_by_the_next(
    engine: str, source: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It goes on behind the last batch that was written, and the copy is whole."""
    target = f"sqlite:{tmp_path / 'target'}"
    if engine == "mongo":
        target = in_mongo(request.getfixturevalue("mongo"))
    status, said = await migrate(source, target, program=DYING + COMMAND)
    assert status == -9, said
    async with reading(target) as reader:
        note = await reader.get(JOBS, (JOB,))
        assert note is not None
        done = note["copied"][TWEETS.name]
        assert 0 < done < MANY
        assert len(await reader.range(TWEETS, limit=MANY)) == done, "batch and note are one"
    status, said = await migrate(source, target)
    assert status == 0, said
    assert await contents(target) == await contents(source)


async def test_a_full_disk_is_told_and_the_copy_goes_on_when_there_is_room(
    source: str, tmp_path: Path
) -> None:
    """Which store it is and what to do; nothing of what was written is lost."""
    target = f"sqlite:{tmp_path / 'target'}"

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    status, said = await migrate(source, target, preexec_fn=no_room)
    assert status == 1
    assert target in said and "run the same command again" in said, said
    status, said = await migrate(source, target)
    assert status == 0, said
    assert await contents(target) == await contents(source)


async def test_a_target_that_goes_away_is_told_and_the_copy_goes_on_when_it_is_back(
    source: str, mongo: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle: exit status 1, and the next run completes the copy."""
    monkeypatch.setattr(addresses, "TIMEOUT_S", 5.0)
    target = in_mongo(mongo)
    batches = []

    async def before_write(batch: WriteBatch) -> None:
        batches.append(batch)
        if len(batches) == 5:
            mongo.kill()

    try:
        with pytest.raises(RookeryError, match=r"rookery_.*run the same command again"):
            await copied_through(source, target, before_write)
        assert len(batches) == 5
    finally:
        if len(batches) >= 5:
            mongo.start()
    status, said = await migrate(source, target)
    assert status == 0, said
    assert await contents(target) == await contents(source)


async def copied_through(
    source: str, target: str, before_write: Callable[[WriteBatch], Awaitable[None]]
) -> None:
    """The copy as the command makes it, in this process."""
    from rookery.bulk.comparing import Side
    from rookery.bulk.migrating import Migration

    one, other = addresses.parse(source), addresses.parse(target)
    async with one.opened(exists=True) as old, other.opened(exists=False) as new:

        class Watched:
            async def write(self, batch: WriteBatch) -> None:
                await before_write(batch)
                await new.writer.write(batch)

        sides = Side(one.name, old.reader), Side(other.name, new.reader)
        await Migration(*sides, Watched(), clock_ms).run(lambda *_: None)


async def test_a_difference_is_named_and_the_exit_status_is_1(source: str, tmp_path: Path) -> None:
    """What was changed in the source after it was copied."""
    target = f"sqlite:{tmp_path / 'target'}"
    status, said = await migrate(source, target, program=DYING + COMMAND)
    assert status == -9, said
    folder = Path(source.removeprefix("sqlite:"))
    store = SqliteStore(folder / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms)
    late = User(id=7, username="late", name="late")
    await store.writer.write(WriteBatch((Put(USERS.name, msgspec.structs.asdict(late)),)))
    await store.close()
    status, said = await migrate(source, target)
    assert status == 1
    assert "users differs: 20 documents in FROM, 20 in TO; 1 not the same (7)" in said


async def test_no_server_starts_on_an_unfinished_copy(source: str, tmp_path: Path) -> None:
    """It would show half of everything, and write in the way of the rest."""
    status, said = await migrate(source, f"sqlite:{tmp_path / 'target'}", program=DYING + COMMAND)
    assert status == -9, said
    server = RunningServer(server_config(tmp_path / "target", "inline"))
    with pytest.raises(StartupError, match=r"an unfinished copy of sqlite:.*migrate-store again"):
        await server.start()


async def test_a_database_that_servers_use_is_not_copied(
    mongo: MongoServer, tmp_path: Path
) -> None:
    """A lease in force shows that one makes ids there."""
    address = in_mongo(mongo)
    async with addresses.parse(address).opened(exists=False) as parts:
        lease = WorkerLease(StoreParts(*parts), clock_ms, name="Gateway-1")
        await lease.acquire()
        status, said = await migrate(address, f"sqlite:{tmp_path / 'target'}")
        assert status == 1
        assert "A server is using mongodb://" in said and "(Gateway-1): stop it" in said
        await lease.release()


async def test_a_folder_that_a_server_uses_is_not_copied(source: str, tmp_path: Path) -> None:
    """Nor copied into."""
    folder = Path(source.removeprefix("sqlite:"))
    store = SqliteStore(folder / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms)
    try:
        for pair in ((source, f"sqlite:{tmp_path / 'x'}"), (f"sqlite:{tmp_path / 'y'}", source)):
            await prepared(tmp_path / "y")
            status, said = await migrate(*pair)
            assert status == 1
            assert f"The data folder {folder} is in use by process" in said
    finally:
        await store.close()


async def prepared(folder: Path) -> None:
    await SqliteStore(folder / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms).close()


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("{here}/store", "sqlite:{here}/to", "is not the address of a store: write sqlite:FOLDER"),
        ("sqlite:", "sqlite:{here}/to", "is not the address of a store"),
        ("sqlite:{here}/none", "sqlite:{here}/to", "There is no store in {here}/none"),
        ("sqlite:{here}/store", "sqlite:{here}/../{name}/store", "FROM and TO are the same store"),
        ("sqlite:{here}/store", "mongodb://u:secret@h/?replicaSet=x", "h/?replicaSet=x names no"),
        ("sqlite:{here}/store", "mongodb://h:port/rookery", "h:port/rookery is not an address"),
        ("sqlite:{here}/store", "mongodb://127.0.0.1:1/rookery", "No MongoDB answers at"),
        ("mongodb://127.0.0.1:1/rookery", "sqlite:{here}/to", "No MongoDB answers at"),
        ("sqlite:{here}/store", "sqlite:{here}/to", "{here}/store is empty: there is nothing"),
    ],
)
def test_what_is_wrong_is_named(
    source: str, target: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, exit status 1, and no password in it."""
    monkeypatch.setattr(addresses, "TIMEOUT_S", 1.0)
    asyncio.run(prepared(tmp_path / "store"))
    places = {"here": str(tmp_path), "name": tmp_path.name}
    arguments = ["migrate-store", source.format(**places), target.format(**places)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert said.format(**places) in " ".join(result.output.split())
    assert "secret" not in result.output
