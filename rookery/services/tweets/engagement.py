"""Liking and unliking, and who likes what."""

from collections.abc import Callable, Sequence

from rookery.errors import NotFound, Unavailable
from rookery.models import Identity, TweetCounts
from rookery.services.reading.former import ReadingWithCards
from rookery.services.reading.pages import Page, check_limit, page_of_rows
from rookery.services.tweets.counts import CountChanges
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.engagement import (
    LIKED,
    NOT_LIKED,
    TWEET_EXISTS,
    EngagementRepository,
    Favourite,
    liking,
    unliking,
    unliking_gone,
)
from rookery.store.records.tweets import TweetRepository


class Engagement:
    """What users think of tweets.

    A change is one batch whose conditions decide whether there is anything to change, so counts
    stay right however many requests come at once.
    """

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        reading: ReadingWithCards,
        changes: CountChanges,
    ) -> None:
        self._store = store
        self._ids = ids
        self._reading = reading
        self._authors = reading.authors
        self._liked = reading.liked
        self._changes = changes
        self._engagement = EngagementRepository(store.reader)
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

    async def likers(self, tweet_id: int, before: int, limit: int) -> Page:
        """Ids of those who like a tweet, newest first, below favourite id `before` (0: all).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such tweet.
        """
        rows = await self._engagement.likers(tweet_id, before, check_limit(limit) + 1)
        if not await self._tweets.existing([tweet_id]):
            raise NotFound("Tweet not found")
        return page_of_rows(rows, limit)

    async def liked_by(self, user_id: int, before: int, limit: int) -> Page:
        """Ids of the tweets that a user likes, newest like first, below favourite id `before`.

        Deleted tweets are left out; a page is full unless the list ends.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user.
        """
        wanted = check_limit(limit) + 1
        found: list[Favourite] = []
        position = before
        while len(found) < wanted:
            rows = await self._engagement.liked_by(user_id, position, wanted)
            existing = await self._tweets.existing([tweet_id for tweet_id, _ in rows])
            found += [row for row in rows if row[0] in existing]
            if len(rows) < wanted:
                break
            position = rows[-1][1]
        if not found:
            await self._authors.get(user_id)
        return page_of_rows(found[:wanted], limit)

    async def counts(self, tweet_ids: Sequence[int]) -> list[TweetCounts]:
        """Counts of these tweets, in their order; zeros for tweets that do not exist."""
        return await self._tweets.counts(tweet_ids)

    async def liked_among(self, user_id: int, tweet_ids: Sequence[int]) -> set[int]:
        """Those of `tweet_ids` that a user likes (see `LikedTweets` for how fresh)."""
        return await self._liked.among(user_id, tweet_ids)

    async def _change(
        self, identity: Identity, tweet_id: int, operations: tuple[Operation, ...], needed: str
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
            self._changes.announce([tweet_id], identity.user_id)
            raise
        await self._changes.announce([tweet_id], identity.user_id)
        return True
