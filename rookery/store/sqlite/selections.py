"""How the lists of one selection are read from a connection, in either of two ways."""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeAlias

from rookery.store.engine import Row, Selection, checked_limit
from rookery.store.sqlite.tables import Table

SMALL_ROWS = 1000
"""A read of at most so many rows holds the event loop for its whole length (about 1 ms)."""

Execute: TypeAlias = Callable[..., sqlite3.Cursor]
_Shape: TypeAlias = tuple[str | None, int, int, int, bool]
"""Index, fields of the prefix, of `after` and of `before`, and whether in reverse."""
_PREFIX_COUNTS = (128, 64, 32, 16, 8, 4, 2, 1)


class Lists:
    """A selection, ready to be read: at once where it `is_small`, otherwise grouped.

    What a selection says wrongly is a `ValueError`, here or when it is read.
    """

    def __init__(self, table: Table, selection: Selection) -> None:
        self._table = table
        self._fields = selection.fields
        self._prefixes = prefixes = selection.prefixes
        self._after, self._before = selection.after or (), selection.before or ()
        self._limit = limit = checked_limit(selection.limit)
        width = len(prefixes[0])
        if any(len(prefix) != width for prefix in prefixes):
            raise ValueError("the prefixes differ in length")
        widths = (width, len(self._after), len(self._before))
        self._shape: _Shape = (selection.index, *widths, selection.reverse)
        self.is_small = len(prefixes) * limit <= SMALL_ROWS or not width

    def read(self, execute: Execute) -> list[list[Row]]:
        """The rows of each prefix, by a statement for each."""
        sql = self._table.select_sql(self._fields, *self._shape)
        bounds = (*self._after, *self._before, self._limit)
        return [execute(sql, (*prefix, *bounds)).fetchall() for prefix in self._prefixes]

    def read_grouped(self, execute: Execute) -> list[list[Row]]:
        """The rows of each prefix, in few steps."""
        table, prefixes = self._table, self._prefixes
        decode = table.decoder(self._fields).decode
        named: dict[str, Any] = {f"a{i}": value for i, value in enumerate(self._after)}
        named |= {f"b{i}": value for i, value in enumerate(self._before)}
        named["limit"] = self._limit
        result: list[list[Row]] = []
        start = 0
        while start < len(prefixes):
            size = next(count for count in _PREFIX_COUNTS if count <= len(prefixes) - start)
            sql = table.grouped_sql(self._fields, size, *self._shape)
            values = [value for prefix in prefixes[start : start + size] for value in prefix]
            parameters = {f"p{i}": value for i, value in enumerate(values)} | named
            rows = decode(execute(sql, parameters).fetchone()[0])
            rows.sort()
            result += [group for _, group in rows]
            start += size
        return result
