"""SQL from declarations: each order is served by its index, and unsound declarations fail."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from rookery.store.engine import Collection
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite.backfills import create_all
from rookery.store.sqlite.tables import Table

MIXED = Collection(
    "mixed",
    key={"a": str, "b": int},
    columns={"x": int, "y": str, "until_ms": int},
    indexes={"by_x": ("x",), "by_xy": ("a", "x", "y"), "by_b": ("b", "a")},
    expires="until_ms",
)
DECLARED = (*COLLECTIONS, MIXED)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    """An empty database with all tables."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        create_all(opened, DECLARED)
        yield opened


def query_plan(connection: sqlite3.Connection, sql: str) -> list[str]:
    # Each parameter stands for a value that the plan does not depend on.
    count = sql.count("?") if "?1" not in sql else 2
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [1] * count)]


@pytest.mark.parametrize("collection", DECLARED, ids=lambda collection: collection.name)
def test_every_range_walks_its_index(
    connection: sqlite3.Connection, collection: Collection
) -> None:
    """Whatever prefix and bounds: one search, on every field given, and no sorting."""
    table = Table(collection)
    for index in (None, *collection.indexes):
        order = table.order(index)
        for prefix in range(len(order)):
            counts = range(len(order) - prefix + 1)
            for after, before, reverse in itertools.product(counts, counts, (False, True)):
                sql = table.select_sql(None, index, prefix, after, before, reverse)
                (step,) = query_plan(connection, sql)
                assert "TEMP" not in step, sql
                assert step.startswith("SEARCH") == bool(prefix + after + before), sql
                assert step.count("?") == prefix + after + before, (sql, step)
                if index is not None:
                    assert f" {collection.name}__{index}" in step, sql


def test_many_prefixes_are_each_a_search(connection: sqlite3.Connection) -> None:
    """The statement for many prefixes searches the table by prefix and bound."""
    sql = Table(MIXED).grouped_sql(("b", "x"), 3, None, 1, 1, 0, True)
    named = {"p0": "a", "p1": "b", "p2": "c", "a0": 1, "limit": 5}
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", named)]
    assert "SEARCH mixed USING PRIMARY KEY (a=? AND b>?)" in steps
    assert not [step for step in steps if "TEMP" in step or step == "SCAN mixed"]


def test_many_prefixes_of_an_index_are_each_a_search(connection: sqlite3.Connection) -> None:
    """So is that of an index."""
    index = next(iter(MIXED.indexes))
    width = len(MIXED.indexes[index])
    sql = Table(MIXED).grouped_sql(("b",), 2, index, width, 1, 0, True)
    named = {f"p{i}": "a" for i in range(2 * width)} | {"a0": "b", "limit": 5}
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", named)]
    assert any(f"SEARCH mixed USING COVERING INDEX mixed__{index} (" in step for step in steps)
    assert not [step for step in steps if "TEMP" in step or step == "SCAN mixed"]


def test_a_range_is_deleted_by_searches(connection: sqlite3.Connection) -> None:
    """Neither the table nor more of the prefix than is deleted is walked through."""
    delete, *rest = query_plan(connection, Table(MIXED).delete_range_sql(1))
    assert delete == "SEARCH mixed USING PRIMARY KEY (a=? AND b=?)"
    assert "SEARCH mixed USING PRIMARY KEY (a=?)" in rest
    assert not [step for step in rest if "TEMP" in step]


def test_many_keys_are_each_a_search(connection: sqlite3.Connection) -> None:
    """The statement for many keys searches by the whole key."""
    steps = query_plan(connection, Table(MIXED).many_sql(3))
    assert "SEARCH t USING PRIMARY KEY (a=? AND b=?)" in steps


def test_the_sweep_searches_by_time(connection: sqlite3.Connection) -> None:
    """Expired documents are found by their index, however many others there are."""
    sql = Table(MIXED).sweep_sql
    assert sql is not None
    steps = query_plan(connection, sql)
    searches = [step for step in steps if "SUBQUERY" not in step]
    assert len(searches) == 2
    assert all(
        step.startswith("SEARCH mixed USING") and "mixed__expires" in step for step in searches
    )


def test_statements_are_made_once() -> None:
    """The same text each time, so that SQLite finds it prepared."""
    table = Table(MIXED)
    shape = (("a",), "by_x", 1, 0, 2, True)
    assert table.select_sql(*shape) is table.select_sql(*shape)


def test_a_column_may_not_have_the_name_of_the_body() -> None:
    """The table has a column of that name already."""
    with pytest.raises(ValueError, match="body"):
        Table(Collection("c", key={"id": int}, columns={"body": str}))


def test_a_bound_longer_than_the_order_is_refused() -> None:
    """Prefix and bound together may not have more fields than the order."""
    with pytest.raises(ValueError, match="too many"):
        Table(MIXED).select_sql(None, None, 1, 2, 0, False)


def test_an_unknown_index_is_refused() -> None:
    """The name of the index is in the error."""
    with pytest.raises(ValueError, match="by_z"):
        Table(MIXED).select_sql(None, "by_z", 0, 0, 0, False)
