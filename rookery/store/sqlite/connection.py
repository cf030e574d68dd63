"""How connections to the file are opened, for reading and for writing.

Knows the file and its settings, not what is in it. Only the modules of this package import it.

Memory mapping is left off: after each commit a reader has to look at the file anew, and then
page faults cost more than plain reads (a point read after a commit: 35 µs mapped, 10 to 14 µs
not), while an I/O error on a mapped page would kill the process instead of raising.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from rookery.errors import StartupError, StoreUnavailable
from rookery.permissions import open_private

APPLICATION_ID = 0x526F6F6B  # "Rook", in the header of the file
STATEMENT_CACHE = 1024
CHECKPOINT_PAGES = 1000
WAL_KEPT_BYTES = 64 << 20


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The one connection that writes, and the only one that ever moves the log into the file.

    Checkpoints run inside a commit, each time the log has grown by `CHECKPOINT_PAGES` pages: the
    7 to 15 ms they take are bounded, and right after a commit nothing newer stands in the log, so
    it starts over from its beginning and stays small. A connection of its own for them is out of
    the question: up to SQLite 3.51.2 a checkpoint that meets the writer's restart of the log can
    lose pages (https://sqlite.org/wal.html#walresetbug).

    Raises:
        StartupError: the file belongs to another program; it is left as it is.
        sqlite3.Error: the file cannot be opened, or is no database.
    """
    # SQLite gives its log and index the mode of the file, which it would make readable by all.
    # Only where there is none: closing a file that is open here would drop SQLite's locks on it.
    with suppress(OSError):  # SQLite says it better
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    connection = sqlite3.connect(
        path,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENT_CACHE,
    )
    try:
        _check_ours(connection, path)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={WAL_KEPT_BYTES}",
            "cache_size=-65536",
            "temp_store=MEMORY",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, version: int) -> sqlite3.Connection:
    """A connection that can only read a file of exactly this schema version.

    Raises:
        StoreUnavailable: no such file yet, the writer has not made it ready, or it is not ours.
        sqlite3.Error: the file cannot be read.
    """
    if not path.exists():
        raise StoreUnavailable(
            f"The store {path} does not exist yet; its writer creates it, so start that first"
        )
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro",
        uri=True,
        timeout=2.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENT_CACHE,
    )
    try:
        for pragma in ("query_only=ON", "cache_size=-16384", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        found = (schema_version(connection), application_id(connection))
        if found != (version, APPLICATION_ID):
            raise StoreUnavailable(
                f"The store {path} has schema version {found[0]} and this program reads version "
                f"{version}; start the store's writer from the same release to bring it up to date"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    found = (application_id(connection), schema_version(connection))
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if found[0] != APPLICATION_ID and not (found == (0, 0) and empty):
        raise StartupError(
            f"The file {path} is a database of another program. "
            "Name another data folder in the settings, or move the file away."
        )


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema version in the file's header; 0 in a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def application_id(connection: sqlite3.Connection) -> int:
    """Whose file it is, by its header; 0 in a new file."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
