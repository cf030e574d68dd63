"""How the lists of one selection are read from a connection, in either of two ways."""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeAlias

from rookery.store.engine import Row, Selection, checked_limit
from rookery.store.sqlite.tables import Table

SMALL_ROWS = 1000
"""A read of at most so many rows holds the event loop for its whole length (about 1 ms)."""

Execute: TypeAlias = Callable[..., sqlite3.Cursor]
_PREFIX_COUNTS = (128, 64, 32, 16, 8, 4, 2, 1)


class Lists:
    """A selection, ready to be read: at once where it `is_small`, otherwise grouped.

    What a selection says wrongly is a `ValueError`, here or when it is read.
    """

    def __init__(self, table: Table, selection: Selection) -> None:
        self._table = table
        self._selection = selection
        prefixes = selection.prefixes
        width = len(prefixes[0])
        if len(prefixes) > 1 and any(len(prefix) != width for prefix in prefixes):
            raise ValueError("the prefixes differ in length")
        rows = len(prefixes) * checked_limit(selection.limit)
        self.is_small = rows <= SMALL_ROWS or not width

    def read(self, execute: Execute) -> list[list[Row]]:
        """The rows of each prefix, by a statement for each."""
        selection = self._selection
        after, before = selection.after or (), selection.before or ()
        bounds = (*after, *before, selection.limit)
        sql = self._table.select_sql(
            selection.fields,
            selection.index,
            len(selection.prefixes[0]),
            len(after),
            len(before),
            selection.reverse,
        )
        return [execute(sql, (*prefix, *bounds)).fetchall() for prefix in selection.prefixes]

    def read_grouped(self, execute: Execute) -> list[list[Row]]:
        """The rows of each prefix, in few steps."""
        table, selection, prefixes = self._table, self._selection, self._selection.prefixes
        after, before = selection.after or (), selection.before or ()
        decode = table.decoder(selection.fields).decode
        named: dict[str, Any] = {f"a{i}": value for i, value in enumerate(after)}
        named |= {f"b{i}": value for i, value in enumerate(before)}
        named["limit"] = selection.limit
        result: list[list[Row]] = []
        start = 0
        while start < len(prefixes):
            size = next(count for count in _PREFIX_COUNTS if count <= len(prefixes) - start)
            sql = table.grouped_sql(
                selection.fields,
                size,
                selection.index,
                len(prefixes[0]),
                len(after),
                len(before),
                selection.reverse,
            )
            values = [value for prefix in prefixes[start : start + size] for value in prefix]
            parameters = {f"p{i}": value for i, value in enumerate(values)} | named
            rows = decode(execute(sql, parameters).fetchone()[0])
            rows.sort()
            result += [group for _, group in rows]
            start += size
        return result
