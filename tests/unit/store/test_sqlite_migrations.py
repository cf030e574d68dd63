"""Schema versions: step by step, each whole or not at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest

from rookery.errors import StartupError, StoreTooNew
from rookery.models import PostKind
from rookery.store.engine import Collection
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite import backfills
from rookery.store.sqlite.backfills import create_all
from rookery.store.sqlite.connection import APPLICATION_ID, application_id, schema_version
from rookery.store.sqlite.migrations import (
    VERSION,
    Migration,
    migrate,
    migrations,
    schema_differences,
)
from tests.unit.store.former import FORMER_COLLECTIONS, SQLITE_VERSION

THINGS = Collection("things", key={"id": int}, columns={"owner": int})
PAIRS = Collection("pairs", key={"a": int, "b": int}, columns={"owner": int})
INDEXED = replace(PAIRS, indexes={"by_owner": ("owner",)})


def creates(name: str) -> Migration:
    def apply(connection: sqlite3.Connection) -> None:
        connection.execute(f"CREATE TABLE {name} (a)")

    return Migration(int(name[1:]), f"create {name}", apply)


def fails(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half_done (a)")
    connection.execute("CREATE TABLE t1 (a)")


STEPS = (creates("t1"), creates("t2"), creates("t3"))
FAILING = (STEPS[0], Migration(2, "do the impossible", fails), STEPS[2])


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A new, empty database."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def table_names(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_a_new_file_goes_through_all_steps(connection: sqlite3.Connection) -> None:
    """In order, and the file knows its version and whose it is."""
    assert migrate(connection, STEPS) == [1, 2, 3]
    assert table_names(connection) == {"t1", "t2", "t3"}
    assert (schema_version(connection), application_id(connection)) == (3, APPLICATION_ID)


def test_an_older_file_goes_through_the_rest(connection: sqlite3.Connection) -> None:
    """Steps that a file has behind it are not run again."""
    migrate(connection, STEPS[:1])
    assert migrate(connection, STEPS) == [2, 3]


def test_a_file_of_this_version_is_left_alone(connection: sqlite3.Connection) -> None:
    """Nothing to do, nothing done."""
    migrate(connection, STEPS)
    changes = connection.total_changes
    assert migrate(connection, STEPS) == []
    assert connection.total_changes == changes


def test_a_step_that_fails_leaves_the_version_before_it(connection: sqlite3.Connection) -> None:
    """Neither half of the step nor any later step; the error names the step."""
    with pytest.raises(StartupError, match=r"version 2 \(do the impossible\).*t1 already exists"):
        migrate(connection, FAILING)
    assert table_names(connection) == {"t1"}
    assert schema_version(connection) == 1


def test_a_mended_step_goes_on_from_there(connection: sqlite3.Connection) -> None:
    """After a failure the next start continues."""
    with pytest.raises(StartupError):
        migrate(connection, FAILING)
    assert migrate(connection, STEPS) == [2, 3]


def test_a_newer_file_is_refused(connection: sqlite3.Connection) -> None:
    """An older program must not touch what it does not know."""
    migrate(connection, STEPS)
    with pytest.raises(StoreTooNew, match=r"version 3.*up to 2"):
        migrate(connection, STEPS[:2])


def test_versions_count_from_one_to_the_present() -> None:
    """The list has no gap, and readers expect the version of its last step."""
    versions = [step.version for step in migrations(COLLECTIONS)]
    assert versions == list(range(1, VERSION + 1))


def test_the_steps_produce_what_is_declared(connection: sqlite3.Connection) -> None:
    """Whoever changes a declared collection has to add a step."""
    migrate(connection, migrations(COLLECTIONS))
    assert schema_differences(connection, COLLECTIONS) == []


@pytest.mark.parametrize(
    "declared",
    [
        replace(THINGS, indexes={"by_owner": ("owner",)}),
        replace(THINGS, columns={"owner": str}),
        replace(THINGS, columns={"owner": int, "added": int}),
        replace(THINGS, columns={}),
        replace(THINGS, key={"id": str}),
        replace(THINGS, key={"id": int, "owner": int}, columns={}),
        replace(THINGS, body=False),
        replace(THINGS, expires="owner"),
        replace(THINGS, name="others"),
    ],
)
def test_a_declaration_without_its_step_is_noticed(
    connection: sqlite3.Connection, declared: Collection
) -> None:
    """Any change of key, columns, indexes, body or expiry is a difference."""
    create_all(connection, [THINGS])
    assert schema_differences(connection, [THINGS]) == []
    assert schema_differences(connection, [declared]) != []


def test_an_index_of_other_fields_is_noticed(connection: sqlite3.Connection) -> None:
    """The name of an index is not enough."""
    create_all(connection, [INDEXED])
    other = replace(INDEXED, indexes={"by_owner": ("b", "owner")})
    assert schema_differences(connection, [other]) != []


def test_a_step_that_adds_a_column_and_an_index_satisfies(connection: sqlite3.Connection) -> None:
    """A migrated file need not have its columns in the order of a new one."""
    create_all(connection, [replace(PAIRS, columns={})])
    connection.execute("ALTER TABLE pairs ADD COLUMN owner INTEGER")
    assert schema_differences(connection, [PAIRS]) == []
    assert schema_differences(connection, [INDEXED]) != []
    connection.execute("CREATE INDEX pairs__by_owner ON pairs (owner, a, b)")
    assert schema_differences(connection, [INDEXED]) == []


def test_a_store_of_the_second_version_gets_what_is_new(connection: sqlite3.Connection) -> None:
    """Sources of log-ins and used tickets; everything else stays as it is."""
    new = {"login_sources", "used_tickets"}
    former = [each for each in FORMER_COLLECTIONS if each.name not in new]
    assert migrate(connection, migrations(former)[:2]) == [1, 2]
    assert schema_differences(connection, COLLECTIONS)
    assert migrate(connection, migrations(COLLECTIONS)) == list(range(3, VERSION + 1))
    assert schema_differences(connection, COLLECTIONS) == []


def test_what_deleted_tweets_left_behind_is_noted(connection: sqlite3.Connection) -> None:
    """A file of version 2 gets its retweets listed, and a removal for each orphaned reference."""
    steps = migrations(COLLECTIONS)
    migrate(connection, migrations(FORMER_COLLECTIONS)[:2])
    for name in ("retweets", "tombstones", "removals"):
        connection.execute(f"DROP TABLE {name}")

    def tweet(tweet_id: int, kind: int, retweet_of: int | None = None) -> None:
        body = msgspec.msgpack.encode({"text": "x", "retweet_of_id": retweet_of})
        connection.execute("INSERT INTO tweets VALUES (?, 1, 1, ?)", (tweet_id, body))
        connection.execute("INSERT INTO posts VALUES (1, ?, ?)", (tweet_id, kind))
        connection.execute("INSERT INTO conversations VALUES (?, ?)", (tweet_id, tweet_id))

    tweet(10, 0)
    tweet(11, PostKind.RETWEET, 10)
    tweet(12, PostKind.RETWEET, 5)
    for tweet_id, user_id in ((10, 1), (7, 1), (7, 2), (8, 1)):
        connection.execute("INSERT INTO favouriters VALUES (?, ?, 1)", (tweet_id, user_id))
    assert migrate(connection, steps) == list(range(3, VERSION + 1))
    assert schema_differences(connection, COLLECTIONS) == []
    assert connection.execute("SELECT * FROM retweets").fetchall() == [(5, 12, 1), (10, 11, 1)]
    removals = connection.execute("SELECT tweet_id FROM removals ORDER BY 1").fetchall()
    assert removals == [(5,), (7,), (8,)]
    assert connection.execute("SELECT tweet_id FROM conversations").fetchall() == [(10,)]


def test_a_store_of_the_former_version_gets_what_is_new(connection: sqlite3.Connection) -> None:
    """Collections and columns, in tables that have rows; the counts that were stay."""
    former = migrations(FORMER_COLLECTIONS)[:SQLITE_VERSION]
    assert migrate(connection, former)[-1] == SQLITE_VERSION
    connection.execute("INSERT INTO user_counts VALUES (1, 2, 3, 4, 5)")
    connection.execute("INSERT INTO tweet_counts VALUES (1, 2, 3, 4, 5)")
    assert schema_differences(connection, COLLECTIONS)
    added = migrate(connection, migrations(COLLECTIONS))
    assert added == list(range(SQLITE_VERSION + 1, VERSION + 1))
    assert schema_differences(connection, COLLECTIONS) == []
    for table in ("user_counts", "tweet_counts"):
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == [(1, 2, 3, 4, 5, 0)]


def test_quotes_are_listed_however_many(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read some at a time, while others are written."""
    monkeypatch.setattr(backfills, "AT_ONCE", 7)
    migrate(connection, migrations(FORMER_COLLECTIONS)[:SQLITE_VERSION])
    for tweet_id in range(100):
        kind = PostKind.QUOTE if tweet_id % 2 else 0
        body = msgspec.msgpack.encode({"quote_of_id": tweet_id - 1 if kind else None})
        connection.execute("INSERT INTO tweets VALUES (?, 3, 1, ?)", (tweet_id, body))
        connection.execute("INSERT INTO posts VALUES (3, ?, ?)", (tweet_id, kind))
    migrate(connection, migrations(COLLECTIONS))
    listed = connection.execute("SELECT * FROM quotes ORDER BY tweet_id").fetchall()
    assert listed == [(each - 1, each, 3, 1) for each in range(1, 100, 2)]
