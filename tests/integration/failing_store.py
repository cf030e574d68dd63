"""A store that is away whenever a test says so, over any other."""

from collections.abc import Sequence

from rookery.errors import StoreUnavailable
from rookery.store.engine import (
    Collection,
    Document,
    Key,
    Reader,
    Row,
    Selection,
    Store,
    WriteBatch,
    Writer,
)


class FailingStore:
    """Reader, writer and store in one; while `is_away`, every call is `StoreUnavailable`.

    `refused` counts these calls.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False
        self.refused = 0

    @property
    def reader(self) -> Reader:
        return self

    @property
    def writer(self) -> Writer:
        return self

    def _check(self) -> None:
        if self.is_away:
            self.refused += 1
            raise StoreUnavailable()

    async def get(self, collection: Collection, key: Key) -> Document | None:
        self._check()
        return await self._store.reader.get(collection, key)

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        self._check()
        return await self._store.reader.get_many(collection, keys)

    async def range(
        self,
        collection: Collection,
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Document]:
        self._check()
        return await self._store.reader.range(
            collection,
            prefix,
            index=index,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
        )

    async def select(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Row]:
        self._check()
        return await self._store.reader.select(
            collection,
            fields,
            prefix,
            index=index,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
        )

    async def select_many(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefixes: Sequence[Key],
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[list[Row]]:
        self._check()
        return await self._store.reader.select_many(
            collection,
            fields,
            prefixes,
            index=index,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
        )

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        self._check()
        return await self._store.reader.select_several(selections)

    async def write(self, batch: WriteBatch) -> None:
        self._check()
        await self._store.writer.write(batch)

    async def close(self) -> None:
        await self._store.reader.close()
