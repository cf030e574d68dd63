"""Reader and writer of one database in one process, for tools, tests and small servers."""

from collections.abc import Sequence

from rookery import config
from rookery.store.engine import Collection
from rookery.store.mongo.reader import MongoReader
from rookery.store.mongo.startup import prepare
from rookery.store.mongo.writer import MongoWriter


class MongoStore:
    """The engine's `Store` on a MongoDB database."""

    def __init__(self, settings: config.Store, collections: Sequence[Collection]) -> None:
        self.writer = MongoWriter(settings, collections)
        self.reader = MongoReader(settings, collections)

    @classmethod
    async def open(cls, settings: config.Store, collections: Sequence[Collection]) -> "MongoStore":
        """Bring the database up to date first; raises as `prepare` does."""
        await prepare(settings, collections)
        return cls(settings, collections)

    async def close(self) -> None:
        """Close reader and writer."""
        await self.reader.close()
        await self.writer.close()
