"""The use-cases that change tweets: posting, editing and deleting."""

from collections.abc import Callable

from rookery.models import Identity, Tweet
from rookery.services.idempotency import Idempotency
from rookery.services.ports import InvalidationPort, TimelinePort
from rookery.services.reading.reading import Reading
from rookery.services.tweets.changing import Changing
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.new_tweets import NewTweet, Posted
from rookery.services.tweets.posting import Posting
from rookery.services.tweets.removals import Removals
from rookery.store.engine import Store

__all__ = ["NewTweet", "Posted", "Tweets"]


class Tweets:
    """What can be done with tweets; `Posting` and `Changing` do what writes."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        clock_ms: Callable[[], int],
        reading: Reading,
        changes: CountChanges,
        invalidations: InvalidationPort,
        idempotency: Idempotency,
        timelines: TimelinePort,
        *,
        max_length: int = 280,
    ) -> None:
        self._posting = Posting(
            store, ids, reading, changes, idempotency, timelines, max_length=max_length
        )
        self._changing = Changing(
            store, ids, clock_ms, reading, invalidations, max_length=max_length
        )

    @property
    def removals(self) -> Removals:
        """What deletions leave to do; let it `run` in every process that deletes."""
        return self._changing.removals

    async def create(
        self,
        author: Identity,
        new: NewTweet,
        idempotency_key: str | None = None,
        *,
        tweet_id: int | None = None,
    ) -> Tweet:
        """As `post`; the tweet alone."""
        return (await self.post(author, new, idempotency_key, tweet_id=tweet_id)).tweet

    async def post(
        self,
        author: Identity,
        new: NewTweet,
        idempotency_key: str | None = None,
        *,
        tweet_id: int | None = None,
    ) -> Posted:
        """Post a tweet; it is durable when this returns, and in its author's own home.

        Its id is made when it is about to be written, unless `tweet_id` gives one that was made
        for it before (where the order among several matters).

        A repetition with the same key returns the same tweet, as it is by now; so does, with or
        without a key, the retweet of what is retweeted already. Reads nothing for a plain text by
        an author who is in the cache.

        Raises:
            InvalidText: the text may not be posted.
            NotFound: the tweet to reply to or to retweet is not there for the author; or, of a
                repetition, the tweet was deleted since.
            Forbidden: the tweet to retweet or quote is not for everybody, and not the author's.
            IdempotencyMismatch: the key was used for something else.
        """
        return await self._posting.post(author, new, idempotency_key, tweet_id=tweet_id)

    async def delete(self, identity: Identity, tweet_id: int) -> None:
        """Remove a tweet from everywhere; replies to it and quotes of it stay.

        For its author and moderators.

        Raises:
            NotFound: no such tweet (any more), or not for this user.
            Forbidden: it is someone else's.
        """
        await self._changing.delete(identity, tweet_id)

    async def edit(self, identity: Identity, tweet_id: int, text: str) -> Tweet:
        """Give a tweet another text, and keep the former; for its author only.

        The same text again changes nothing. Who is mentioned only now may see it from now on.

        Raises:
            InvalidText: the text may not be posted.
            InvalidRequest: a retweet has no text, or the tweet was edited too often.
            NotFound: no such tweet (any more), or not for this user.
            Forbidden: it is someone else's.
        """
        return await self._changing.edit(identity, tweet_id, text)
