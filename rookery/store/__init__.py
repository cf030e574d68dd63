"""The truth: engines, the repositories over them, and the queue."""

from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from rookery.config import Config
from rookery.store.engine import Reader, Writer
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite import SqliteReader, SqliteWriter
from rookery.store.sqlite.lock import WriterLock

if TYPE_CHECKING:
    from rookery.store.mongo import MongoWriter

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
    if config.store.engine == "mongo":
        from rookery.store.mongo import MongoReader

        return MongoReader(config.store, COLLECTIONS)
    return SqliteReader(Path(config.server.data_dir) / SQLITE_FILE, COLLECTIONS)


def open_writer(data_dir: Path, *, is_private: bool = True) -> SqliteWriter:
    """The embedded store's only writer; makes the folder and the file where there are none.

    Raises:
        StoreLocked: another server uses the folder.
        StartupError: the folder or the file cannot be used; the text says why.
    """
    path = data_dir / SQLITE_FILE
    return SqliteWriter(path, COLLECTIONS, clock_ms=clock_ms, is_private=is_private)


async def open_bulk_writer(config: Config) -> "SqliteWriter | MongoWriter":
    """A writer for this process alone, while no server runs; raises as `prepare_store`."""
    if config.store.engine == "mongo":
        from rookery.store.mongo import MongoWriter

        await prepare_store(config)
        return MongoWriter(config.store, COLLECTIONS)
    return open_writer(Path(config.server.data_dir), is_private=config.server.private_data)


async def prepare_store(config: Config) -> None:
    """Make sure that the configured store can be used, before anything is started on it.

    Brings a MongoDB database up to date; SQLite's writer does that itself.

    Raises:
        StoreLocked: another server uses the folder.
        StoreTooNew: a newer release wrote the store.
        StartupError: the store cannot be used; the text says why and what to do.
    """
    # The folder holds the control channel's address whatever the engine.
    server = config.server
    WriterLock(Path(server.data_dir), now_ms=clock_ms(), is_private=server.private_data).close()
    if config.store.engine == "mongo":
        from rookery.store.mongo import prepare

        await prepare(config.store, COLLECTIONS)
