"""Copies the store into a file, whole and of one moment, whether a server runs on it or not.

Knows the file, not what is in it. The copy is made by SQLite's online backup interface
(https://sqlite.org/backup.html) within one read transaction: what is written meanwhile goes into
the write-ahead log and is not seen, so the copy never begins anew, as it does without.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rookery.errors import Conflict, StartupError
from rookery.store.sqlite.connection import APPLICATION_ID, application_id

STEP_PAGES = 2_048
"""Copied between two reports of progress; 8 MB."""

Progress = Callable[[int, int], None]
"""Called with pages copied, and pages in all."""


@dataclass(frozen=True)
class Copied:
    """A copy that was made."""

    path: Path
    size_bytes: int


def back_up(source: Path, target: Path, progress: Progress, *, overwrite: bool = False) -> Copied:
    """Copy the store in the file `source` to the file `target`, and check the copy.

    The target's folder is made if it is missing (for its user only, as is the copy), and the copy
    takes its name when it is complete and on the disk: there is never half a one. `progress` may
    raise to give up.

    Raises:
        Conflict: there is such a file already, and it may not be replaced.
        StartupError: there is no store, or the copy cannot be made; the text says why.
    """
    _check(source, target, overwrite)
    try:
        folder = _made(target.parent)
        with _partial(folder, target.name) as partial, _explaining(source, target):
            with closing(_snapshot(source)) as store, closing(sqlite3.connect(partial)) as copy:
                _check_room(store, folder)
                copy.execute("PRAGMA synchronous=OFF")  # written through as a whole below
                store.backup(
                    copy,
                    pages=STEP_PAGES,
                    progress=lambda _, left, pages: progress(pages - left, pages),
                )
            _verify(partial)
            _flush(partial)
            _name(partial, target, overwrite)
            _flush(folder)
            return Copied(target, target.stat().st_size)
    except OSError as error:
        raise StartupError(
            f"The copy {target} cannot be made: {error.strerror or error}. Free some space, or"
            " name another place"
        ) from error


def _check(source: Path, target: Path, overwrite: bool) -> None:
    if not source.is_file():
        raise StartupError(
            f"There is no store in {source.parent}: it has no file {source.name}. Name the data"
            " folder of a server"
        )
    if not target.exists():
        return
    if target.is_dir() or target.samefile(source):
        raise Conflict(f"{target} is the store itself, or a folder; name another file")
    if target.with_name(f"{target.name}-wal").exists():
        raise Conflict(f"{target} is in use: it has a write-ahead log beside it; name another file")
    if not overwrite:
        raise Conflict(f"{target} exists already; name another file, or use --force")


def _made(folder: Path) -> Path:
    """The folder; what is missing of it is made for its user only."""
    if not folder.is_dir():
        if folder.parent != folder:
            _made(folder.parent)
        folder.mkdir(mode=0o700)
    return folder


@contextmanager
def _partial(folder: Path, name: str) -> Iterator[Path]:
    """A new file, for its user only, that is removed at the end unless it was renamed."""
    path = folder / f".{name}.{os.getpid()}.partial"
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield path
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).unlink()


@contextmanager
def _explaining(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StartupError(
            f"{source} cannot be copied to {target}: {error}. See that it is Rookery's store, that"
            " it may be read, and that there is room"
        ) from error


def _snapshot(path: Path) -> sqlite3.Connection:
    """A connection that sees the store as it is now, until it is closed.

    It can only read where that is possible: without a server SQLite has to make the files beside
    the write-ahead log first.
    """
    for mode in ("ro", "rw"):
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, isolation_level=None
        )
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if application_id(connection) != APPLICATION_ID:
                raise StartupError(f"The file {path} is not a store of Rookery")
            return connection
        except sqlite3.OperationalError:
            connection.close()
            if mode == "rw":
                raise
        except BaseException:
            connection.close()
            raise
    raise AssertionError("unreachable")


def _check_room(store: sqlite3.Connection, folder: Path) -> None:
    pages, page_bytes = (
        int(store.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size")
    )
    free_bytes = shutil.disk_usage(folder).free
    if pages * page_bytes > free_bytes:
        raise StartupError(
            f"{folder} has room for {free_bytes:,} bytes, and the copy takes"
            f" {pages * page_bytes:,}. Free some space, or name another place"
        )


def _verify(path: Path) -> None:
    with closing(sqlite3.connect(path)) as copy:
        found = [row for (row,) in copy.execute("PRAGMA integrity_check(5)")]
        ours = application_id(copy) == APPLICATION_ID
    if found != ["ok"] or not ours:
        raise StartupError(
            f"The copy is damaged, and so is the store probably ({'; '.join(found)}): it was not"
            " kept. Look after the disk, and restore an earlier copy"
        )


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _name(partial: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        partial.replace(target)
        return
    try:
        os.link(partial, target)  # unlike renaming, it never replaces a file
    except FileExistsError as error:
        raise Conflict(f"{target} exists already; name another file, or use --force") from error
    except OSError:  # a file system without hard links
        partial.rename(target)
