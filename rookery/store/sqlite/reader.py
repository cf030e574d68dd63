"""Reads from the SQLite file, in any process beside the writer.

Imports no writer. Where a read runs is decided by its size, and always for the event loop's sake:

Small ones (all but a few) run right on the event loop. They take 7 µs for a document and 30 to
40 µs for a page; handing them to a thread costs more than that. Several small ones in one call
share what a transaction costs, and yield to the event loop when they have brought many rows.

Large selections of many prefixes (the cold start of a shard) run in a thread, as statements that
hand over hundreds of rows in one step. A thread that steps row by row has to win Python's lock back
after each row, at up to 5 ms a time while the event loop is busy: 20 rows took 85 ms that way.

Other large reads, which need a step for each document, therefore stay on the event loop, and
yield to it between slices.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rookery.errors import StoreUnavailable
from rookery.store.engine import Collection, Document, Key, Row, Selection, checked_limit
from rookery.store.sqlite.connection import open_for_reading
from rookery.store.sqlite.migrations import VERSION
from rookery.store.sqlite.selections import SMALL_ROWS, Execute, Lists
from rookery.store.sqlite.tables import Table, tables

_SLICE_ROWS = 500
_LARGE_AT_ONCE = 2
_KEY_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_T = TypeVar("_T")


class SqliteReader:
    """The engine's `Reader`. For one event loop; opens the file at the first read.

    `version` is the schema version that the file must have. Every method raises
    `StoreUnavailable` where the file is missing, not ready, unreadable or of another version;
    the next call tries again from the start.
    """

    def __init__(
        self, path: Path, collections: Sequence[Collection], *, version: int = VERSION
    ) -> None:
        self._path = path
        self._version = version
        self._tables = tables(collections)
        self._main: sqlite3.Connection | None = None
        self._spare: list[sqlite3.Connection] = []
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._threads = ThreadPoolExecutor(_LARGE_AT_ONCE, "sqlite-read")
        self._closed = False

    async def get(self, collection: Collection, key: Key) -> Document | None:
        table = self._table(collection)
        table.checked_key(key)
        try:
            row = self._connection().execute(table.get_sql, key).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        return None if row is None else table.document(row)

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        table = self._table(collection)
        for key in keys:
            table.checked_key(key)
        found: dict[Key, Row] = {}
        if len(keys) <= SMALL_ROWS:
            try:
                if len(keys) <= _KEY_COUNTS[-1]:  # one statement, which is of one moment anyway
                    for chunk in _chunks(keys):
                        _find(self._connection().execute, table, chunk, found)
                else:
                    with _moment(self._connection()) as execute:
                        for chunk in _chunks(keys):
                            _find(execute, table, chunk, found)
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error
        else:
            async with self._large_connection() as connection:
                with _moment(connection) as execute:
                    for chunk in _chunks(keys):
                        _find(execute, table, chunk, found)
                        await asyncio.sleep(0)
        rows = (found.get(tuple(key)) for key in keys)
        return [None if row is None else table.document(row) for row in rows]

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
        table = self._table(collection)
        sql = table.select_sql(
            None, index, len(prefix), len(after or ()), len(before or ()), reverse
        )
        rows = await self._rows(sql, (*prefix, *(after or ()), *(before or ())), limit)
        return [table.document(row) for row in rows]

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
        sql = self._table(collection).select_sql(
            fields, index, len(prefix), len(after or ()), len(before or ()), reverse
        )
        return await self._rows(sql, (*prefix, *(after or ()), *(before or ())), limit)

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
        [lists] = await self.select_several(
            [Selection(collection, fields, prefixes, limit, reverse, index, after, before)]
        )
        return lists

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        found: list[list[list[Row]]] = [[] for _ in selections]
        small: deque[tuple[int, Lists]] = deque()
        large: list[tuple[int, Lists]] = []
        for at, selection in enumerate(selections):
            if selection.prefixes:
                lists = Lists(self._table(selection.collection), selection)
                (small if lists.is_small else large).append((at, lists))
        while small:
            try:
                with _moment(self._connection()) as execute:
                    rows = 0
                    while small and rows < SMALL_ROWS:
                        at, lists = small.popleft()
                        found[at] = lists.read(execute)
                        rows += sum(map(len, found[at]))
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error
            if small:
                await asyncio.sleep(0)
        if large:
            async with self._large_connection() as connection:
                read = partial(_read_grouped, connection, [lists for _, lists in large])
                groups = await self._in_thread(connection, read)
            for (at, _), group in zip(large, groups, strict=True):
                found[at] = group
        return found

    async def close(self) -> None:
        """Wait for the large reads under way and close the file; later reads raise."""
        if self._closed:
            return
        self._closed = True
        for _ in range(_LARGE_AT_ONCE):
            await self._large.acquire()
        self._threads.shutdown()
        self._drop_connections()

    def _table(self, collection: Collection) -> Table:
        try:
            return self._tables[collection.name]
        except KeyError:
            raise ValueError(f"unknown collection {collection.name!r}") from None

    async def _rows(self, sql: str, values: tuple[Any, ...], limit: int) -> list[Row]:
        parameters = (*values, checked_limit(limit))
        if limit <= SMALL_ROWS:
            try:
                return self._connection().execute(sql, parameters).fetchall()
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error
        async with self._large_connection() as connection:
            rows: list[Row] = []
            cursor = connection.execute(sql, parameters)
            try:
                while slice_ := cursor.fetchmany(_SLICE_ROWS):
                    rows += slice_
                    await asyncio.sleep(0)
            finally:
                cursor.close()
            return rows

    async def _in_thread(self, connection: sqlite3.Connection, read: Callable[[], _T]) -> _T:
        work = asyncio.get_running_loop().run_in_executor(self._threads, read)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            connection.interrupt()
            with suppress(sqlite3.Error):  # the thread must be off the connection
                await work
            raise

    def _connection(self) -> sqlite3.Connection:
        """The event loop's own connection, for small reads; not to be held across an await."""
        if self._main is None:
            self._main = self._open()
        return self._main

    @asynccontextmanager
    async def _large_connection(self) -> AsyncIterator[sqlite3.Connection]:
        """A connection for one large read, of which only a few run at a time."""
        async with self._large:
            try:
                connection = self._spare.pop() if self._spare else self._open()
                try:
                    yield connection
                except BaseException:
                    connection.close()
                    raise
            except (sqlite3.Error, OSError) as error:
                raise self._failure(error) from error
            self._spare.append(connection)

    def _failure(self, error: Exception) -> Exception:
        """The engine's error for one of SQLite's; the next read opens the file anew."""
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
            return ValueError(f"a value that a read cannot take: {error}")
        self._drop_connections()
        return StoreUnavailable("The store cannot be read for the moment")

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("The store was closed")
        return open_for_reading(self._path, self._version)

    def _drop_connections(self) -> None:
        spare, self._spare = self._spare, []
        main, self._main = self._main, None
        for connection in (*spare, *([main] if main else [])):
            connection.close()


@contextmanager
def _moment(connection: sqlite3.Connection) -> Iterator[Execute]:
    """All statements inside see one moment, which also saves each its locking (4 of 7 µs)."""
    execute = connection.cursor().execute
    execute("BEGIN")
    try:
        yield execute
    finally:
        if connection.in_transaction:
            execute("COMMIT")


def _find(execute: Execute, table: Table, keys: Sequence[Key], found: dict[Key, Row]) -> None:
    width = len(table.key)
    parameters = [value for key in keys for value in key]
    for row in execute(table.many_sql(len(keys)), parameters).fetchall():
        found[row[:width]] = row


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """`keys` in as few sizes as possible, so that their statements stay prepared.

    The last chunk is filled up with its last key: looking one up twice costs 2 µs, preparing a
    statement 50 µs.
    """
    largest = _KEY_COUNTS[-1]
    for start in range(0, len(keys), largest):
        chunk = list(keys[start : start + largest])
        size = next(count for count in _KEY_COUNTS if count >= len(chunk))
        yield chunk + chunk[-1:] * (size - len(chunk))


def _read_grouped(connection: sqlite3.Connection, all_lists: list[Lists]) -> list[list[list[Row]]]:
    """The rows of each prefix of each selection; runs in a thread."""
    with _moment(connection) as execute:
        return [lists.read_grouped(execute) for lists in all_lists]
