"""Reader and writer of one file in one process, for tools, tests and small servers."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rookery.store.engine import Collection
from rookery.store.sqlite.reader import SqliteReader
from rookery.store.sqlite.writer import SqliteWriter


class SqliteStore:
    """The engine's `Store` on a file of this machine; raises as `SqliteWriter` does."""

    def __init__(
        self, path: Path, collections: Sequence[Collection], *, clock_ms: Callable[[], int]
    ) -> None:
        self.writer = SqliteWriter(path, collections, clock_ms=clock_ms)
        self.reader = SqliteReader(path, collections)

    async def close(self) -> None:
        """Close the reader, then the writer with everything that still waits."""
        await self.reader.close()
        await self.writer.close()
