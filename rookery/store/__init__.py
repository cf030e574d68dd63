"""The truth: engines, the repositories over them, and the queue."""

from pathlib import Path
from time import time_ns
from typing import NamedTuple

from rookery.config import Config
from rookery.store.engine import Reader, Writer
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite import SqliteReader, SqliteWriter

SQLITE_FILE = "rookery.sqlite"


def clock_ms() -> int:
    """The wall clock in milliseconds since 1970."""
    return time_ns() // 1_000_000


class StoreParts(NamedTuple):
    """A `rookery.store.engine.Store` put together from its halves."""

    reader: Reader
    writer: Writer


def open_reader(config: Config) -> Reader:
    """A reader of the configured store; opening is put off to the first read."""
    return SqliteReader(Path(config.server.data_dir) / SQLITE_FILE, COLLECTIONS)


def open_writer(data_dir: Path) -> SqliteWriter:
    """The embedded store's only writer; makes the folder and the file where there are none.

    Raises:
        StoreLocked: another server uses the folder.
        StartupError: the folder or the file cannot be used; the text says why.
    """
    return SqliteWriter(data_dir / SQLITE_FILE, COLLECTIONS, clock_ms=clock_ms)
