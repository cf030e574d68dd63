"""Editing and deleting tweets."""

from collections.abc import Callable

import msgspec

from rookery.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from rookery.models import Identity, Tweet
from rookery.services.ports import Invalidation, InvalidationPort
from rookery.services.reading.reading import Reading
from rookery.services.turns import ATTEMPTS, Turns
from rookery.services.tweets import telling
from rookery.services.tweets.composing import compose
from rookery.services.tweets.new_tweets import Original
from rookery.services.tweets.removals import Removals
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.tweets import (
    UNCHANGED,
    TweetRepository,
    replacing,
    target_label,
    targets_of,
)
from rookery.store.records.users import Users

MODERATORS = frozenset({"moderator", "admin"})
MAX_VERSIONS = 1000


class Changing:
    """Changes tweets. Each change is one batch, its event included."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        clock_ms: Callable[[], int],
        reading: Reading,
        invalidations: InvalidationPort,
        *,
        max_length: int,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock_ms = clock_ms
        self._reading = reading
        self._authors = reading.authors
        self._invalidations = invalidations
        self._max_length = max_length
        self._tweets = TweetRepository(store.reader)
        self._users = Users(store.reader)
        self._turns = Turns()
        self.removals = Removals(store, ids, self._invalidate)

    async def delete(self, identity: Identity, tweet_id: int) -> None:
        """Remove a tweet from everywhere; see `Tweets.delete`."""
        async with self._turns.of(tweet_id):
            tweet = await self._delete(identity, tweet_id)
        lowered = targets_of(tweet) if tweet.is_counted else []
        retweeters = [tweet.author_id] if tweet.retweet_of_id is not None else []
        await self._invalidate(Invalidation(tweets=[tweet_id], counts=lowered, viewers=retweeters))
        await self.removals.begin(tweet_id)

    async def _delete(self, identity: Identity, tweet_id: int) -> Tweet:
        """The tweet as it was last."""
        for _ in range(ATTEMPTS):
            tweet = await self._deletable(identity, tweet_id)
            is_own = tweet.author_id == identity.user_id
            operations = await self.removals.deleting(tweet, is_own=is_own)
            if await self._write_if_unchanged(operations, tweet):
                return tweet
        raise _contended()

    async def _deletable(self, identity: Identity, tweet_id: int) -> Tweet:
        """The tweet, if `identity` may delete it.

        Authors may delete what they cannot see any more: a retweet of what is hidden from them.
        """
        tweet = await self._tweets.get(tweet_id)
        is_own = tweet is not None and tweet.author_id == identity.user_id
        is_allowed = is_own or await self._is_moderator(identity)
        if not is_allowed:
            await self._reading.seen_tweet(identity.user_id, tweet_id)
        if tweet is None:
            raise NotFound("Tweet not found")
        if not is_allowed:
            raise Forbidden("You may only delete your own tweets")
        return tweet

    async def _quoted(self, tweet: Tweet) -> Original | None:
        """What a tweet quotes, if it is still there."""
        original_id = tweet.quote_of_id
        original = None if original_id is None else await self._tweets.get(original_id)
        if original is None:
            return None
        authors = await self._authors.many([original.author_id])
        author = authors.get(original.author_id)
        return None if author is None else Original(original, author)

    async def _is_moderator(self, identity: Identity) -> bool:
        user = await self._users.get(identity.user_id)
        return user is not None and user.role in MODERATORS

    async def edit(self, identity: Identity, tweet_id: int, text: str) -> Tweet:
        """Give a tweet another text, and keep the former; see `Tweets.edit`."""
        async with self._turns.of(tweet_id):
            tweet, is_changed = await self._edit(identity, tweet_id, text)
        if is_changed:
            await self._invalidate(Invalidation(tweets=[tweet_id]))
        return tweet

    async def _edit(self, identity: Identity, tweet_id: int, text: str) -> tuple[Tweet, bool]:
        """The tweet as it is then, and whether that is new."""
        for _ in range(ATTEMPTS):
            former = await self._editable(identity, tweet_id)
            kept, entities = await compose(text, self._max_length, self._authors.ids_of_usernames)
            if kept == former.text:
                return former, False
            if former.version >= MAX_VERSIONS:
                raise InvalidRequest("This tweet was edited too often", "text")
            # Ids may be ahead of the clock: no version is older than the one before it.
            now_ms = max(self._clock_ms(), former.edited_ms or former.created_ms)
            tweet = msgspec.structs.replace(
                former,
                text=kept,
                entities=entities,
                version=former.version + 1,
                edited_ms=now_ms,
            )
            author = await self._authors.get(tweet.author_id)
            event = telling.edited(self._ids(), tweet, author, await self._quoted(tweet))
            operations = (*replacing(former, tweet, now_ms), adding(event))
            if await self._write_if_unchanged(operations, former):
                return tweet, True
        raise _contended()

    async def _editable(self, identity: Identity, tweet_id: int) -> Tweet:
        tweet = await self._tweets.get(tweet_id)
        if tweet is None or tweet.author_id != identity.user_id:
            await self._reading.seen_tweet(identity.user_id, tweet_id)
        if tweet is None:  # though it is cached still
            raise NotFound("Tweet not found")
        if tweet.author_id != identity.user_id:
            raise Forbidden("You may only edit your own tweets")
        if tweet.retweet_of_id is not None:
            raise InvalidRequest("A retweet cannot be edited", "text")
        return tweet

    async def _write_if_unchanged(self, operations: tuple[Operation, ...], tweet: Tweet) -> bool:
        """Whether the batch took effect; if not, a condition on what was read has failed."""
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed as failed:
            if failed.label in (UNCHANGED, *map(target_label, targets_of(tweet))):
                return False
            raise
        return True

    async def _invalidate(self, change: Invalidation) -> None:
        self._reading.invalidate(change)
        await self._invalidations.broadcast(change)


def _contended() -> Unavailable:
    return Unavailable("The tweet is being changed too often; try again")
