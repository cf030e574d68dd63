"""Readers: when the file is not ready, and large reads."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rookery.errors import StoreUnavailable
from rookery.store.engine import Collection, Insert, Key, Selection, WriteBatch
from rookery.store.sqlite import SqliteReader, SqliteStore
from rookery.store.sqlite import reader as reader_module
from rookery.store.sqlite.migrations import VERSION

POSTS = Collection(
    "posts", key={"author": int, "id": int}, columns={"kind": int, "note": str}, body=False
)
COLLECTIONS = (POSTS,)
AUTHORS = 300
EACH = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "a folder?" / "rookery.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """A store with some posts of each author."""
    opened = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)
    posts = (
        Insert("posts", {"author": author, "id": n, "kind": n % 3, "note": f"{author}:{n}"})
        for author in range(AUTHORS)
        for n in range(EACH)
    )
    await opened.writer.write(WriteBatch(tuple(posts)))
    yield opened
    await opened.close()


def everything(author: int) -> list[tuple[int, str]]:
    return [(n, f"{author}:{n}") for n in range(EACH)]


def insert_elsewhere(path: Path) -> None:
    """Write one more post, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT OR IGNORE INTO posts (author, id) VALUES (?, 99)", (AUTHORS,))


async def test_a_reader_waits_for_nobody_and_recovers(path: Path) -> None:
    """Before the writer made the file a read fails with what to do; afterwards it works."""
    reader = SqliteReader(path, COLLECTIONS)
    with pytest.raises(StoreUnavailable, match="writer creates it"):
        await reader.get(POSTS, (1, 1))
    store = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)
    assert await reader.get(POSTS, (1, 1)) is None
    await reader.close()
    await store.close()


async def test_reading_never_creates_the_file(path: Path) -> None:
    """A wrong folder stays as it was."""
    reader = SqliteReader(path, COLLECTIONS)
    with pytest.raises(StoreUnavailable):
        await reader.select_many(POSTS, ("id",), [(n,) for n in range(100)], limit=100)
    await reader.close()
    assert not path.parent.exists()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
async def test_a_file_of_another_version_is_not_read(store: SqliteStore, version: int) -> None:
    """Neither one that is still being brought up to date, nor a newer one."""
    reader = SqliteReader(store.writer._path, COLLECTIONS, version=version)
    with pytest.raises(StoreUnavailable, match=f"version {VERSION} .* reads version {version}"):
        await reader.get(POSTS, (1, 1))
    await reader.close()


async def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    """The cause is kept for the operator."""
    other = path.parents[1] / "other.db"
    other.write_bytes(b"nothing of the kind" * 100)
    reader = SqliteReader(other, COLLECTIONS)
    with pytest.raises(StoreUnavailable) as failed:
        await reader.get(POSTS, (1, 1))
    assert isinstance(failed.value.__cause__, sqlite3.DatabaseError)
    await reader.close()


async def test_a_reader_cannot_write(store: SqliteStore) -> None:
    """Its connection would refuse."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.reader._connection().execute("DELETE FROM posts")


async def test_a_closed_reader_refuses(store: SqliteStore) -> None:
    """As a store that is not there."""
    await store.reader.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.reader.get(POSTS, (1, 1))


async def test_the_file_works_without_its_log(store: SqliteStore, path: Path) -> None:
    """A reader can open a file whose writer ended in order and removed the log."""
    await store.close()
    reader = SqliteReader(path, COLLECTIONS)
    assert await reader.get(POSTS, (1, 1)) is not None
    await reader.close()


async def test_many_large_reads_at_a_time_are_all_answered(store: SqliteStore) -> None:
    """They share few connections and do not mix."""
    prefixes: list[list[Key]] = [[(a,) for a in range(n, AUTHORS)] for n in range(12)]
    found = await asyncio.gather(
        *(store.reader.select_many(POSTS, ("id", "note"), p, limit=40) for p in prefixes)
    )
    assert found == [[everything(a) for a in range(n, AUTHORS)] for n in range(12)]


async def test_the_loop_runs_during_a_large_read(store: SqliteStore) -> None:
    """Thousands of rows do not hold up the others."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    rows = await store.reader.range(POSTS, limit=100_000)
    assert len(rows) == AUTHORS * EACH
    assert turns >= 5
    turns = 0
    await store.reader.select_many(POSTS, ("id",), [(a,) for a in range(AUTHORS)], limit=40)
    assert turns >= 1
    task.cancel()


async def test_a_large_read_is_of_one_moment(store: SqliteStore) -> None:
    """A write that comes in between does not show in part of the result."""
    reading = asyncio.ensure_future(store.reader.range(POSTS, limit=100_000))
    await asyncio.sleep(0)
    late = Insert("posts", {"author": AUTHORS + 1, "id": 1})
    await store.writer.write(WriteBatch((late,)))
    assert len(await reading) == AUTHORS * EACH
    assert len(await store.reader.range(POSTS, limit=100_000)) == AUTHORS * EACH + 1


@pytest.mark.parametrize("count", [120, 2000])
async def test_documents_by_many_keys_are_of_one_moment(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A write between two statements of one call does not show in the later ones."""
    find = reader_module._find

    def find_then_write(*arguments: Any) -> None:
        find(*arguments)
        insert_elsewhere(path)

    monkeypatch.setattr(reader_module, "_find", find_then_write)
    keys: list[Key] = [(AUTHORS, n) for n in range(count)]
    assert await store.reader.get_many(POSTS, keys) == [None] * count
    assert await store.reader.get(POSTS, (AUTHORS, 99)) is not None


async def test_rows_of_many_prefixes_are_of_one_moment(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they take several statements in a thread."""
    table = store.reader._tables["posts"]
    grouped_sql, statements = table.grouped_sql, 0

    def write_then_sql(*arguments: Any) -> str:
        nonlocal statements
        statements += 1
        if statements == 2:
            insert_elsewhere(path)
        return grouped_sql(*arguments)

    monkeypatch.setattr(table, "grouped_sql", write_then_sql)
    prefixes: list[Key] = [(author,) for author in range(AUTHORS + 1)]
    found = await store.reader.select_many(POSTS, ("id",), prefixes, limit=40)
    assert found[-1] == []
    assert statements >= 2
    assert await store.reader.get(POSTS, (AUTHORS, 99)) is not None


@pytest.mark.parametrize("rounds", [1, 3])
async def test_a_cancelled_large_read_leaves_the_reader_usable(
    store: SqliteStore, rounds: int
) -> None:
    """Its thread lets go, and the next large read finds a connection."""
    prefixes: list[Key] = [(n % AUTHORS,) for n in range(AUTHORS * 20)]
    for _ in range(rounds):
        reading = asyncio.ensure_future(
            store.reader.select_many(POSTS, ("id",), prefixes, limit=40)
        )
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    found = await store.reader.select_many(POSTS, ("id", "note"), prefixes[:100], limit=40)
    assert found == [everything(a) for a in range(100)]


async def test_a_negative_limit_is_refused(store: SqliteStore) -> None:
    """SQLite would take it for no limit at all."""
    with pytest.raises(ValueError, match="negative"):
        await store.reader.range(POSTS, limit=-1)


async def test_prefixes_of_different_length_are_refused(store: SqliteStore) -> None:
    """All prefixes of a call have the same fields."""
    with pytest.raises(ValueError, match="differ"):
        await store.reader.select_many(POSTS, ("id",), [(1,), (1, 2)], limit=1)


async def test_an_unknown_collection_is_refused(store: SqliteStore) -> None:
    """By its name."""
    with pytest.raises(ValueError, match="elsewhere"):
        await store.reader.get(Collection("elsewhere", key={"id": int}), (1,))


async def test_several_small_reads_make_way_for_others(store: SqliteStore) -> None:
    """Once they have brought many rows the event loop goes on, and then the rest is read."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    each = Selection(POSTS, ("id", "note"), [(author,) for author in range(80)], EACH)
    found = await store.reader.select_several([each] * 3)
    assert found == [[everything(author) for author in range(80)]] * 3
    assert turns == 1
    task.cancel()


async def test_a_failed_file_is_opened_anew(store: SqliteStore, path: Path) -> None:
    """After an error of SQLite the next read starts from a fresh connection."""
    await store.reader.get(POSTS, (1, 1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE posts RENAME TO gone")
        with pytest.raises(StoreUnavailable):
            await store.reader.get(POSTS, (1, 1))
        assert store.reader._main is None
        other.execute("ALTER TABLE gone RENAME TO posts")
    assert await store.reader.get(POSTS, (1, 1)) is not None
