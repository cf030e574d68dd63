"""Spreads the collections over the shards of a cluster, by the seeds' keys."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from rookery import config
from rookery.errors import StartupError
from rookery.store.engine import Collection
from rookery.store.mongo.client import Connection
from rookery.store.mongo.shapes import shapes
from rookery.store.mongo.startup import prepare, shown


def commands(database: str, collections: Iterable[Collection]) -> list[dict[str, Any]]:
    """What is said to the router, in order. All of it may be said again."""
    said: list[dict[str, Any]] = [{"enableSharding": database}]
    for shape in shapes(collections).values():
        said.append({"shardCollection": f"{database}.{shape.name}", "key": shape.shard_key})
    return said


async def shard_collections(
    settings: config.Store, collections: Sequence[Collection]
) -> AsyncIterator[tuple[str, str]]:
    """Shard all collections, those that are sharded already excepted; yields name and shard key.

    Raises:
        StartupError: the configured MongoDB is no sharded cluster, or refuses; the text says why.
    """
    await prepare(settings, collections)
    connection = Connection(settings)
    try:
        admin = connection.client.admin
        hello = await admin.command("hello")
        if hello.get("msg") != "isdbgrid":
            raise StartupError(
                f"The MongoDB at {shown(settings)} is no sharded cluster but the replica set "
                f"{hello.get('setName')}, where there is nothing to spread: set store.mongo_uri "
                "to a router (mongos) of a sharded cluster."
            )
        for shape in shapes(collections).values():
            # A hashed shard key needs its index where there are documents already.
            await connection.database()[shape.name].create_index(
                list(shape.shard_key.items()), name="shard"
            )
        for command in commands(settings.mongo_database, collections):
            await admin.command(command)
            if "shardCollection" in command:
                (field,) = command["key"]
                yield command["shardCollection"], field
    except OperationFailure as error:
        raise StartupError(
            f"The cluster at {shown(settings)} refused ({error.details}): the user needs the role "
            "clusterManager. What was sharded stays so; run this again."
        ) from error
    except PyMongoError as error:
        raise StartupError(f"The cluster at {shown(settings)} does not answer: {error}") from error
    finally:
        await connection.close()
