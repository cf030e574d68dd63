"""The single writer: groups, outcomes, failures of the disk, opening and closing."""

import asyncio
import contextlib
import errno
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rookery.errors import Overloaded, StartupError, StoreLocked, StoreTooNew, StoreUnavailable
from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Expect,
    Increment,
    Insert,
    Operation,
    Put,
    WriteBatch,
)
from rookery.store.sqlite import SqliteReader, SqliteWriter
from rookery.store.sqlite import writer as writer_module
from rookery.store.sqlite.migrations import Migration

THINGS = Collection("things", key={"id": int}, columns={"n": int})
COUNTS = Collection("counts", key={"name": str}, columns={"n": int}, body=False)
TOKENS = Collection("tokens", key={"id": int}, columns={"until_ms": int}, expires="until_ms")
COLLECTIONS = (THINGS, COUNTS, TOKENS)


def open_writer(path: Path, **how: Any) -> SqliteWriter:
    return SqliteWriter(path, COLLECTIONS, clock_ms=lambda: 0, **how)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "rookery.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[SqliteWriter]:
    """A writer on a new file."""
    opened = open_writer(path)
    yield opened
    await opened.close()


def batch(*operations: Operation) -> WriteBatch:
    return WriteBatch(operations)


def thing(id_: int, **fields: Any) -> Insert:
    return Insert("things", {"id": id_, **fields})


def stored(path: Path, table: str = "things") -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


# Groups and outcomes


async def test_what_arrives_together_shares_a_commit(writer: SqliteWriter) -> None:
    """Fifty callers, one wait for the disk."""
    await asyncio.gather(*(writer.write(batch(thing(n))) for n in range(50)))
    figures = writer.figures()
    assert (figures["commits"], figures["batches"], figures["rows"]) == (1, 50, 50)
    assert figures["mean_group_batches"] == 50
    assert figures["commit_p50_ms"] > 0 and figures["wal_bytes"] > 0


async def test_what_arrives_during_a_commit_makes_the_next_group(writer: SqliteWriter) -> None:
    """A busy writer groups by itself."""

    async def caller(start: int) -> None:
        for n in range(20):
            await writer.write(batch(thing(start + n)))

    await asyncio.gather(*(caller(start * 100) for start in range(10)))
    assert writer.figures()["batches"] == 200
    assert writer.figures()["commits"] <= 40


async def test_groups_have_a_limit(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction does not grow without end, and what is left over follows."""
    monkeypatch.setattr(writer_module, "_GROUP_STEPS", 10)
    await asyncio.gather(*(writer.write(batch(thing(n))) for n in range(25)))
    assert writer.figures()["commits"] == 3
    assert stored(path) == list(range(25))


async def test_write_many_gives_each_batch_its_outcome(writer: SqliteWriter, path: Path) -> None:
    """Conditions, conflicts and faults of the caller stay with their batch."""
    outcomes = await writer.write_many(
        [
            batch(thing(1)),
            batch(thing(2), thing(1), thing(3)),
            batch(thing(4), Expect("things", (9,), True, label="nine")),
            batch(thing("5")),  # type: ignore[arg-type]
            batch(thing(6), thing(2**63)),
            batch(thing(7), Put("counts", {"name": "\ud800"})),
            batch(thing(8)),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None), ConditionFailed, ConditionFailed, TypeError, OverflowError,
        UnicodeEncodeError, type(None),
    ]  # fmt: skip
    assert [str(outcome) for outcome in outcomes[1:3]] == ["things", "nine"]
    assert stored(path) == [1, 8]


async def test_batches_of_a_call_see_those_before_them(writer: SqliteWriter) -> None:
    """They take effect in their order, also within one group."""
    outcomes = await writer.write_many(
        [
            batch(Expect("things", (1,), False), thing(1)),
            batch(Expect("things", (1,), False), thing(1)),
            batch(Expect("things", (1,), True), Increment("things", (1,), {"n": 1})),
        ]
    )
    assert [outcome is None for outcome in outcomes] == [True, False, True]


async def test_a_group_done_over_counts_nothing_twice(writer: SqliteWriter, path: Path) -> None:
    """Where one batch fails half-way, the others take effect once."""
    add = Increment("counts", ("c",), {"n": 1})
    await writer.write(batch(thing(0)))
    await writer.write_many(
        [batch(add), batch(add, thing(0)), batch(add, Increment("things", (0,), {"n": 1}))]
    )
    reader = SqliteReader(path, COLLECTIONS)
    assert await reader.get(COUNTS, ("c",)) == {"name": "c", "n": 2}
    assert await reader.get(THINGS, (0,)) == {"id": 0, "n": 1}
    assert writer.figures()["rows"] == 1 + 1 + 2
    await reader.close()


async def test_write_many_of_nothing_is_nothing(writer: SqliteWriter) -> None:
    """No batches, no commit."""
    assert await writer.write_many([]) == []
    assert writer.figures()["commits"] == 0


async def test_a_full_queue_refuses_and_begins_nothing(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded; whoever is over the limit may try again later."""
    monkeypatch.setattr(writer_module, "QUEUE_LIMIT", 3)
    outcomes = await asyncio.gather(
        *(writer.write(batch(thing(n))) for n in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes[3:]] == [Overloaded, Overloaded]
    await writer.write(batch(thing(9)))
    assert stored(path) == [0, 1, 2, 9]


async def test_a_caller_that_gives_up_stops_nobody(writer: SqliteWriter, path: Path) -> None:
    """Its batch may take effect; those of others do."""
    first = asyncio.ensure_future(writer.write(batch(thing(1))))
    second = asyncio.ensure_future(writer.write(batch(thing(2))))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert 2 in stored(path)


async def test_the_loop_runs_while_a_large_group_is_carried_out(writer: SqliteWriter) -> None:
    """Thousands of batches are cut into slices between which others have their turn."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await asyncio.sleep(0)
    work = asyncio.ensure_future(writer.write_many([batch(thing(n)) for n in range(4000)]))
    while not writer._connection.in_transaction:  # noqa: ASYNC110
        await asyncio.sleep(0)
    turns = 0
    while writer._connection.total_changes < 4000:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert turns >= 5
    await work
    task.cancel()


# Failures of the disk


@contextlib.contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """Within, the system refuses to let any file of this process grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_failing_disk_fails_the_batches_and_nothing_else(
    writer: SqliteWriter, path: Path
) -> None:
    """Each acknowledged batch is there, no other is, and the writer recovers with the disk."""
    outcomes: list[Exception | None] = []
    with files_limited_to(300_000):
        for n in range(0, 40, 2):
            outcomes += await writer.write_many(
                [batch(thing(n, text="x" * 10_000)), batch(thing(n + 1, text="x" * 10_000))]
            )
    failures = [outcome for outcome in outcomes if outcome is not None]
    assert 0 < len(failures) < 40
    assert all(isinstance(failure, StoreUnavailable) for failure in failures)
    assert all(isinstance(failure.__cause__, sqlite3.Error) for failure in failures)
    await writer.write(batch(thing(100)))
    done = [n for n, outcome in enumerate(outcomes) if outcome is None]
    assert stored(path) == [*done, 100]


async def test_a_full_disk_fails_the_batches_and_nothing_else(
    writer: SqliteWriter, path: Path
) -> None:
    """SQLite rolls the transaction back by itself then; the writer copes with that too."""
    pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
    writer._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StoreUnavailable) as refused:
        await writer.write(batch(thing(1), thing(2, text="x" * 50_000)))
    assert "full" in str(refused.value.__cause__)
    assert "full" not in str(refused.value)
    await writer.write(batch(thing(3)))
    assert stored(path) == [3]


async def test_a_log_on_the_full_disk_acknowledges_nothing(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed commit is a failed one, even if telling of it fails too."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer_module, "log", SimpleNamespace(error=full))
    with files_limited_to(1), pytest.raises(StoreUnavailable):
        await writer.write(batch(thing(1)))
    await writer.write(batch(thing(2)))
    assert stored(path) == [2]


async def test_a_fault_inside_does_not_stop_the_writer(
    writer: SqliteWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in a group, its callers hear of it and the next group is served."""

    def fault(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(writer_module, "carry_out", fault)
        with pytest.raises(StoreUnavailable):
            await writer.write(batch(thing(1)))
    await writer.write(batch(thing(2)))
    assert stored(path) == [2]


# Expiry


async def test_sweep_removes_what_expired_and_only_that(writer: SqliteWriter, path: Path) -> None:
    """Before the time given; without a time, never."""
    times = [*range(1000), *[5] * 500, None]
    await writer.write(
        batch(*(Insert("tokens", {"id": n, "until_ms": t}) for n, t in enumerate(times)))
    )
    assert await writer.sweep(900) == 1400
    assert stored(path, "tokens") == [*range(900, 1000), 1500]
    assert await writer.sweep(900) == 0


async def test_sweep_goes_in_small_steps(writer: SqliteWriter) -> None:
    """Writers need not wait until all is swept."""
    await writer.write(batch(*(Insert("tokens", {"id": n, "until_ms": n}) for n in range(1000))))
    await writer.sweep(10_000)
    assert writer.figures()["commits"] >= 1 + 1000 // 200


# Opening and closing


async def test_commits_wait_for_the_disk(writer: SqliteWriter) -> None:
    """The file is synchronised at each commit, and written ahead."""
    execute = writer._connection.execute
    assert execute("PRAGMA synchronous").fetchone() == (2,)
    assert execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_close_commits_what_waits(path: Path) -> None:
    """An orderly end loses nothing, and folds the log into the file."""
    writer = open_writer(path)
    waiting = [asyncio.ensure_future(writer.write(batch(thing(n)))) for n in range(10)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*waiting)
    assert not path.with_name("rookery.db-wal").exists()
    assert stored(path) == list(range(10))


async def test_a_closed_writer_refuses(writer: SqliteWriter) -> None:
    """And may be closed again."""
    await writer.close()
    await writer.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.write(batch(thing(1)))


async def test_close_with_a_reader_open_empties_the_log(path: Path) -> None:
    """Also where a reader keeps the file open."""
    writer, reader = open_writer(path), SqliteReader(path, COLLECTIONS)
    await writer.write(batch(thing(1)))
    assert await reader.get(THINGS, (1,)) is not None
    await writer.close()
    assert path.with_name("rookery.db-wal").stat().st_size == 0
    assert await reader.get(THINGS, (1,)) is not None
    await reader.close()


async def test_two_writers_of_a_folder_are_refused(writer: SqliteWriter, path: Path) -> None:
    """The second one, and it does not disturb the first."""
    with pytest.raises(StoreLocked):
        open_writer(path)
    await writer.write(batch(thing(1)))


async def test_the_folder_is_free_after_close(path: Path) -> None:
    """And what was written is there."""
    first = open_writer(path)
    await first.write(batch(thing(1)))
    await first.close()
    second = open_writer(path)
    await second.write(batch(thing(2)))
    await second.close()
    assert stored(path) == [1, 2]


def test_a_file_that_is_no_database_is_explained(path: Path) -> None:
    """It is left as it is, and the folder is free again."""
    path.write_bytes(b"my shopping list" * 100)
    for _ in range(2):
        with pytest.raises(StartupError, match=r"is not a SQLite database.*Restore a backup"):
            open_writer(path)
    assert path.read_bytes() == b"my shopping list" * 100


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    """Neither tables nor settings of it are changed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(StartupError, match="another program"):
        open_writer(path)
    assert path.read_bytes() == before


async def test_a_newer_file_is_refused(path: Path) -> None:
    """A release that does not know the file's version does not touch it."""
    await open_writer(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreTooNew, match="version 99"):
        open_writer(path)


async def test_declarations_that_the_file_does_not_have_are_refused(path: Path) -> None:
    """A forgotten migration shows at the start, not in a query."""
    await open_writer(path).close()
    added = Collection("added", key={"id": int})
    with pytest.raises(StartupError, match=r"added.*A migration is missing"):
        SqliteWriter(path, (*COLLECTIONS, added), clock_ms=lambda: 0)


async def test_a_failed_migration_leaves_the_folder_free(path: Path) -> None:
    """Nothing is held by a writer that did not come to be."""

    def fail(connection: sqlite3.Connection) -> None:
        raise ValueError("no")

    with pytest.raises(StartupError, match=r"version 1 .broken. failed: no"):
        open_writer(path, steps=[Migration(1, "broken", fail)])
    await open_writer(path).close()


def test_a_full_disk_at_the_first_start_is_explained(path: Path) -> None:
    """The text says what to do."""
    with files_limited_to(8000), pytest.raises(StartupError, match=r"Free some space|mend"):
        open_writer(path)
