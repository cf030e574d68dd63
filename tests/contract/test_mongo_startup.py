"""What `prepare` refuses and does, against servers that are so: see `rookery.store.mongo`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from rookery import config
from rookery.errors import StartupError, StoreTooNew, StoreUnavailable
from rookery.store.engine import Insert, Put, WriteBatch
from rookery.store.mongo import MongoReader, MongoStore, MongoWriter, prepare
from rookery.store.mongo.backfills import create_all
from rookery.store.mongo.migrations import Migration
from rookery.store.mongo.shapes import Stored
from rookery.store.mongo.sharding import shard_collections
from tests.contract.collections import COLLECTIONS, ITEMS
from tests.servers.machine import free_port
from tests.servers.mongo import MongoMember, MongoServer, lost_sockets_collected, required

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with lost_sockets_collected():
        yield


def at(uri: str) -> config.Store:
    return config.Store(engine="mongo", mongo_uri=uri, mongo_database="rookery", timeout_s=0.5)


async def refused(settings: config.Store) -> str:
    """The sentence with which `prepare` refuses."""
    with pytest.raises(StartupError) as told:
        await prepare(settings, COLLECTIONS)
    return str(told.value)


async def test_a_standalone_is_refused(tmp_path: Path) -> None:
    """With and without the name of a replica set in the address."""
    required()
    with MongoMember(tmp_path, replica_set=None) as server:
        for query in ("", "?replicaSet=rs0"):
            text = await refused(at(f"mongodb://127.0.0.1:{server.port}/{query}"))
            assert "as a standalone" in text
            assert "mongod --replSet rs0" in text


async def test_a_wrong_name_of_the_replica_set_is_told(mongod: MongoServer) -> None:
    """The right one, too."""
    text = await refused(at(mongod.uri.replace("replicaSet=rs0", "replicaSet=rs7")))
    assert "belongs to the replica set rs0, not to rs7" in text


async def test_wrong_credentials_are_told(mongod: MongoServer) -> None:
    """Without showing them."""
    text = await refused(at(mongod.uri.replace("mongodb://", "mongodb://ada:secret@")))
    assert "does not accept the name or password" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    "uri", ["localhost:27017", "mongodb://", "mongodb://h:99999/", "mongodb://h/?replicaset"]
)
async def test_a_malformed_address_is_told(uri: str) -> None:
    """The setting is named, and how it should look."""
    text = await refused(at(uri))
    assert "store.mongo_uri" in text
    assert "mongodb://HOST:27017/?replicaSet=rs0" in text


async def test_nobody_there_is_told() -> None:
    """Where it was looked for, and for how long."""
    port = free_port()
    text = await refused(at(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"))
    assert f"No MongoDB answers at mongodb://127.0.0.1:{port}/?replicaSet=rs0 within 0.5 s" in text


async def test_servers_that_start_together_do_not_clash(mongo_database: config.Store) -> None:
    """Each step is done once; the others wait for it."""
    done: list[int] = []

    async def create(database: AsyncDatabase[Stored]) -> None:
        done.append(1)
        await create_all(database, COLLECTIONS)

    async def fill(database: AsyncDatabase[Stored]) -> None:
        done.append(2)
        await database["items"].insert_one({"_id": 1, "score": 7})

    steps = (Migration(1, "create", create), Migration(2, "fill", fill))
    await asyncio.gather(*(prepare(mongo_database, COLLECTIONS, steps=steps) for _ in range(4)))
    assert done == [1, 2]
    reader = MongoReader(mongo_database, COLLECTIONS, version=2)
    assert await reader.get(ITEMS, (1,)) is not None
    await reader.close()


async def test_a_newer_database_is_refused(mongo_database: config.Store) -> None:
    """By the start, and by a reader that was there before."""
    await prepare(mongo_database, COLLECTIONS)
    async with AsyncMongoClient[Stored](mongo_database.mongo_uri) as client:
        schema = client[mongo_database.mongo_database]["schema"]
        await schema.update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(StoreTooNew, match="version 99"):
        await prepare(mongo_database, COLLECTIONS)
    reader = MongoReader(mongo_database, COLLECTIONS)
    with pytest.raises(StoreUnavailable, match="version 99"):
        await reader.get(ITEMS, (1,))
    await reader.close()


async def test_a_missing_index_is_refused(mongo_database: config.Store) -> None:
    """Reads would be slow without it, and nobody would know why."""
    await prepare(mongo_database, COLLECTIONS)
    async with AsyncMongoClient[Stored](mongo_database.mongo_uri) as client:
        await client[mongo_database.mongo_database]["items"].drop_index("by_owner")
    assert "index items.by_owner" in await refused(mongo_database)


async def test_a_replica_set_has_nothing_to_shard(mongo_database: config.Store) -> None:
    """Sharding is refused with where to point the address."""
    with pytest.raises(StartupError, match="no sharded cluster but the replica set"):
        async for _ in shard_collections(mongo_database, COLLECTIONS):
            pass


async def test_an_absent_server_is_soon_unavailable_and_noticed_when_back(tmp_path: Path) -> None:
    """Reads and writes fail within their time, nothing takes effect, and all recovers."""
    required()
    server = MongoServer(tmp_path)
    await asyncio.to_thread(server.start)
    store = await MongoStore.open(
        msgspec.structs.replace(at(server.uri), timeout_s=1.0), COLLECTIONS
    )
    await store.writer.write(WriteBatch((Insert("items", {"id": 1}),)))
    await asyncio.to_thread(server.kill)
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable):
        await store.reader.get(ITEMS, (1,))
    with pytest.raises(StoreUnavailable):
        await store.writer.write(WriteBatch((Insert("items", {"id": 2}),)))
    assert asyncio.get_running_loop().time() - began < 5
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(20):
        while True:
            try:
                found = await store.reader.get_many(ITEMS, [(1,), (2,)])
                break
            except StoreUnavailable:
                continue
    assert [document is not None for document in found] == [True, False]
    await store.writer.write(WriteBatch((Insert("items", {"id": 2}),)))
    await store.close()
    await asyncio.to_thread(server.stop)


async def test_expired_documents_have_a_date_to_go_by(mongo_database: config.Store) -> None:
    """MongoDB removes by dates; what callers see is the number they gave."""
    await prepare(mongo_database, COLLECTIONS)
    writer = MongoWriter(mongo_database, COLLECTIONS)
    document = {"token": "t", "expires_ms": 1_700_000_000_123}
    await writer.write(WriteBatch((Insert("tokens", document),)))
    async with AsyncMongoClient[Stored](mongo_database.mongo_uri) as client:
        database = client[mongo_database.mongo_database]
        stored = await database["tokens"].find_one()
        indexes = await (await database["tokens"].list_indexes()).to_list()
    await writer.close()
    assert stored is not None
    assert stored["_expires"].timestamp() == pytest.approx(1_700_000_000.123)
    assert {"expireAfterSeconds": 0, "_expires": 1}.items() <= {
        **indexes[-1], **indexes[-1]["key"],
    }.items()  # fmt: skip


async def test_documents_without_a_time_have_no_date_to_go_by(mongo_database: config.Store) -> None:
    """They never go, also where they had a time before."""
    await prepare(mongo_database, COLLECTIONS)
    writer = MongoWriter(mongo_database, COLLECTIONS)
    never = Put("tokens", {"token": "t", "expires_ms": None})
    timed = Put("tokens", {"token": "t", "expires_ms": 1_700_000_000_123})
    async with AsyncMongoClient[Stored](mongo_database.mongo_uri) as client:
        tokens = client[mongo_database.mongo_database]["tokens"]
        for put, has_date in ((never, False), (timed, True), (never, False)):
            await writer.write(WriteBatch((put,)))
            stored = await tokens.find_one()
            assert stored is not None
            assert ("_expires" in stored) == has_date
    await writer.close()
