"""A store in memory that keeps the promises of `rookery.store.engine`, for unit tests.

It is strict where an engine may be lenient: undeclared fields of a collection without body, wrong
types of keys and columns, and increments of a missing document with a body are errors. Values are
copied by a MessagePack round trip, so that a caller cannot change what is stored, and tuples come
back as lists, as from any engine.

Choices where the protocol leaves room (a repository must not depend on them):
    * A bound with fewer fields than the order has is compared with just these fields, so that
      `after=(5,)` skips every row that begins with 5.
    * The key fields appended to an index are those that the index does not name yet.
    * None sorts before every other value; a column that was not given reads as None.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    DeleteRange,
    Document,
    Expect,
    Increment,
    Insert,
    Key,
    Operation,
    Put,
    Row,
    Selection,
    WriteBatch,
    check_increment,
    check_limit,
    is_within_bounds,
)
from rookery.store.schema import COLLECTIONS

Table = dict[Key, Document]
Tables = dict[str, Table]
Groups = dict[Any, list[Document]]
Position = tuple[tuple[int, Any], ...]
Orders = dict[Key, tuple[list[Document], list[Position]]]
"""By what documents begin with: they and their positions, sorted."""


def _copy(document: Document) -> Document:
    copied: Document = msgspec.msgpack.decode(msgspec.msgpack.encode(document))
    return copied


def _sortable(values: Sequence[Any]) -> Position:
    return tuple([(0, 0) if value is None else (1, value) for value in values])


def _check_type(collection: Collection, name: str, value: Any, expected: type) -> None:
    if not isinstance(value, expected) or isinstance(value, bool):
        raise TypeError(f"{collection.name}.{name} must be {expected.__name__}, got {value!r}")


class MemoryStore:
    """Reader, writer and store in one.

    `before_write`, where set, is awaited with each batch before it is looked at: a test lets a
    rival write there, or raises to play a store that fails. `batches` holds every batch that took
    effect, `reads` counts the read calls by method name.
    """

    def __init__(self, collections: Sequence[Collection] = COLLECTIONS) -> None:
        self._collections = {collection.name: collection for collection in collections}
        self._tables: Tables = {collection.name: {} for collection in collections}
        self._groups: dict[tuple[str, str], tuple[Table, Groups]] = {}
        self._orders: dict[tuple[str, tuple[str, ...]], tuple[Table, Orders]] = {}
        self.before_write: Callable[[WriteBatch], Awaitable[None]] | None = None
        self.batches: list[WriteBatch] = []
        self.reads: dict[str, int] = {}

    @property
    def reader(self) -> "MemoryStore":
        return self

    @property
    def writer(self) -> "MemoryStore":
        return self

    async def close(self) -> None:
        """Nothing to close."""

    def documents(self, collection: Collection) -> list[Document]:
        """All documents of a collection by key, for assertions; not counted as a read."""
        table = self._tables[collection.name]
        return [_copy(table[key]) for key in sorted(table)]

    def tampered(self, collection: Collection) -> Table:
        """The documents of a collection by key, to be changed at once and in no batch."""
        table = self._tables[collection.name] = dict(self._tables[collection.name])
        return table

    def saved(self) -> Tables:
        """What is stored now, for `restore`; two are equal if nothing was written between."""
        return dict(self._tables)

    def restore(self, saved: Tables) -> None:
        """Have the store be as it was when `saved` was taken; `batches` stay."""
        self._tables = dict(saved)

    async def _begin_read(self, method: str) -> None:
        self.reads[method] = self.reads.get(method, 0) + 1
        await asyncio.sleep(0)

    async def get(self, collection: Collection, key: Key) -> Document | None:
        await self._begin_read("get")
        return self._get(collection, key)

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        await self._begin_read("get_many")
        return [self._get(collection, key) for key in keys]

    def _get(self, collection: Collection, key: Key) -> Document | None:
        self._check_key(collection, key)
        document = self._tables[collection.name].get(tuple(key))
        return None if document is None else _copy(document)

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
        await self._begin_read("range")
        rows = self._ordered(collection, prefix, index, after, before, limit, reverse)
        return [_copy(document) for document in rows]

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
        await self._begin_read("select")
        self._check_fields(collection, fields)
        rows = self._ordered(collection, prefix, index, after, before, limit, reverse)
        return [tuple(document[name] for name in fields) for document in rows]

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
        await self._begin_read("select_many")
        return self._lists(
            Selection(collection, fields, prefixes, limit, reverse, index, after, before)
        )

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        await self._begin_read("select_several")
        return [self._lists(each) for each in selections]

    def _lists(self, selection: Selection) -> list[list[Row]]:
        self._check_fields(selection.collection, selection.fields)
        return [
            [
                tuple(document[name] for name in selection.fields)
                for document in self._ordered(
                    selection.collection,
                    prefix,
                    selection.index,
                    selection.after,
                    selection.before,
                    selection.limit,
                    selection.reverse,
                )
            ]
            for prefix in selection.prefixes
        ]

    def _ordered(
        self,
        collection: Collection,
        prefix: Key,
        index: str | None,
        after: Key | None,
        before: Key | None,
        limit: int,
        reverse: bool,
    ) -> list[Document]:
        order = tuple(collection.key)
        if index is not None:
            named = tuple(collection.indexes[index])
            order = named + tuple(name for name in order if name not in named)
        rest = order[len(prefix) :]
        if len(prefix) > len(order) or any(
            bound is not None and len(bound) > len(rest) for bound in (after, before)
        ):
            raise ValueError(f"{collection.name}: more values than the order has fields")
        documents, positions = self._in_order(collection, order, prefix[:1])
        first = _sortable(prefix)
        begin, end = 0, len(positions)
        if len(first) > 1:
            begin = bisect_left(positions, first, key=lambda each: each[: len(first)])
            end = bisect_right(positions, first, begin, key=lambda each: each[: len(first)])
        if after is not None:
            low = first + _sortable(after)
            begin = bisect_right(positions, low, begin, end, key=lambda each: each[: len(low)])
        if before is not None:
            high = first + _sortable(before)
            end = bisect_left(positions, high, begin, end, key=lambda each: each[: len(high)])
        limit = min(max(0, limit), end - begin)
        if reverse:
            return documents[end - limit : end][::-1]
        return documents[begin : begin + limit]

    def _in_order(
        self, collection: Collection, order: tuple[str, ...], first: Key
    ) -> tuple[list[Document], list[Position]]:
        """All documents, or those whose first field of `order` is `first`, and their positions."""
        table = self._tables[collection.name]
        kept = self._orders.get((collection.name, order))
        # A write puts another table in the place of the one it changes.
        if kept is None or kept[0] is not table:
            kept = self._orders[collection.name, order] = (table, {})
        lists = kept[1]
        if first not in lists:
            documents = self._beginning_with(collection, order[0], first)
            pairs = [(_sortable([each[name] for name in order]), each) for each in documents]
            pairs.sort(key=itemgetter(0))
            lists[first] = ([each for _, each in pairs], [position for position, _ in pairs])
        return lists[first]

    def _beginning_with(self, collection: Collection, field: str, first: Key) -> Iterable[Document]:
        table = self._tables[collection.name]
        if not first:
            return table.values()
        kept = self._groups.get((collection.name, field))
        groups: Groups = {} if kept is None else kept[1]
        if kept is None or kept[0] is not table:
            groups = {}
            for document in table.values():
                groups.setdefault(document[field], []).append(document)
            self._groups[collection.name, field] = (table, groups)
        return groups.get(first[0], ())

    async def write(self, batch: WriteBatch) -> None:
        await asyncio.sleep(0)
        if self.before_write is not None:
            await self.before_write(batch)
        for operation in batch.operations:
            if isinstance(operation, Expect):
                self._check_expectation(operation)
        changed: Tables = {}
        for operation in batch.operations:
            self._apply(operation, changed)
        self._tables.update(changed)
        self.batches.append(batch)

    def _check_expectation(self, expect: Expect) -> None:
        collection = self._collections[expect.collection]
        self._check_key(collection, expect.key)
        self._check_fields(collection, tuple(expect.columns))
        document = self._tables[collection.name].get(tuple(expect.key))
        held = (document is not None) == expect.present
        if held and document is not None:
            held = all(document[name] == value for name, value in expect.columns.items())
        if not held:
            raise ConditionFailed(expect.label)

    def _apply(self, operation: Operation, changed: Tables) -> None:
        """Apply `operation` to copies of the tables it touches, kept in `changed`."""
        if isinstance(operation, Expect):
            return
        collection = self._collections[operation.collection]
        table = changed.get(collection.name)
        if table is None:
            table = changed[collection.name] = dict(self._tables[collection.name])
        if isinstance(operation, Insert | Put):
            document = self._stored(collection, operation.document)
            key = tuple(document[name] for name in collection.key)
            if isinstance(operation, Insert) and key in table:
                raise ConditionFailed(collection.name)
            table[key] = document
        elif isinstance(operation, Delete):
            self._check_key(collection, operation.key)
            table.pop(tuple(operation.key), None)
        elif isinstance(operation, DeleteRange):
            for key in self._first(collection, operation, table):
                del table[key]
        else:
            table[tuple(operation.key)] = self._incremented(collection, operation, table)

    def _first(
        self, collection: Collection, operation: DeleteRange, table: dict[Key, Document]
    ) -> list[Key]:
        check_limit(operation)
        width = len(operation.prefix)
        if not 0 < width < len(collection.key):
            raise ValueError(f"{collection.name}: a range has a part of the key as prefix")
        for (name, expected), value in zip(collection.key.items(), operation.prefix, strict=False):
            _check_type(collection, name, value, expected)
        keys = [key for key in table if key[:width] == tuple(operation.prefix)]
        return sorted(keys)[: operation.limit]

    def _stored(self, collection: Collection, document: Document) -> Document:
        stored: Document = {**dict.fromkeys(collection.columns), **_copy(document)}
        for name, expected in collection.key.items():
            _check_type(collection, name, stored.get(name), expected)
        for name, expected in collection.columns.items():
            if stored[name] is not None:
                _check_type(collection, name, stored[name], expected)
        undeclared = stored.keys() - collection.key.keys() - collection.columns.keys()
        if undeclared and not collection.body:
            raise TypeError(f"{collection.name} has no body for {sorted(undeclared)}")
        return stored

    def _incremented(
        self, collection: Collection, increment: Increment, table: dict[Key, Document]
    ) -> Document:
        self._check_key(collection, increment.key)
        check_increment(increment)
        document = table.get(tuple(increment.key))
        if document is None:
            if collection.body:
                raise ValueError(f"{collection.name}: no document {increment.key} to increment")
            zeros = {name: 0 for name, of in collection.columns.items() if of is int}
            keyed = dict(zip(collection.key, increment.key, strict=True))
            document = {**dict.fromkeys(collection.columns), **zeros, **keyed}
        if not is_within_bounds(increment, document):
            raise ConditionFailed(increment.label or collection.name)
        added = dict(document)
        for name, delta in increment.deltas.items():
            if collection.columns[name] is not int:
                raise TypeError(f"{collection.name}.{name} is no int column")
            added[name] = (added[name] or 0) + delta
        return added

    def _check_key(self, collection: Collection, key: Key) -> None:
        if self._collections.get(collection.name) is not collection:
            raise ValueError(f"unknown collection {collection.name}")
        for (name, expected), value in zip(collection.key.items(), key, strict=True):
            _check_type(collection, name, value, expected)

    def _check_fields(self, collection: Collection, fields: tuple[str, ...]) -> None:
        for name in fields:
            if name not in collection.key and name not in collection.columns:
                raise ValueError(f"{collection.name}.{name} is not declared")
