"""The schema versions of the SQLite file, and the steps from one to the next.

A file carries its version (``PRAGMA user_version``). Each step runs in one transaction together
with the change of the version, so that a step that fails, or a kill in the middle, leaves the
file at the version before it.

Whoever changes a declared collection adds a step here. `schema_differences` says where a file and
the declarations part; the writer refuses to start on such a file, and a test compares the two.
A first index on a collection with a single int key makes another kind of table of it, see
`tables`: that step has to copy the rows into a new one.

Until the first release version 1 simply creates what is declared; from then on its statements
have to be written out here as they were.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rookery.errors import StartupError, StoreTooNew
from rookery.store.engine import Collection
from rookery.store.sqlite.backfills import (
    create_all,
    create_missing,
    list_retweets_and_quotes,
    note_removals,
)
from rookery.store.sqlite.connection import APPLICATION_ID, schema_version
from rookery.store.sqlite.tables import Table, tables


@dataclass(frozen=True)
class Migration:
    """One step: `apply` brings a file of the version before to `version`.

    `apply` gets a connection inside a transaction and must not end that.
    """

    version: int
    description: str
    apply: Callable[[sqlite3.Connection], None]


def migrations(collections: Iterable[Collection]) -> tuple[Migration, ...]:
    """All steps, in order."""
    declared = tuple(collections)
    return (
        Migration(1, "create the collections", lambda connection: create_all(connection, declared)),
        Migration(2, "add the cluster's view", lambda c: create_missing(c, declared)),
        Migration(
            3, "add sources of log-ins and used tickets", lambda c: create_missing(c, declared)
        ),
        Migration(4, "note what deleted tweets left behind", lambda c: note_removals(c, declared)),
        Migration(
            5,
            "list who retweets and quotes what",
            lambda c: list_retweets_and_quotes(c, declared),
        ),
    )


VERSION = migrations(())[-1].version
"""The version that this program reads and writes: that of the last step."""


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> list[int]:
    """Bring the file to the version of the last step; the versions gone through, in order.

    Raises:
        StoreTooNew: the file's version is beyond the last step.
        StartupError: a step failed; the file stands at the version before it.
    """
    found = schema_version(connection)
    last = steps[-1].version
    if found > last:
        raise StoreTooNew(
            f"The store has schema version {found}, and this program knows versions up to {last}. "
            "Start the newer release that wrote it, or restore a backup made before the upgrade."
        )
    due = [step for step in steps if step.version > found]
    for step in due:
        try:
            connection.execute("BEGIN IMMEDIATE")
            step.apply(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step.version}")
            connection.execute("COMMIT")
        except Exception as error:
            kept = step.version - 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StartupError(
                f"Bringing the store to schema version {step.version} ({step.description}) failed: "
                f"{error}. The store is unharmed at version {kept}: mend the cause and start "
                "again, or go back to the release before."
            ) from error
    return [step.version for step in due]


def schema_differences(
    connection: sqlite3.Connection, collections: Iterable[Collection]
) -> list[str]:
    """What the file lacks, or has otherwise, of the declared tables and their indexes.

    The order of columns does not count (added ones come last), nor do tables that no collection
    declares.
    """
    differences = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        for table in tables(collections).values():
            for statement in table.create_sql():
                scratch.execute(statement)
            declared, found = _shape(scratch, table), _shape(connection, table)
            for part in sorted(declared.keys() | found.keys()):
                if declared.get(part) != found.get(part):
                    differences.append(
                        f"{part}: declared {declared.get(part)}, in the file {found.get(part)}"
                    )
    return differences


def _shape(connection: sqlite3.Connection, table: Table) -> dict[str, Any]:
    """What makes up a table, by name: itself, its columns, its indexes with their fields."""

    def rows(sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql, parameters).fetchall()

    name = table.name
    shape: dict[str, Any] = {}
    for (sql,) in rows("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", name):
        is_rowid = not sql.rstrip().upper().endswith("WITHOUT ROWID")
        shape[f"table {name}"] = "rowid" if is_rowid else "without rowid"
    for column, *rest in rows('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', name):
        shape[f"column {name}.{column}"] = tuple(rest)
    for index, *rest in rows(
        'SELECT name, "unique", origin, partial FROM pragma_index_list(?)', name
    ):
        fields = rows('SELECT name, "desc", coll, key FROM pragma_index_xinfo(?)', index)
        stored = rest + [field for field in fields if field[3]]
        shape[f"index {index}"] = tuple(stored)
    return shape
