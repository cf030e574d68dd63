"""Retweeting and undoing it, and who retweeted or quoted what."""

from rookery.domain.visibility import Viewer, may_see_lists
from rookery.errors import NotFound
from rookery.models import Identity, User
from rookery.services.reading.pages import (
    Chunk,
    Page,
    check_limit,
    chunk_of_ids,
    chunk_of_rows,
)
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.services.tweets.new_tweets import NewTweet, Posted
from rookery.services.tweets.tweets import Tweets
from rookery.store.engine import Store
from rookery.store.records.retweets import RetweetRepository
from rookery.store.records.tweets import TweetRepository


class Retweets:
    """Retweets: one a person and tweet, whatever is retweeted by whichever id.

    A retweet is a tweet of its own without a text, so posting and deleting it is the work of
    `Tweets`.
    """

    def __init__(self, store: Store, reading: Reading, tweets: Tweets) -> None:
        self._writing = tweets
        self._reading = reading
        self._tweets = TweetRepository(store.reader)
        self._retweets = RetweetRepository(store.reader)

    async def retweet(
        self,
        identity: Identity,
        tweet_id: int,
        comment: str = "",
        idempotency_key: str | None = None,
    ) -> Posted:
        """Retweet a tweet; with a comment, quote it, each time anew.

        A retweet of a retweet shows the original. Only what is for everybody may be retweeted, and
        what is the user's own. Raises as `Tweets.post`.
        """
        new = NewTweet(text=comment, retweet_of_id=tweet_id)
        return await self._writing.post(identity, new, idempotency_key)

    async def undo(self, identity: Identity, tweet_id: int) -> bool:
        """Take a retweet back; False if there was none.

        `tweet_id` is the original or a retweet of it. Possible whatever became of the original; of
        a tweet that is not there, or not for this user, the answer is the same as of one that the
        user did not retweet.
        """
        retweet_id = await self._retweets.retweet_of(identity.user_id, tweet_id)
        if retweet_id is None:
            retweet_id = await self._own_retweet(identity, tweet_id)
        if retweet_id is None:
            return False
        try:
            await self._writing.delete(identity, retweet_id)
        except NotFound:  # undone or deleted meanwhile
            return False
        return True

    async def _own_retweet(self, identity: Identity, retweet_id: int) -> int | None:
        """The user's own retweet of what the retweet `retweet_id` shows."""
        tweet = await self._tweets.get(retweet_id)
        if tweet is None or tweet.retweet_of_id is None:
            return None
        if tweet.author_id == identity.user_id:
            return tweet.id
        try:
            await self._reading.seen_tweet(identity.user_id, retweet_id)
        except NotFound:
            return None
        return await self._retweets.retweet_of(identity.user_id, tweet.retweet_of_id)

    async def count_shown(self, viewer_id: int, tweet_id: int) -> int:
        """How many retweeted a tweet, as far as the viewer may know: 0 of what is hidden."""
        try:
            tweet = await self._reading.seen_tweet(viewer_id, tweet_id)
        except NotFound:
            return 0
        (counts,) = await self._tweets.counts([tweet.retweet_of_id or tweet.id])
        return counts.retweets

    async def retweeters(
        self, viewer_id: int | None, tweet_id: int, before: int, limit: int
    ) -> Page:
        """Ids of those who retweeted a tweet, newest retweet first, below retweet id `before`.

        Those whose retweets the viewer may not see are left out.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: there is no such tweet, or not for this viewer.
        """
        check_limit(limit)
        original_id = await self._original_of(viewer_id, tweet_id)

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await self._retweets.retweets(original_id, before, limit), limit)

        return await self._reading.users_page(viewer_id, read, before, limit, shows_retweets)

    async def quotes(
        self, viewer_id: int | None, tweet_id: int, before: int, limit: int
    ) -> ShownPage:
        """The quotes of a tweet, newest first, below id `before` (0: all). Raises as above."""
        check_limit(limit)
        original_id = await self._original_of(viewer_id, tweet_id)

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_ids(await self._retweets.quotes(original_id, before, limit), limit)

        return await self._reading.page(viewer_id, read, before, limit)

    async def _original_of(self, viewer_id: int | None, tweet_id: int) -> int:
        """The id of the tweet whose retweets and quotes are meant: of a retweet, its original."""
        tweet = await self._reading.seen_tweet(viewer_id, tweet_id)
        return tweet.retweet_of_id or tweet.id


def shows_retweets(viewer: Viewer, user: User) -> bool:
    """Whether the viewer may see what `user` retweets."""
    return may_see_lists(viewer, user.id, is_private=user.is_private)
