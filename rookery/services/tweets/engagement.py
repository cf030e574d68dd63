"""Liking and unliking."""

from collections.abc import Callable, Sequence

from rookery.errors import NotFound
from rookery.models import Identity, TweetCounts
from rookery.services.reading.reading import Reading
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.marking import Marking
from rookery.store.engine import Operation, Store
from rookery.store.records.engagement import (
    LIKED,
    NOT_LIKED,
    liking,
    unliking,
    unliking_gone,
)
from rookery.store.records.tweets import TweetRepository


class Engagement:
    """What users think of tweets."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        reading: Reading,
        changes: CountChanges,
    ) -> None:
        self._ids = ids
        self._reading = reading
        self._marking = Marking(store, changes)
        self._tweets = TweetRepository(store.reader)

    async def like(self, identity: Identity, tweet_id: int) -> bool:
        """Make `identity` like a tweet; False if that was so already.

        When this returns, every read shows it, through whichever process (see
        `InvalidationPort.broadcast` for one that does not answer).

        Raises:
            NotFound: no such tweet, or not for this user.
        """
        await self._reading.seen_tweet(identity.user_id, tweet_id)
        operations = liking(identity.user_id, tweet_id, self._ids())
        return await self._change(identity, tweet_id, operations, NOT_LIKED)

    async def unlike(self, identity: Identity, tweet_id: int) -> bool:
        """End that `identity` likes a tweet; False if there was no like.

        Possible whatever became of the tweet. Of a tweet that is not there, or not for this user,
        the answer is the same as of one that the user does not like.
        """
        user_id = identity.user_id
        try:
            return await self._change(identity, tweet_id, unliking(user_id, tweet_id), LIKED)
        except NotFound:
            return await self._change(identity, tweet_id, unliking_gone(user_id, tweet_id), LIKED)

    async def likes_shown(self, viewer_id: int, tweet_id: int) -> int:
        """How many like a tweet, as far as the viewer may know: 0 of what is not there for them."""
        try:
            await self._reading.seen_tweet(viewer_id, tweet_id)
        except NotFound:
            return 0
        (counts,) = await self._tweets.counts([tweet_id])
        return counts.likes

    async def counts(self, tweet_ids: Sequence[int]) -> list[TweetCounts]:
        """Counts of these tweets, in their order; zeros for tweets that do not exist."""
        return await self._tweets.counts(tweet_ids)

    async def _change(
        self, identity: Identity, tweet_id: int, operations: tuple[Operation, ...], needed: str
    ) -> bool:
        user_id = identity.user_id
        failed = await self._marking.commit(
            operations, needed, counts=[tweet_id], viewer_id=user_id
        )
        return failed is None
