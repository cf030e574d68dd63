"""Write batches as prepared statements, and how one is carried out inside a transaction.

Synchronous, and knows nothing of who asks or when it is committed. Making a plan checks all that
can be checked without the store, so that a faulty batch never reaches the writer.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

from rookery.store.engine import (
    ConditionFailed,
    Delete,
    DeleteRange,
    Expect,
    Increment,
    Insert,
    Operation,
    Put,
    Row,
    WriteBatch,
    check_increment,
    check_limit,
    is_within_bounds,
)
from rookery.store.sqlite.tables import Table


@dataclass(frozen=True, slots=True)
class Check:
    """One `Expect`: the row that `sql` must find, or None where it must find nothing."""

    sql: str
    parameters: Row
    expected: Row | None
    label: str


Step: TypeAlias = tuple[str, Row, str | None]
"""SQL, parameters, and the label of `ConditionFailed` if it changes no row (None: it may)."""


@dataclass(slots=True)
class Plan:
    """One batch, ready to be carried out.

    `rows` counts the rows it changed, and `error` is its outcome; both hold once its transaction
    is committed.
    """

    checks: list[Check] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rows: int = 0
    error: Exception | None = None


class NeedsSavepoints(Exception):
    """A batch failed after it had changed something, and there is no savepoint to go back to."""


def plan(tables: Mapping[str, Table], batch: WriteBatch) -> Plan:
    """The statements of `batch`.

    Raises:
        ValueError, TypeError: an operation that its collection's declaration does not allow.
    """
    made = Plan()
    for operation in batch.operations:
        table = tables.get(operation.collection)
        if table is None:
            raise ValueError(f"unknown collection {operation.collection!r}")
        if isinstance(operation, Expect):
            made.checks.append(_check(table, operation))
        else:
            made.steps.append(_step(table, operation))
    return made


def _check(table: Table, expect: Expect) -> Check:
    fields = tuple(expect.columns)
    values = tuple(table.checked(name, value) for name, value in expect.columns.items())
    key = tuple(table.checked_key(expect.key))
    return Check(
        table.expect_sql(fields),
        key,
        (values or (1,)) if expect.present else None,
        expect.label,
    )


def _step(table: Table, operation: Operation) -> Step:
    if isinstance(operation, Insert):
        return table.insert_sql, table.row(operation.document), table.name
    if isinstance(operation, Put):
        return table.put_sql, table.row(operation.document), None
    if isinstance(operation, Delete):
        return table.delete_sql, tuple(table.checked_key(operation.key)), None
    if isinstance(operation, DeleteRange):
        check_limit(operation)
        prefix = tuple(table.checked_prefix(operation.prefix))
        return table.delete_range_sql(len(prefix)), (*prefix, operation.limit), None
    assert isinstance(operation, Increment)
    return _increment(table, operation)


def _increment(table: Table, operation: Increment) -> Step:
    key = tuple(table.checked_key(operation.key))
    deltas = tuple(operation.deltas.values())
    check_increment(operation)
    for name, delta in operation.deltas.items():
        table.checked(name, delta)
    # Compared is what a column holds before: its sum might not fit.
    bounds = [
        min(max(bound - operation.deltas[name], -(2**63)), 2**63 - 1)
        for name, bound in chain(operation.most.items(), operation.least.items())
    ]
    starts = not table.has_body and is_within_bounds(operation, {})
    sql = table.increment_sql(
        tuple(operation.deltas), tuple(operation.most), tuple(operation.least), starts
    )
    parameters = (*key, *deltas) if starts else (*deltas, *key)
    label = operation.label or table.name
    return sql, (*parameters, *bounds), None if starts and not bounds else label


def carry_out(connection: sqlite3.Connection, made: Plan, *, savepoint: bool) -> None:
    """Carry out a plan within the transaction under way, and note its outcome in it.

    A plan that fails leaves no trace.

    Raises:
        NeedsSavepoints: it would, and `savepoint` is False; roll the transaction back.
        sqlite3.OperationalError, sqlite3.DatabaseError: the store failed, not the batch.
    """
    execute = connection.execute
    made.rows, made.error = 0, None
    for check in made.checks:
        if execute(check.sql, check.parameters).fetchone() != check.expected:
            made.error = ConditionFailed(check.label)
            return
    # A statement that fails undoes itself: only more than one need something to go back to.
    savepoint = savepoint and len(made.steps) > 1
    if savepoint:
        execute("SAVEPOINT batch")
    made.error = _run(execute, made)
    if made.error is not None and made.rows:
        if not savepoint:
            raise NeedsSavepoints
        execute("ROLLBACK TO batch")
        made.rows = 0
    if savepoint:
        execute("RELEASE batch")


def _run(execute: Any, made: Plan) -> Exception | None:
    label: str | None = None
    try:
        for sql, parameters, label in made.steps:
            changed = execute(sql, parameters).rowcount
            if changed > 0:
                made.rows += changed
            elif label is not None:
                return ConditionFailed(label)
    except sqlite3.IntegrityError:
        return ConditionFailed(label or "")
    except (sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        return ValueError(f"a value that the store cannot hold: {error}")
    except (ValueError, OverflowError) as error:
        return error
    return None
