"""How a declared collection becomes a table: its SQL, and documents to rows and back.

Pure: makes statements and runs none; imports no driver. Each statement is made once and then
found by what distinguishes it, so that SQLite's own cache of prepared statements, which goes by
the text, hits as well.

A collection with a single int key and no indexes is a rowid table; any other is ``WITHOUT
ROWID``, so that rows lie in the order of their key. (With an index of a rowid table SQLite cannot
search by a position among equals, ``(followers, user_id) < (?, ?)``, but filters them all.)
Fields that are not declared travel in the blob `body`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from rookery.store.declared import Declared
from rookery.store.engine import Collection, Document, Row
from rookery.store.sqlite.statements import equal, listed, marks, quoted

BODY = "body"

_TYPES = {int: "INTEGER", str: "TEXT"}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Table(Declared):
    """One collection in SQL."""

    reserved_fields: ClassVar[frozenset[str]] = frozenset({BODY})

    def __init__(self, collection: Collection) -> None:
        super().__init__(collection)
        self.columns = tuple(self.types)
        self._column_types = tuple(self.types.values())
        self.has_body = collection.body
        self.is_rowid = tuple(collection.key.values()) == (int,) and not collection.indexes
        self._all = listed((*self.columns, BODY) if self.has_body else self.columns)
        self._one = f"SELECT {self._all} FROM {quoted(self.name)} WHERE {equal(self.key)}"
        # Bound methods, so that the caches go with the table.
        self.select_sql = lru_cache(maxsize=1024)(self._select_sql)
        self.many_sql = lru_cache(maxsize=64)(self._many_sql)
        self.grouped_sql = lru_cache(maxsize=256)(self._grouped_sql)
        self.expect_sql = lru_cache(maxsize=256)(self._expect_sql)
        self.increment_sql = lru_cache(maxsize=256)(self._increment_sql)
        self.delete_range_sql = lru_cache(maxsize=16)(self._delete_range_sql)
        self.decoder = lru_cache(maxsize=256)(self._decoder)
        self.insert_sql = self._insert_sql()
        self.put_sql = self._put_sql()
        self.delete_sql = f"DELETE FROM {quoted(self.name)} WHERE {equal(self.key)}"

    # Documents and rows

    def row(self, document: Mapping[str, Any]) -> Row:
        """The row of a document, as `insert_sql` and `put_sql` take it.

        Raises:
            ValueError: a field has no place.
            TypeError: a key or column is missing or has another type than declared.
        """
        rest = dict(document)
        row = [rest.pop(name, None) for name in self.columns]
        if tuple(map(type, row)) != self._column_types:  # much faster than one by one
            for name, value in zip(self.columns, row, strict=True):
                self.checked(name, value)
        if self.has_body:
            row.append(_encode(rest) if rest else None)
        elif rest:
            raise ValueError(f"{self.name} has no field {next(iter(rest))!r}")
        return tuple(row)

    def document(self, row: Row) -> Document:
        """The document of a row with all fields."""
        document = dict(zip(self.columns, row, strict=False))
        if self.has_body and row[-1] is not None:
            document.update(_decode(row[-1]))
        return document

    # Reading

    @property
    def get_sql(self) -> str:
        """The document with a key; parameters: the key."""
        return self._one

    def _many_sql(self, count: int) -> str:
        """Documents by `count` keys, in any order; each key's fields are parameters."""
        # A join with a list of values is the fastest form: 20 documents take 35 µs, an IN list
        # 43 µs (it is sorted into a tree first), a statement for each 67 µs.
        wanted = ", ".join(f"v{i}" for i in range(len(self.key)))
        values = ", ".join([f"({marks(len(self.key))})"] * count)
        on = " AND ".join(f"t.{quoted(name)} = w.v{i}" for i, name in enumerate(self.key))
        fields = (*self.columns, BODY) if self.has_body else self.columns
        return (
            f"WITH w({wanted}) AS (VALUES {values}) SELECT {listed(fields, 't.')} "
            f"FROM w CROSS JOIN {quoted(self.name)} AS t ON {on}"
        )

    def _select_sql(
        self,
        fields: tuple[str, ...] | None,
        index: str | None,
        prefix: int,
        after: int,
        before: int,
        reverse: bool,
    ) -> str:
        """Rows in order; `fields` None for all. Parameters: prefix, after, before, limit."""
        order = self.order(index)
        return self._ordered(
            self._all if fields is None else self._projection(fields),
            self._where(order, prefix, after, before),
            order[prefix:],
            reverse,
            index=index,
        )

    def _grouped_sql(
        self,
        fields: tuple[str, ...],
        count: int,
        index: str | None,
        prefix: int,
        after: int,
        before: int,
        reverse: bool,
    ) -> str:
        """Rows of `count` prefixes as one JSON text: for each prefix its number and its rows.

        Named parameters: `p0` and on, prefix by prefix; `a0` and on; `b0` and on; `limit`.
        One step of SQLite yields it all, and gives up Python's lock once instead of at each row:
        a thread that has to win it back 40 times a prefix from a busy event loop takes minutes.
        """
        wanted = ", ".join(["n", *(f"v{i}" for i in range(prefix))])
        values = ", ".join(
            f"({n}, {', '.join(f':p{n * prefix + i}' for i in range(prefix))})"
            for n in range(count)
        )
        order = self.order(index)
        where = self._where(order, prefix, after, before, grouped=True)
        inner = self._ordered(
            self._projection(fields), where, order[prefix:], reverse, index=index, limit=":limit"
        )
        row = f"json_array({listed(fields)})"
        return (
            f"WITH w({wanted}) AS (VALUES {values}) "
            "SELECT '[' || group_concat('[' || n || ',' || "
            f"(SELECT json_group_array({row}) FROM ({inner})) || ']') || ']' FROM w"
        )

    def _decoder(self, fields: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
        """Reads what `grouped_sql` yields."""
        row: Any = tuple[tuple(self.types[name] | None for name in fields)]  # type: ignore[misc]
        return msgspec.json.Decoder(list[tuple[int, list[row]]])

    def _ordered(
        self,
        fields: str,
        where: str,
        order: Sequence[str],
        reverse: bool,
        *,
        index: str | None = None,
        limit: str = "?",
    ) -> str:
        direction = " DESC" if reverse else ""
        by = ", ".join(quoted(name) + direction for name in order)
        by = f" ORDER BY {by}" if by else ""
        # Without statistics SQLite may prefer another index that finds more and then sorts.
        by_index = "NOT INDEXED" if index is None else f"INDEXED BY {self._index_name(index)}"
        return f"SELECT {fields} FROM {quoted(self.name)} {by_index}{where}{by} LIMIT {limit}"

    def _where(
        self, order: Sequence[str], prefix: int, after: int, before: int, grouped: bool = False
    ) -> str:
        self.check_bounds(order, prefix, after, before)
        terms = []
        for i, name in enumerate(order[:prefix]):
            # IS finds None as well, and uses the index as = does.
            operator = "=" if name in self.collection.key else "IS"
            terms.append(f"{quoted(name)} {operator} {f'w.v{i}' if grouped else '?'}")
        for sign, letter, count in ((">", "a", after), ("<", "b", before)):
            if count:
                named = ", ".join(f":{letter}{i}" for i in range(count)) if grouped else None
                bounded = listed(order[prefix : prefix + count])
                terms.append(f"({bounded}) {sign} ({named or marks(count)})")
        return " WHERE " + " AND ".join(terms) if terms else ""

    def _projection(self, fields: Sequence[str]) -> str:
        return listed(self.checked_fields(fields))

    # Writing

    def _insert_sql(self) -> str:
        count = len(self.columns) + self.has_body
        return f"INSERT INTO {quoted(self.name)} ({self._all}) VALUES ({marks(count)})"

    def _put_sql(self) -> str:
        fields = [name for name in self.columns if name not in self.key]
        fields += [BODY] if self.has_body else []
        change = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in fields)
        return self._insert_sql() + self._on_conflict(change)

    def _increment_sql(
        self, fields: tuple[str, ...], most: tuple[str, ...], least: tuple[str, ...], starts: bool
    ) -> str:
        """Adds to columns where those in `most` and `least` are not beyond a value before it.

        Parameters: key then deltas where a missing row `starts` from zeros, which is not compared;
        otherwise deltas then key. Then the values.
        """
        for name in fields:
            if self.collection.columns.get(name) is not int:
                raise ValueError(f"{self.name} has no int column {name!r}")
        compared = [f"coalesce({quoted(f)}, 0) <= ?" for f in most]
        compared += [f"coalesce({quoted(f)}, 0) >= ?" for f in least]
        if not starts:
            change = ", ".join(f"{quoted(f)} = coalesce({quoted(f)}, 0) + ?" for f in fields)
            where = " AND ".join([equal(self.key), *compared])
            return f"UPDATE {quoted(self.name)} SET {change} WHERE {where}"
        zeros = [
            name
            for name, type_ in self.collection.columns.items()
            if type_ is int and name not in fields
        ]
        named = listed((*self.key, *fields, *zeros))
        values = ", ".join(["?"] * (len(self.key) + len(fields)) + ["0"] * len(zeros))
        change = ", ".join(
            f"{quoted(f)} = coalesce({quoted(f)}, 0) + excluded.{quoted(f)}" for f in fields
        )
        insert = f"INSERT INTO {quoted(self.name)} ({named}) VALUES ({values})"
        where = f" WHERE {' AND '.join(compared)}" if compared else ""
        return insert + self._on_conflict(change) + where

    def _delete_range_sql(self, prefix: int) -> str:
        """Deletes the first documents with a prefix; parameters: prefix, number."""
        first = self._ordered(
            listed(self.key), self._where(self.key, prefix, 0, 0), self.key[prefix:], False
        )
        return f"DELETE FROM {quoted(self.name)} WHERE ({listed(self.key)}) IN ({first})"

    def _on_conflict(self, change: str) -> str:
        action = f"UPDATE SET {change}" if change else "NOTHING"
        return f" ON CONFLICT ({listed(self.key)}) DO {action}"

    def _expect_sql(self, fields: tuple[str, ...]) -> str:
        """The columns that an expectation compares, of the document with a key."""
        projection = self._projection(fields) if fields else "1"
        return f"SELECT {projection} FROM {quoted(self.name)} WHERE {equal(self.key)}"

    @property
    def sweep_sql(self) -> str | None:
        """Deletes about so many documents that expired before a time; parameters: time, number."""
        expires = self.collection.expires
        if expires is None:
            return None
        # Up to the time of the n-th: one walk along the index, and none through the key, as a
        # list of keys would need. Documents of the same millisecond go together.
        name = quoted(expires)
        nth = f"SELECT {name} FROM {quoted(self.name)} WHERE {name} < ?1 ORDER BY {name}"
        return (
            f"DELETE FROM {quoted(self.name)} WHERE {name} < ?1 "
            f"AND {name} <= ifnull(({nth} LIMIT 1 OFFSET ?2 - 1), ?1)"
        )

    # Schema

    def create_sql(self) -> list[str]:
        """The statements that create the table and its indexes."""
        fields = [f"{quoted(name)} {_TYPES[type_]}" for name, type_ in self.types.items()]
        if self.is_rowid:
            fields[0] += " PRIMARY KEY"
        else:
            fields[: len(self.key)] = [f"{field} NOT NULL" for field in fields[: len(self.key)]]
        if self.has_body:
            fields.append(f"{BODY} BLOB")
        if not self.is_rowid:
            fields.append(f"PRIMARY KEY ({listed(self.key)})")
        options = "" if self.is_rowid else " WITHOUT ROWID"
        created = [f"CREATE TABLE {quoted(self.name)} ({', '.join(fields)}){options}"]
        created += [self.create_index_sql(index) for index in self.orders]
        if self.collection.expires is not None:
            created.append(
                f"CREATE INDEX {self._index_name('expires')} ON {quoted(self.name)} "
                f"({quoted(self.collection.expires)}) "
                f"WHERE {quoted(self.collection.expires)} IS NOT NULL"
            )
        return created

    def create_index_sql(self, index: str) -> str:
        """The statement that creates one of the declared indexes."""
        return (
            f"CREATE INDEX {self._index_name(index)} ON {quoted(self.name)} "
            f"({listed(self.orders[index])})"
        )

    def _index_name(self, index: str) -> str:
        return quoted(f"{self.name}__{index}")


def tables(collections: Iterable[Collection]) -> dict[str, Table]:
    """Tables by the name of their collection."""
    return {collection.name: Table(collection) for collection in collections}
