"""One suite over every engine: a new one adds its name to ENGINES and a branch to `engine`."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rookery.store.engine import Operation, Reader, Store, WriteBatch
from rookery.store.sqlite import SqliteReader, SqliteStore
from tests.contract.collections import COLLECTIONS
from tests.unit.memory_store import MemoryStore

ENGINES = ("sqlite", "memory")


@dataclass
class Engine:
    """A store over the test collections; `another_reader` reads it as another process would."""

    store: Store
    another_reader: Callable[[], Reader]

    @property
    def reader(self) -> Reader:
        return self.store.reader

    async def write(self, *operations: Operation) -> None:
        await self.store.writer.write(WriteBatch(operations))


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty store of each engine."""
    if request.param == "memory":
        memory = MemoryStore(COLLECTIONS)
        yield Engine(memory, lambda: memory.reader)
        return
    path = tmp_path / "rookery.db"
    store = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)
    yield Engine(store, lambda: SqliteReader(path, COLLECTIONS))
    await store.close()
