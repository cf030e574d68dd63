"""Bookmarks, which nobody sees but their owner."""

from collections.abc import Callable

from rookery.models import Identity
from rookery.services.reading.pages import Chunk, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.marking import Marking
from rookery.store.engine import Store
from rookery.store.records.bookmarks import (
    BOOKMARKED,
    NOT_BOOKMARKED,
    BookmarkRepository,
    bookmarking,
    unbookmarking,
)


class Bookmarks:
    """Users' bookmarks. When a change returns, every read shows it, through whichever process."""

    def __init__(
        self, store: Store, ids: Callable[[], int], reading: Reading, changes: CountChanges
    ) -> None:
        self._ids = ids
        self._reading = reading
        self._marking = Marking(store, changes)
        self._bookmarks = BookmarkRepository(store.reader)

    async def add(self, identity: Identity, tweet_id: int) -> bool:
        """Bookmark a tweet; False if that was so already.

        Raises:
            NotFound: no such tweet, or not for this user.
        """
        await self._reading.seen_tweet(identity.user_id, tweet_id)
        user_id = identity.user_id
        operations = bookmarking(user_id, tweet_id, self._ids())
        failed = await self._marking.commit(operations, NOT_BOOKMARKED, viewer_id=user_id)
        return failed is None

    async def remove(self, identity: Identity, tweet_id: int) -> bool:
        """Remove a bookmark; False if there was none.

        Possible whatever became of the tweet, of which nothing is told.
        """
        user_id = identity.user_id
        operations = unbookmarking(user_id, tweet_id)
        return await self._marking.commit(operations, BOOKMARKED, viewer_id=user_id) is None

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
