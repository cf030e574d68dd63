"""The schema versions of a MongoDB database, and the steps from one to the next.

The version stands in a document of its own (`SCHEMA`). Unlike SQLite's, a step is not one
transaction, since MongoDB makes indexes outside of any: each can be done again after a kill in
the middle, and one process at a time does them, by a lease that the others wait for.

Whoever changes a declared collection adds a step here and in `rookery.store.sqlite.migrations`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from rookery.errors import StartupError, StoreTooNew
from rookery.store.engine import Collection
from rookery.store.mongo.backfills import create_all, list_retweets_and_quotes, note_removals
from rookery.store.mongo.client import Cancellable
from rookery.store.mongo.shapes import Stored, shapes

log = structlog.get_logger(__name__)

SCHEMA = "schema"
LEASE_MS = 30_000
_POLL_S = 0.1


@dataclass(frozen=True)
class Migration:
    """One step: `apply` brings a database of the version before to `version`.

    It may be broken off anywhere, and is then done again from its beginning.
    """

    version: int
    description: str
    apply: Callable[[AsyncDatabase[Stored]], Awaitable[None]]


def migrations(collections: Iterable[Collection]) -> tuple[Migration, ...]:
    """All steps, in order."""
    declared = tuple(collections)

    async def create(database: AsyncDatabase[Stored]) -> None:
        await create_all(database, declared)

    async def removals(database: AsyncDatabase[Stored]) -> None:
        await create_all(database, declared)
        await note_removals(database, declared)

    async def retweets_and_quotes(database: AsyncDatabase[Stored]) -> None:
        await create_all(database, declared)
        await list_retweets_and_quotes(database, declared)

    return (
        Migration(1, "create the collections", create),
        Migration(2, "add sources of log-ins and used tickets", create),
        Migration(3, "note what deleted tweets left behind", removals),
        Migration(4, "list who retweets and quotes what", retweets_and_quotes),
    )


VERSION = migrations(())[-1].version
"""The version that this program reads and writes: that of the last step."""


async def stored_version(database: AsyncDatabase[Stored]) -> int:
    """The version of the database; 0 for an empty one."""
    found = await database[SCHEMA].find_one({"_id": SCHEMA})
    return 0 if found is None else int(found["version"])


async def migrate(database: AsyncDatabase[Stored], steps: Sequence[Migration]) -> list[int]:
    """Bring the database to the version of the last step; the versions gone through, in order.

    Where another process is at it, wait for that one.

    Raises:
        StoreTooNew: the version is beyond the last step.
        StartupError: a step failed; the text says what to do.
        PyMongoError: the server does not answer.
    """
    last = steps[-1].version
    if not _is_due(await stored_version(database), last):
        return []
    async with _lease(database) as holder:
        found = await stored_version(database)
        due = [step for step in steps if step.version > found] if _is_due(found, last) else []
        for step in due:
            log.info("store migrates", database=database.name, version=step.version)
            try:
                await step.apply(database)
            except OperationFailure as error:
                raise StartupError(
                    f"Bringing the store to schema version {step.version} ({step.description}) "
                    f"failed: {error}. Mend the cause and start again: the step is then done from "
                    "its beginning."
                ) from error
            done = await database[SCHEMA].update_one(
                {"_id": SCHEMA, "holder": holder}, {"$set": {"version": step.version}}
            )
            if not done.matched_count:
                raise StartupError(
                    f"Bringing the store to schema version {step.version} took so long a pause "
                    "that another process took over; start again when that one is done."
                )
            log.info("store migrated", database=database.name, version=step.version)
    return [step.version for step in due]


def _is_due(found: int, last: int) -> bool:
    if found > last:
        raise StoreTooNew(
            f"The store has schema version {found}, and this program knows versions up to {last}. "
            "Start the newer release that wrote it, or restore a backup made before the upgrade."
        )
    return found < last


@asynccontextmanager
async def _lease(database: AsyncDatabase[Stored]) -> AsyncIterator[str]:
    """Hold the right to migrate; times are the server's own."""
    holder = secrets.token_hex(8)
    schema = database[SCHEMA]
    ends = {"$add": ["$$NOW", LEASE_MS]}
    with suppress(DuplicateKeyError):
        await schema.insert_one({"_id": SCHEMA, "version": 0, "holder": None, "until": None})
    free: Stored = {
        "_id": SCHEMA,
        "$or": [{"holder": None}, {"$expr": {"$lt": ["$until", "$$NOW"]}}],
    }
    while True:
        taken = await schema.update_one(free, [{"$set": {"holder": holder, "until": ends}}])
        if taken.modified_count:
            break
        await asyncio.sleep(_POLL_S)

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            with suppress(PyMongoError), Cancellable():
                await schema.update_one(
                    {"_id": SCHEMA, "holder": holder}, [{"$set": {"until": ends}}]
                )

    renewing = asyncio.create_task(renew())
    try:
        yield holder
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await schema.update_one({"_id": SCHEMA, "holder": holder}, {"$set": {"holder": None}})


async def schema_differences(
    database: AsyncDatabase[Stored], collections: Iterable[Collection]
) -> list[str]:
    """What the database lacks, or has otherwise, of the declared indexes."""
    differences = []
    for shape in shapes(collections).values():
        found = {
            each["name"]: (tuple(each["key"].items()), "expireAfterSeconds" in each)
            async for each in await database[shape.name].list_indexes()
        }
        if not found:
            differences.append(f"collection {shape.name}: not there")
            continue
        for name, (fields, removes) in shape.indexes().items():
            declared = (tuple((field, 1) for field in fields), removes)
            if found.get(name) != declared:
                differences.append(
                    f"index {shape.name}.{name}: declared {declared}, found {found.get(name)}"
                )
    return differences
