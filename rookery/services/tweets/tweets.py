"""The use-cases of tweets: posting and changing them, and reading them by conversation."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rookery.errors import NotFound
from rookery.models import Identity, Tweet
from rookery.services.idempotency import Idempotency
from rookery.services.ports import InvalidationPort, TimelinePort
from rookery.services.reading.context import Context, Contexts
from rookery.services.reading.pages import Page, check_limit, page_of_ids
from rookery.services.reading.reading import Reading
from rookery.services.tweets.changing import Changing
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.new_tweets import NewTweet, Posted
from rookery.services.tweets.posting import Posting
from rookery.services.tweets.removals import Removals
from rookery.store.engine import Store
from rookery.store.records.tweets import TweetRepository

__all__ = ["NewTweet", "Posted", "Tweets", "Version", "VersionPage"]


class Version(NamedTuple):
    """One version of a tweet; `created_ms` is when it came to be."""

    version: int
    text: str
    entities: dict[str, list[Any]]
    created_ms: int


class VersionPage(NamedTuple):
    """Versions, newest first, and the position of the next page; 0 when it ends here."""

    versions: list[Version]
    next_version: int


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
        self._tweets = TweetRepository(store.reader)
        self._contexts = Contexts(store)
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

    # Writing.

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

    # Reading.

    async def get(self, tweet_id: int) -> Tweet:
        """The tweet with this id.

        Raises:
            NotFound: there is none.
        """
        return await self._existing(tweet_id)

    async def get_many(self, tweet_ids: Sequence[int]) -> list[Tweet]:
        """Those of the tweets that exist, in the order of the ids."""
        tweets = await self._tweets.get_many(tweet_ids)
        return [tweet for tweet in tweets if tweet is not None]

    async def history(self, tweet_id: int, before: int, limit: int) -> VersionPage:
        """Versions of a tweet, newest first, below number `before` (0: from the present one).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such tweet.
        """
        check_limit(limit)
        tweet = await self._existing(tweet_id)
        below = min(before or tweet.version + 1, tweet.version)
        edits = await self._tweets.edits(tweet_id, below, limit + 1)
        # Each version came to be when the one before it was replaced.
        began_ms = [*(edit.replaced_ms for edit in edits), tweet.created_ms]
        found: list[Version] = []
        if before == 0 or before > tweet.version:
            found.append(Version(tweet.version, tweet.text, tweet.entities, began_ms[0]))
        found += [
            Version(edit.version, edit.text, edit.entities, since_ms)
            for edit, since_ms in zip(edits, began_ms[1:], strict=True)
        ]
        shown = found[:limit]
        return VersionPage(shown, shown[-1].version if len(found) > limit else 0)

    async def replies(self, tweet_id: int, after: int, limit: int) -> Page:
        """Ids of the direct replies to a tweet, oldest first, above id `after` (0: all).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such tweet.
        """
        reply_ids = await self._tweets.replies(tweet_id, after, check_limit(limit) + 1)
        if not await self._tweets.existing([tweet_id]):
            raise NotFound("Tweet not found")
        return page_of_ids(reply_ids, limit)

    async def conversation(self, tweet_id: int, after: int, limit: int) -> Page:
        """Ids of all tweets of the conversation that a tweet belongs to, oldest first.

        Raises as `replies`.
        """
        check_limit(limit)
        tweet = await self._existing(tweet_id)
        if tweet.retweet_of_id is not None and tweet.reply_to_id is None:
            tweet = await self._existing(tweet.retweet_of_id)
        return page_of_ids(
            await self._tweets.conversation(tweet.conversation_id, after, limit + 1), limit
        )

    async def context(self, tweet_id: int, after: int, limit: int) -> Context:
        """What a tweet answers, and what answers it; see `Contexts.of`."""
        return await self._contexts.of(tweet_id, after, limit)

    async def _existing(self, tweet_id: int) -> Tweet:
        tweet = await self._tweets.get(tweet_id)
        if tweet is None:
            raise NotFound("Tweet not found")
        return tweet
