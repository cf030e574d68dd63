"""Bookmarks, which nobody sees but their owner."""

from collections.abc import Callable

from rookery.errors import NotFound, Unavailable
from rookery.models import Identity
from rookery.services.reading.pages import Chunk, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.services.tweets.counts import CountChanges
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.bookmarks import (
    BOOKMARKED,
    NOT_BOOKMARKED,
    TWEET_EXISTS,
    BookmarkRepository,
    bookmarking,
    unbookmarking,
)


class Bookmarks:
    """Users' bookmarks. When a change returns, every read shows it, through whichever process."""

    def __init__(
        self, store: Store, ids: Callable[[], int], reading: Reading, changes: CountChanges
    ) -> None:
        self._store = store
        self._ids = ids
        self._reading = reading
        self._changes = changes
        self._bookmarks = BookmarkRepository(store.reader)

    async def add(self, identity: Identity, tweet_id: int) -> bool:
        """Bookmark a tweet; False if that was so already.

        Raises:
            NotFound: no such tweet, or not for this user.
        """
        await self._reading.seen_tweet(identity.user_id, tweet_id)
        operations = bookmarking(identity.user_id, tweet_id, self._ids())
        return await self._change(identity, operations, NOT_BOOKMARKED)

    async def remove(self, identity: Identity, tweet_id: int) -> bool:
        """Remove a bookmark; False if there was none.

        Possible whatever became of the tweet, of which nothing is told.
        """
        operations = unbookmarking(identity.user_id, tweet_id)
        return await self._change(identity, operations, BOOKMARKED)

    async def own(self, identity: Identity, before: int, limit: int) -> ShownPage:
        """What `identity` bookmarked, newest bookmark first, below bookmark id `before` (0: all).

        What is hidden from them by now is left out.

        Raises:
            InvalidRequest: `limit` is out of bounds.
        """
        user_id = identity.user_id

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await self._bookmarks.of_user(user_id, before, limit), limit)

        return await self._reading.page(user_id, read, before, limit)

    async def _change(
        self, identity: Identity, operations: tuple[Operation, ...], needed: str
    ) -> bool:
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed as failed:
            if failed.label == TWEET_EXISTS:
                raise NotFound("Tweet not found") from failed
            if failed.label != needed:
                raise
            return False
        except Unavailable:
            # The outcome is unknown.
            self._changes.announce((), identity.user_id)
            raise
        await self._changes.announce((), identity.user_id)
        return True
