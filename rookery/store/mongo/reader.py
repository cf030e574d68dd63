"""Reads from MongoDB: each call is one command at the primary.

Imports no writer. Read concerns: `majority` for one document. For several `snapshot` on a replica
set, so that they are of one moment, also where the server pauses in the middle. On a sharded
cluster `majority` for them too: a router chooses the time of a snapshot by its own clock, which
may lie before a write that another router has answered already; there a read of several
documents sees every write that returned, but is not of one moment across shards.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bson import Int64
from bson.errors import BSONError
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DocumentTooLarge, PyMongoError

from rookery import config
from rookery.errors import StoreUnavailable
from rookery.store.engine import Collection, Document, Key, Row, Selection, checked_limit
from rookery.store.mongo.client import MAJORITY, SNAPSHOT, Cancellable, Connection
from rookery.store.mongo.migrations import VERSION, stored_version
from rookery.store.mongo.shapes import Shape, Stored, shapes

_LARGEST_BATCH = 100_000


class MongoReader:
    """The engine's `Reader`. For one event loop; connects at the first read.

    `version` is the schema version that the database must have. Every method raises
    `StoreUnavailable` where no primary answers in time, or the database is not ready or of
    another version; the next call tries again.
    """

    def __init__(
        self, settings: config.Store, collections: Sequence[Collection], *, version: int = VERSION
    ) -> None:
        self._connection = Connection(settings)
        self._version = version
        self._shapes = shapes(collections)
        self._is_ready = False

    async def get(self, collection: Collection, key: Key) -> Document | None:
        shape = self._shape(collection)
        key = shape.checked_key(key)
        async with self._reading(several=False) as database:
            found = await database[shape.name].find_one(shape.filter(key))
        return None if found is None else shape.document(found)

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        shape = self._shape(collection)
        ids = [shape.id(shape.checked_key(key)) for key in keys]
        if not ids:
            return []
        wanted: Stored = {"_id": {"$in": list(dict.fromkeys(ids))}}
        if len(shape.key) > 1:
            # Spares the other shards; makes no difference elsewhere.
            wanted[shape.key[0]] = {"$in": list(dict.fromkeys(key[0] for key in keys))}
        async with self._reading() as database:
            found = await database[shape.name].find(wanted, batch_size=_batch(len(ids))).to_list()
        by_id = {stored["_id"]: stored for stored in found}
        return [shape.document(_own_copy(by_id[id_])) if id_ in by_id else None for id_ in ids]

    async def range(
        self,
        collection: Collection,
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Document]:
        shape = self._shape(collection)
        found = await self._ordered(shape, None, prefix, index, after, before, limit, reverse)
        return [shape.document(stored) for stored in found]

    async def select(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Row]:
        shape = self._shape(collection)
        projection = shape.projection(fields)
        found = await self._ordered(shape, projection, prefix, index, after, before, limit, reverse)
        return _rows(shape, fields, found)

    async def select_many(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefixes: Sequence[Key],
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[list[Row]]:
        [groups] = await self.select_several(
            [Selection(collection, fields, prefixes, limit, reverse, index, after, before)]
        )
        return groups

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        found: list[list[list[Row]]] = [[[] for _ in each.prefixes] for each in selections]
        asked: list[tuple[int, Selection]] = []
        for at, each in enumerate(selections):
            width = len(each.prefixes[0]) if each.prefixes else 0
            if any(len(prefix) != width for prefix in each.prefixes):
                raise ValueError("the prefixes differ in length")
            shape = self._shape(each.collection)
            if not each.prefixes:
                continue
            if not checked_limit(each.limit):
                shape.projection(each.fields)
            elif width:
                asked.append((at, each))
            else:
                found[at] = await self._whole(each)
        if asked:
            await self._read_lists(asked, found)
        return found

    async def _whole(self, selection: Selection) -> list[list[Row]]:
        """The rows of a selection whose prefixes are empty: the same for each."""
        rows = await self.select(
            selection.collection,
            selection.fields,
            index=selection.index,
            after=selection.after,
            before=selection.before,
            limit=selection.limit,
            reverse=selection.reverse,
        )
        return [list(rows) for _ in selection.prefixes]

    async def _read_lists(
        self, asked: Sequence[tuple[int, Selection]], found: list[list[list[Row]]]
    ) -> None:
        """Put the lists of the selections that are asked for into their places, by one command."""
        pipeline: list[Stored] = []
        for at, selection in asked:
            lists = _grouped(self._shape(selection.collection), at, selection)
            pipeline += [{"$unionWith": {"pipeline": lists}}] if pipeline else lists
        count = sum(len(selection.prefixes) for _, selection in asked)
        fields = {at: (self._shape(each.collection), each.fields) for at, each in asked}
        async with self._reading() as database:
            cursor = await database.aggregate(pipeline, batchSize=_batch(count))
            async with cursor:
                async for each in cursor:
                    found[each["at"]][each["n"]] = _rows(*fields[each["at"]], each["rows"])

    async def close(self) -> None:
        """Close the connection, if nobody else uses it; later reads raise."""
        await self._connection.close()

    def _shape(self, collection: Collection) -> Shape:
        try:
            return self._shapes[collection.name]
        except KeyError:
            raise ValueError(f"unknown collection {collection.name!r}") from None

    async def _ordered(
        self,
        shape: Shape,
        projection: dict[str, int] | None,
        prefix: Key,
        index: str | None,
        after: Key | None,
        before: Key | None,
        limit: int,
        reverse: bool,
    ) -> list[Stored]:
        order = shape.order(index)
        where = shape.where(order, prefix, after, before)
        if not checked_limit(limit):  # MongoDB would take 0 for no limit
            return []
        async with self._reading() as database:
            cursor = database[shape.name].find(where, projection)
            if sort := shape.sort(order, len(prefix), reverse):
                cursor = cursor.sort(list(sort.items()))
            return await cursor.limit(limit).batch_size(_batch(limit)).to_list()

    @asynccontextmanager
    async def _reading(self, *, several: bool = True) -> AsyncIterator[AsyncDatabase[Stored]]:
        """The database to read from, and the engine's errors for the driver's."""
        try:
            with Cancellable():
                if not self._is_ready:
                    await self._check_version()
                is_moment = several and not self._connection.is_sharded
                yield self._connection.database(SNAPSHOT if is_moment else MAJORITY)
        except (DocumentTooLarge, BSONError, OverflowError) as error:
            raise ValueError(f"a value that a read cannot take: {error}") from error
        except PyMongoError as error:
            raise StoreUnavailable("The store cannot be read for the moment") from error

    async def _check_version(self) -> None:
        found = await stored_version(self._connection.database())
        if found != self._version:
            raise StoreUnavailable(
                f"The store has schema version {found}, and this program reads {self._version}; "
                "the start of a server brings it up to date"
            )
        self._is_ready = True


def _grouped(shape: Shape, at: int, selection: Selection) -> list[Stored]:
    """A pipeline that yields {at, n, rows} for each prefix: one walk along the index for each."""
    prefixes = selection.prefixes
    width = len(prefixes[0])
    order = shape.order(selection.index)
    rest = order[width:]
    bounds = shape.where(rest, (), selection.after, selection.before)
    # The first field by equality, which finds the index; the others by expression.
    further: list[Stored] = []
    for place in range(1, width):
        found: Any = f"${shape.path(order[place])}"
        if any(prefix[place] is None for prefix in prefixes):
            found = {"$ifNull": [found, None]}  # no index is walked along this; it is rare
        further.append({"$eq": [found, f"$$v{place}"]})
    if further:
        bounds["$expr"] = {"$and": further}
    inner: list[Stored] = [{"$match": bounds}] if bounds else []
    if sort := shape.sort(order, width, selection.reverse):
        inner.append({"$sort": sort})
    inner += [{"$limit": selection.limit}, {"$project": shape.projection(selection.fields)}]
    asked = [
        {"at": at, "n": number, **{f"v{place}": _wide(value) for place, value in enumerate(prefix)}}
        for number, prefix in enumerate(prefixes)
    ]
    return [
        {"$documents": asked},
        {
            "$lookup": {
                "from": shape.name,
                "localField": "v0",
                "foreignField": shape.path(order[0]),
                "let": {f"v{place}": f"$v{place}" for place in range(1, width)},
                "pipeline": inner,
                "as": "rows",
            }
        },
        {"$project": {"at": 1, "n": 1, "rows": 1}},
    ]


def _rows(shape: Shape, fields: Sequence[str], found: Sequence[Stored]) -> list[Row]:
    paths = [shape.path(name) for name in fields]
    return [tuple([stored.get(path) for path in paths]) for stored in found]


def _own_copy(stored: Any) -> Any:
    """A copy down to the last list: two results never share a part."""
    if isinstance(stored, dict):
        return {name: _own_copy(value) for name, value in stored.items()}
    if isinstance(stored, list):
        return [_own_copy(value) for value in stored]
    return stored


def _wide(value: Any) -> Any:
    return Int64(value) if isinstance(value, int) else value


def _batch(count: int) -> int:
    """A size of batch that fetches `count` documents at once."""
    return min(count + 1, _LARGEST_BATCH)
