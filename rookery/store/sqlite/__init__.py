"""The embedded engine: one SQLite file, readers in each process, one writer."""

from rookery.store.sqlite.reader import SqliteReader
from rookery.store.sqlite.store import SqliteStore
from rookery.store.sqlite.writer import SqliteWriter

__all__ = ["SqliteReader", "SqliteStore", "SqliteWriter"]
