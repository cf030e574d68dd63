"""One suite over every engine: a new one adds what opens it to `OPENED`."""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TypeAlias

import pytest
from pymongo import AsyncMongoClient

from rookery import config
from rookery.store.engine import Collection, Operation, Reader, Store, WriteBatch
from rookery.store.mongo import MongoReader, MongoStore
from rookery.store.schema import EVENT_BACKLOG, FAILED_EVENTS, OUTBOX
from rookery.store.sqlite import SqliteReader, SqliteStore
from tests.contract.collections import COLLECTIONS
from tests.servers import mongo, redis
from tests.servers.mongo import MongoServer
from tests.servers.secantus import secantus
from tests.unit.memory_store import MemoryStore

GIVEN_MONGODB = os.environ.get("ROOKERY_TEST_MONGODB_URI", "")
"""Address of another MongoDB, whose databases `rookery_test_…` the tests make and drop."""
MONGO_ENGINES = ("mongo", *(["given-mongo"] if GIVEN_MONGODB else []))
BULK_WRITE_ENGINE = "secantus"
"""Has the command in which the engine writes from MongoDB 8.0 on; for tests of writes alone."""


@dataclass
class Engine:
    """A store over the test collections; `another_reader` reads it as another process would."""

    store: Store
    another_reader: Callable[[], Reader]

    @property
    def reader(self) -> Reader:
        return self.store.reader

    async def write(self, *operations: Operation) -> None:
        await self.store.writer.write(WriteBatch(operations))


Opened: TypeAlias = Callable[
    [pytest.FixtureRequest, Path, Sequence[Collection]], AbstractAsyncContextManager[Engine]
]


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A MongoDB for tests that do it no harm."""
    mongo.required()
    with MongoServer(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="session")
def bulk_write_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has `bulkWrite`."""
    with secantus(tmp_path_factory.mktemp("secantus")) as uri:
        yield uri


def _uri(request: pytest.FixtureRequest) -> str:
    if request.param == "given-mongo":
        return GIVEN_MONGODB
    if request.param == BULK_WRITE_ENGINE:
        uri: str = request.getfixturevalue("bulk_write_uri")
        return uri
    server: MongoServer = request.getfixturevalue("mongod")
    return server.uri


@asynccontextmanager
async def _database(uri: str) -> AsyncIterator[config.Store]:
    settings = config.Store(
        engine="mongo", mongo_uri=uri, mongo_database=f"rookery_test_{token_hex(6)}", timeout_s=20
    )
    yield settings
    async with AsyncMongoClient(uri) as client:  # type: ignore[var-annotated]
        await client.drop_database(settings.mongo_database)


@pytest.fixture(params=MONGO_ENGINES)
async def mongo_database(request: pytest.FixtureRequest) -> AsyncIterator[config.Store]:
    """An empty database of each MongoDB server there is."""
    async with _database(_uri(request)) as settings:
        yield settings


@asynccontextmanager
async def _memory(
    request: pytest.FixtureRequest, folder: Path, collections: Sequence[Collection]
) -> AsyncIterator[Engine]:
    store = MemoryStore(collections)
    yield Engine(store, lambda: store.reader)


@asynccontextmanager
async def _sqlite(
    request: pytest.FixtureRequest, folder: Path, collections: Sequence[Collection]
) -> AsyncIterator[Engine]:
    path = folder / "rookery.db"
    store = SqliteStore(path, collections, clock_ms=lambda: 0)
    yield Engine(store, lambda: SqliteReader(path, collections))
    await store.close()


@asynccontextmanager
async def _mongo(
    request: pytest.FixtureRequest, folder: Path, collections: Sequence[Collection]
) -> AsyncIterator[Engine]:
    async with _database(_uri(request)) as settings:
        store = await MongoStore.open(settings, collections)
        yield Engine(store, lambda: MongoReader(settings, collections))
        await store.close()


OPENED: Mapping[str, Opened] = {
    "sqlite": _sqlite,
    "memory": _memory,
    **dict.fromkeys((*MONGO_ENGINES, BULK_WRITE_ENGINE), _mongo),
}
"""What opens an empty store of each engine."""
ENGINES = tuple(name for name in OPENED if name != BULK_WRITE_ENGINE)


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty store of each engine."""
    async with OPENED[request.param](request, tmp_path, COLLECTIONS) as opened:
        yield opened


@pytest.fixture(params=ENGINES)
async def event_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each engine, with what the relay of events needs."""
    collections = (OUTBOX, EVENT_BACKLOG, FAILED_EVENTS)
    async with OPENED[request.param](request, tmp_path, collections) as opened:
        yield opened.store


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.RedisServer]:
    """A Redis for tests that do it no harm."""
    redis.required()
    server = redis.RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
