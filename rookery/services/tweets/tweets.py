"""Posting, editing and deleting tweets."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from rookery.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from rookery.events.encoding import tweet_record
from rookery.events.kinds import TweetEdited, TweetPosted
from rookery.models import Identity, Tweet, User
from rookery.services.idempotency import Idempotency, Recorder
from rookery.services.ports import Invalidation, InvalidationPort, TimelinePort
from rookery.services.reading.reading import Reading
from rookery.services.turns import ATTEMPTS, Turns
from rookery.services.tweets.composing import compose, kind_of, stored_entities
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.removals import Removals
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.tweets import (
    UNCHANGED,
    TweetRepository,
    creating,
    replacing,
    target_label,
    targets_of,
)
from rookery.store.records.users import Users
from rookery.text import Entities

MODERATORS = frozenset({"moderator", "admin"})
MAX_VERSIONS = 1000
_REPLY_TARGET = "Tweet to reply to not found"
_RETWEET_TARGET = "Tweet to retweet not found"


class NewTweet(msgspec.Struct, frozen=True, kw_only=True):
    """What someone wants to post.

    With `retweet_of_id`, an empty text makes a retweet and any other a quote.
    """

    text: str
    reply_to_id: int | None = None
    sensitive: bool = False
    lang: str | None = None
    retweet_of_id: int | None = None


class Posted(NamedTuple):
    """A tweet, and whether it was posted just now (or before, by a request with the same key)."""

    tweet: Tweet
    is_new: bool


class Tweets:
    """The use-cases of tweets. Each change is one batch, its event included."""

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
        self._store = store
        self._ids = ids
        self._clock_ms = clock_ms
        self._authors = reading.authors
        self._reading = reading
        self._changes = changes
        self._invalidations = invalidations
        self._idempotency = idempotency
        self._timelines = timelines
        self._max_length = max_length
        self._tweets = TweetRepository(store.reader)
        self._users = Users(store.reader)
        self._turns = Turns()
        self.removals = Removals(store, ids, self._invalidate)
        """What deletions leave to do; let it `run` in every process that deletes."""

    # Posting.

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

        A repetition with the same key returns the same tweet, as it is by now. Reads nothing for
        a plain text by an author who is in the cache.

        Raises:
            InvalidText: the text may not be posted.
            NotFound: the tweet to reply to or to retweet does not exist; or, of a repetition, the
                tweet was deleted since.
            IdempotencyMismatch: the key was used for something else.
        """

        async def act(recorder: Recorder) -> Posted:
            return Posted(await self._create(author, new, recorder, tweet_id), True)

        return await self._idempotency.once(
            author.user_id, idempotency_key, ("tweets.create", new), act, self._replay
        )

    async def _replay(self, result: dict[str, Any]) -> Posted:
        # Records of earlier releases hold the tweet as it was posted.
        tweet_id = result["tweet"]["id"] if "tweet" in result else result["tweet_id"]
        return Posted(await self._existing(tweet_id), False)

    async def _create(
        self, identity: Identity, new: NewTweet, recorder: Recorder, tweet_id: int | None
    ) -> Tweet:
        user = await self._authors.get(identity.user_id)
        if new.retweet_of_id is not None and not new.text:
            text, entities = "", stored_entities(Entities(), {})
        else:
            text, entities = await compose(
                new.text, self._max_length, self._authors.ids_of_usernames
            )
        parent = original = None
        if new.reply_to_id is not None:
            parent = await self._reading.seen_tweet(user.id, new.reply_to_id, _REPLY_TARGET)
        if new.retweet_of_id is not None:
            original = await self._original(new.retweet_of_id)
        tweet = _new_tweet(tweet_id or self._ids(), new, user, text, entities, parent, original)
        event = TweetPosted(
            id=tweet.id,
            tweet_id=tweet.id,
            author_id=tweet.author_id,
            conversation_id=tweet.conversation_id,
            kind=tweet.kind,
            original_author_id=None if original is None else original.author_id,
            record=tweet_record(tweet, user),
        )
        # The id alone: what is deleted must not live on in a record.
        recorded = recorder({"tweet_id": tweet.id})
        try:
            await self._store.writer.write(WriteBatch((*recorded, *creating(tweet), adding(event))))
        except ConditionFailed as failed:
            if parent is not None and failed.label == target_label(parent.id):
                raise NotFound(_REPLY_TARGET) from failed
            if original is not None and failed.label == target_label(original.id):
                raise NotFound(_RETWEET_TARGET) from failed
            raise
        self._reading.add(tweet, user)
        shown = self._timelines.posted(tweet.author_id, tweet.id, tweet.kind)
        if parent is None and original is None:
            await shown
        else:
            await asyncio.gather(shown, self._changes.announce(targets_of(tweet)))
        return tweet

    async def _original(self, tweet_id: int) -> Tweet:
        """The tweet to retweet or quote; for a retweet the one it shows."""
        tweet = await self._existing(tweet_id, _RETWEET_TARGET)
        if tweet.retweet_of_id is not None:
            tweet = await self._existing(tweet.retweet_of_id, _RETWEET_TARGET)
        return tweet

    async def _existing(self, tweet_id: int, message: str = "Tweet not found") -> Tweet:
        tweet = await self._tweets.get(tweet_id)
        if tweet is None:
            raise NotFound(message)
        return tweet

    # Changing.

    async def delete(self, identity: Identity, tweet_id: int) -> None:
        """Remove a tweet from everywhere; replies to it stay. For its author and moderators.

        Raises:
            NotFound: no such tweet (any more).
            Forbidden: it is someone else's.
        """
        async with self._turns.of(tweet_id):
            targets = await self._delete(identity, tweet_id)
        await self._invalidate(Invalidation(tweets=[tweet_id], counts=targets))
        await self.removals.begin(tweet_id)

    async def _delete(self, identity: Identity, tweet_id: int) -> list[int]:
        """Ids of the tweets whose counts were lowered."""
        for _ in range(ATTEMPTS):
            tweet = await self._existing(tweet_id)
            await self._check_may_delete(identity, tweet)
            targets = targets_of(tweet)
            present = await self._tweets.existing(targets)
            if await self._write_if_unchanged(self.removals.deleting(tweet, present), tweet):
                return targets
        raise _contended()

    async def edit(self, identity: Identity, tweet_id: int, text: str) -> Tweet:
        """Give a tweet another text, and keep the former; for its author only.

        The same text again changes nothing.

        Raises:
            InvalidText: the text may not be posted.
            InvalidRequest: a retweet has no text, or the tweet was edited too often.
            NotFound: no such tweet (any more).
            Forbidden: it is someone else's.
        """
        async with self._turns.of(tweet_id):
            tweet, is_changed = await self._edit(identity, tweet_id, text)
        if is_changed:
            await self._invalidate(Invalidation(tweets=[tweet_id]))
        return tweet

    async def _edit(self, identity: Identity, tweet_id: int, text: str) -> tuple[Tweet, bool]:
        """The tweet as it is then, and whether that is new."""
        for _ in range(ATTEMPTS):
            former = await self._existing(tweet_id)
            if former.author_id != identity.user_id:
                raise Forbidden("You may only edit your own tweets")
            if former.retweet_of_id is not None:
                raise InvalidRequest("A retweet cannot be edited", "text")
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
            event = TweetEdited(
                id=self._ids(),
                tweet_id=tweet.id,
                author_id=tweet.author_id,
                conversation_id=tweet.conversation_id,
                kind=tweet.kind,
                record=tweet_record(tweet, await self._authors.get(tweet.author_id)),
            )
            operations = (*replacing(former, tweet, now_ms), adding(event))
            if await self._write_if_unchanged(operations, former):
                return tweet, True
        raise _contended()

    async def _check_may_delete(self, identity: Identity, tweet: Tweet) -> None:
        if tweet.author_id == identity.user_id:
            return
        user = await self._users.get(identity.user_id)
        if user is None or user.role not in MODERATORS:
            raise Forbidden("You may only delete your own tweets")

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


def _new_tweet(
    tweet_id: int,
    new: NewTweet,
    user: User,
    text: str,
    entities: dict[str, list[Any]],
    parent: Tweet | None,
    original: Tweet | None,
) -> Tweet:
    original_id = None if original is None else original.id
    tweet = Tweet(
        id=tweet_id,
        author_id=user.id,
        text=text,
        entities=entities,
        reply_to_id=None if parent is None else parent.id,
        reply_to_user_id=None if parent is None else parent.author_id,
        conversation_id=tweet_id if parent is None else parent.conversation_id,
        retweet_of_id=None if text else original_id,
        quote_of_id=original_id if text else None,
        sensitive=new.sensitive,
        lang=new.lang,
    )
    kind = kind_of(tweet)
    return msgspec.structs.replace(tweet, kind=kind) if kind else tweet
