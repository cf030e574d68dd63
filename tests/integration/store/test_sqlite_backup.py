"""Copies of the embedded store."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rookery.errors import Conflict, StartupError
from rookery.store.sqlite import backup
from rookery.store.sqlite.backup import back_up
from rookery.store.sqlite.connection import APPLICATION_ID, open_for_writing
from rookery.store.sqlite.migrations import VERSION

ROWS = 3_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some megabytes, of which each test has a copy."""
    path = tmp_path_factory.mktemp("made") / "rookery.sqlite"
    with closing(open_for_writing(path)) as store:
        store.execute(f"PRAGMA application_id={APPLICATION_ID}")
        store.execute(f"PRAGMA user_version={VERSION}")
        store.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)")
        store.execute("BEGIN")
        store.executemany("INSERT INTO t (x) VALUES (?)", [(bytes(2_000),)] * ROWS)
        store.execute("COMMIT")
    assert list(path.parent.iterdir()) == [path]
    return path


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """A store that no process has open."""
    path = tmp_path / "data" / made.name
    path.parent.mkdir()
    shutil.copy(made, path)
    return path


@pytest.fixture
def running(source: Path) -> Iterator[sqlite3.Connection]:
    """The writer of a server that runs on the store."""
    with closing(open_for_writing(source)) as store:
        store.execute("INSERT INTO t (x) VALUES ('in the log')")
        yield store


def quiet(done: int, pages: int) -> None:
    """Report nothing."""


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(copy.execute("SELECT count(*) FROM t").fetchone()[0])


def test_copies_a_store_that_nobody_uses(source: Path, tmp_path: Path) -> None:
    """Whole, in a folder that is made, for nobody else to read, and nothing beside it."""
    target = tmp_path / "new" / "deep" / "copy.sqlite"
    made = back_up(source, target, quiet)
    assert rows(target) == ROWS
    assert (made.path, made.size_bytes) == (target, target.stat().st_size)
    assert target.stat().st_mode & 0o777 == 0o600
    assert {each.stat().st_mode & 0o777 for each in (target.parent, target.parent.parent)} == {
        0o700
    }
    assert list(target.parent.iterdir()) == [target]


def test_copies_what_a_running_server_has_committed(
    running: sqlite3.Connection, source: Path, tmp_path: Path
) -> None:
    """What is only in the write-ahead log yet is in it."""
    back_up(source, tmp_path / "copy.sqlite", quiet)
    assert rows(tmp_path / "copy.sqlite") == ROWS + 1


def test_what_is_written_meanwhile_does_not_begin_it_anew(
    running: sqlite3.Connection, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit between any two steps: the copy is of the moment when it began, and ends."""
    monkeypatch.setattr(backup, "STEP_PAGES", 64)
    steps: list[int] = []

    def write(done: int, pages: int) -> None:
        steps.append(done)
        running.execute("INSERT INTO t (x) VALUES ('later')")

    back_up(source, tmp_path / "copy.sqlite", write)
    assert rows(tmp_path / "copy.sqlite") == ROWS + 1
    assert len(steps) > 10 and steps == sorted(steps)


def test_an_existing_file_is_kept(source: Path, tmp_path: Path) -> None:
    """Unless it is to be replaced, which happens at once and at the end."""
    target = tmp_path / "copy.sqlite"
    target.write_bytes(b"earlier")
    with pytest.raises(Conflict, match="exists already"):
        back_up(source, target, quiet)
    assert target.read_bytes() == b"earlier"
    back_up(source, target, quiet, overwrite=True)
    assert rows(target) == ROWS


def test_a_file_that_appears_meanwhile_is_kept(source: Path, tmp_path: Path) -> None:
    """Nobody else's copy is replaced either."""
    target = tmp_path / "copy.sqlite"

    def write(done: int, pages: int) -> None:
        target.write_bytes(b"other")

    with pytest.raises(Conflict, match="exists already"):
        back_up(source, target, write)
    assert target.read_bytes() == b"other"


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_store_itself_is_no_target(
    running: sqlite3.Connection, source: Path, overwrite: bool
) -> None:
    """Nor is another server's store."""
    with pytest.raises(Conflict, match="the store itself"):
        back_up(source, source, quiet, overwrite=overwrite)
    other = source.with_name("other.sqlite")
    back_up(source, other, quiet)
    with closing(open_for_writing(other)) as store:
        store.execute("INSERT INTO t (x) VALUES (1)")
        with pytest.raises(Conflict, match="in use"):
            back_up(source, other, quiet, overwrite=overwrite)


def test_one_that_is_given_up_leaves_nothing(source: Path, tmp_path: Path) -> None:
    """Neither half a copy, nor files of its making."""

    def interrupt(done: int, pages: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "copies").mkdir()
    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "copies" / "copy.sqlite", interrupt)
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_damaged_store_makes_no_copy(source: Path, tmp_path: Path) -> None:
    """The copy is checked before it takes its name."""
    with source.open("r+b") as file:
        file.seek(40_960)
        file.write(b"\xff" * 8_192)
    with pytest.raises(StartupError, match=r"damaged|malformed"):
        back_up(source, tmp_path / "copy.sqlite", quiet)
    assert not (tmp_path / "copy.sqlite").exists()


def test_no_room(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before the disk is full."""

    class Usage:
        free = 1_000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(StartupError, match="has room for 1,000 bytes"):
        back_up(source, tmp_path / "copy.sqlite", quiet)
    assert not (tmp_path / "copy.sqlite").exists()


def test_a_place_that_cannot_be_written_to(source: Path) -> None:
    """The reason is the system's."""
    with pytest.raises(StartupError, match="cannot be made"):
        back_up(source, Path("/proc/none/copy.sqlite"), quiet)


def test_no_store(tmp_path: Path) -> None:
    """And another program's database is none."""
    with pytest.raises(StartupError, match="no store"):
        back_up(tmp_path / "rookery.sqlite", tmp_path / "copy.sqlite", quiet)
    with closing(sqlite3.connect(tmp_path / "rookery.sqlite")) as foreign:
        foreign.execute("CREATE TABLE t (x)")
    with pytest.raises(StartupError, match="not a store of Rookery"):
        back_up(tmp_path / "rookery.sqlite", tmp_path / "copy.sqlite", quiet)
