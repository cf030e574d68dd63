"""Walks over collections, and writes on conditions, as all checks of the store need them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Expect,
    Key,
    Operation,
    Reader,
    WriteBatch,
    Writer,
)

BATCH = 200
CHANGED = "changed meanwhile"
"""The label of the conditions of repairs."""

Fields: TypeAlias = dict[str, Any]
"""Key fields and columns of a document, by name."""


async def owners(reader: Reader, collection: Collection) -> AsyncIterator[list[int]]:
    """The different first key fields of a collection, some at a time, ascending."""
    (name, *others) = collection.key
    after = 0
    while True:
        if others:  # a list of one owner may be long: skip from owner to owner
            ids: list[int] = []
            while len(ids) < BATCH and (
                rows := await reader.select(collection, (name,), after=(after,), limit=1)
            ):
                ((after,),) = rows
                ids.append(after)
        else:
            rows = await reader.select(collection, (name,), after=(after,), limit=BATCH)
            ids = [each for (each,) in rows]
        if not ids:
            return
        after = ids[-1]
        yield ids


async def all_rows(reader: Reader, collection: Collection) -> AsyncIterator[list[Fields]]:
    """All rows of a collection in the order of its key, some at a time."""
    fields = fields_of(collection)
    after: Key | None = None
    while found := await reader.select(collection, fields, after=after, limit=BATCH):
        rows = [dict(zip(fields, each, strict=True)) for each in found]
        after = key_of(collection, rows[-1])
        yield rows


def fields_of(collection: Collection) -> tuple[str, ...]:
    """All declared fields, the key's first."""
    return (*collection.key, *collection.columns)


def key_of(collection: Collection, row: Fields) -> Key:
    """The key under which a collection holds a row, whose fields may be those of another list."""
    return tuple(row[name] for name in collection.key)


def unchanged(collection: Collection, row: Fields) -> Expect:
    """The condition that a row is there as it was read."""
    columns = {name: row[name] for name in collection.columns}
    return Expect(collection.name, key_of(collection, row), True, columns, CHANGED)


def absent(collection: Collection, key: Key) -> Expect:
    """The condition that there is no such row."""
    return Expect(collection.name, key, False, label=CHANGED)


def owner_of(collection: Collection) -> str:
    """What the first key field of a collection is the id of: `user` or `tweet`."""
    return "tweet" if next(iter(collection.key)) in ("tweet_id", "original_id") else "user"


async def is_written(writer: Writer, operations: Sequence[Operation]) -> bool:
    """Whether a repair was made; not where something of it changed meanwhile."""
    try:
        await writer.write(WriteBatch(tuple(operations)))
    except ConditionFailed:
        return False
    return True
