"""The truth: engines, the repositories over them, and the queue.

Which engine a server has is decided here, by the functions below: a new one is a case in each of
them that the type checker finds missing.
"""

from pathlib import Path
from time import time_ns
from typing import NamedTuple

from rookery.config import Config
from rookery.store.engine import EngineWriter, Reader, SoleWriter, Writer
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite import SqliteReader, SqliteWriter
from rookery.store.sqlite.lock import WriterLock

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
    match config.store.engine:
        case "mongo":
            from rookery.store.mongo import MongoReader

            return MongoReader(config.store, COLLECTIONS)
        case "sqlite":
            return SqliteReader(_file_of(config), COLLECTIONS)


def open_writer(config: Config) -> EngineWriter:
    """A writer of the configured store, for a process that commits to it by itself.

    Raises:
        StoreLocked, StartupError: as `open_sole_writer`, of an engine that has one.
    """
    match config.store.engine:
        case "mongo":
            from rookery.store.mongo import MongoWriter

            return MongoWriter(config.store, COLLECTIONS)
        case "sqlite":
            return open_sole_writer(config)


def open_sole_writer(config: Config) -> SoleWriter:
    """The only writer of an embedded store; makes the folder and the file where there are none.

    Raises:
        StoreLocked: another server uses the folder.
        StartupError: the folder or the file cannot be used; the text says why.
    """
    is_private = config.server.private_data
    return SqliteWriter(_file_of(config), COLLECTIONS, clock_ms=clock_ms, is_private=is_private)


async def open_bulk_writer(config: Config) -> EngineWriter:
    """A writer for this process alone, while no server runs; raises as `prepare_store`."""
    await prepare_store(config)
    return open_writer(config)


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
    match config.store.engine:
        case "mongo":
            from rookery.store.mongo import prepare

            await prepare(config.store, COLLECTIONS)
        case "sqlite":
            pass


def _file_of(config: Config) -> Path:
    return Path(config.server.data_dir) / SQLITE_FILE
