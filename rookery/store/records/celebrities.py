"""Who is fanned out on read, and what such an author posted lately."""

from rookery.store.engine import Delete, Put, Store, WriteBatch
from rookery.store.schema import CELEBRITIES, POSTS, USER_COUNTS

MAX_CELEBRITIES = 100_000


class CelebrityRepository:
    """Celebrities, their followers' counts and their posts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> set[int]:
        """Those who were celebrities when last written."""
        rows = await self._store.reader.select(CELEBRITIES, ("user_id",), limit=MAX_CELEBRITIES)
        return {user_id for (user_id,) in rows}

    async def with_followers(self, least: int) -> set[int]:
        """Users with at least `least` followers."""
        rows = await self._store.reader.select(
            USER_COUNTS,
            ("user_id",),
            index="by_followers",
            after=(least - 1, (1 << 63) - 1),
            limit=MAX_CELEBRITIES,
        )
        return {user_id for (user_id,) in rows}

    async def followers(self, user_id: int) -> int:
        """How many follow a user."""
        counts = await self._store.reader.get(USER_COUNTS, (user_id,))
        return 0 if counts is None else int(counts["followers"])

    async def recent(self, user_id: int, size: int) -> tuple[list[tuple[int, int]], int]:
        """The newest `size` posts as (id, kind) ascending, and the floor they are complete from."""
        rows = await self._store.reader.select(
            POSTS, ("tweet_id", "kind"), (user_id,), limit=size, reverse=True
        )
        entries = [(tweet_id, kind) for tweet_id, kind in reversed(rows)]
        return entries, entries[0][0] if len(entries) == size else 0

    async def add(self, user_id: int) -> None:
        document = {"user_id": user_id}
        await self._store.writer.write(WriteBatch((Put(CELEBRITIES.name, document),)))

    async def remove(self, user_id: int) -> None:
        await self._store.writer.write(WriteBatch((Delete(CELEBRITIES.name, (user_id,)),)))
