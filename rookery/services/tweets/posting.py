"""Posting: tweets, replies, quotes and retweets."""

import asyncio
from collections.abc import Callable
from typing import Any

from rookery.domain.visibility import may_be_retweeted
from rookery.errors import Forbidden, NotFound, Unavailable
from rookery.models import Identity, Tweet
from rookery.services.idempotency import Idempotency, Recorder, record_nothing
from rookery.services.ports import TimelinePort
from rookery.services.reading.reading import Reading
from rookery.services.turns import ATTEMPTS
from rookery.services.tweets import telling
from rookery.services.tweets.composing import compose, stored_entities
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.new_tweets import NewTweet, Original, Posted, tweet_of
from rookery.store.engine import ConditionFailed, Expect, Store, WriteBatch
from rookery.store.records.outbox import adding
from rookery.store.records.retweets import ALREADY_RETWEETED, RetweetRepository
from rookery.store.records.tweets import TweetRepository, creating, target_label, targets_of
from rookery.store.schema import RETWEETED
from rookery.text import Entities

_REPLY_TARGET = "Tweet to reply to not found"
_RETWEET_TARGET = "Tweet to retweet not found"
_UNDONE = "retweet undone"


class Posting:
    """Makes tweets. Each is one batch, its event included."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        reading: Reading,
        changes: CountChanges,
        idempotency: Idempotency,
        timelines: TimelinePort,
        *,
        max_length: int,
    ) -> None:
        self._store = store
        self._ids = ids
        self._reading = reading
        self._authors = reading.authors
        self._changes = changes
        self._idempotency = idempotency
        self._timelines = timelines
        self._max_length = max_length
        self._tweets = TweetRepository(store.reader)
        self._retweets = RetweetRepository(store.reader)

    async def post(
        self,
        author: Identity,
        new: NewTweet,
        idempotency_key: str | None = None,
        *,
        tweet_id: int | None = None,
    ) -> Posted:
        """Post a tweet; see `Tweets.post`."""
        if idempotency_key is None:
            return await self._post(author, new, record_nothing, tweet_id)

        async def act(recorder: Recorder) -> Posted:
            return await self._post(author, new, recorder, tweet_id)

        async def replay(result: dict[str, Any]) -> Posted:
            # Records of earlier releases hold the tweet as it was posted.
            posted_id = result["tweet"]["id"] if "tweet" in result else result["tweet_id"]
            return Posted(await self._reading.seen_tweet(author.user_id, posted_id), False)

        request = ("tweets.create", new.request())
        return await self._idempotency.once(author.user_id, idempotency_key, request, act, replay)

    async def _post(
        self, identity: Identity, new: NewTweet, recorder: Recorder, tweet_id: int | None
    ) -> Posted:
        user = await self._authors.get(identity.user_id)
        if new.is_retweet:
            text, entities = "", stored_entities(Entities(), {})
        else:
            text, entities = await compose(
                new.text, self._max_length, self._authors.ids_of_usernames
            )
        parent = original = None
        if new.reply_to_id is not None:
            parent = await self._reading.seen_tweet(user.id, new.reply_to_id, _REPLY_TARGET)
        if new.retweet_of_id is not None:
            original = await self._original(user.id, new.retweet_of_id)
        for _ in range(ATTEMPTS):
            made_id = tweet_id or self._ids()
            tweet = tweet_of(made_id, new, user, text, entities, parent, original)
            # The id alone: what is deleted must not live on in a record.
            recorded = recorder({"tweet_id": tweet.id})
            event = adding(telling.posted(tweet, user, original))
            try:
                await self._store.writer.write(WriteBatch((*recorded, *creating(tweet), event)))
            except ConditionFailed as failed:
                _check_is_retweeted_before(failed, tweet)
                former = await self._retweeted_before(tweet, recorder)
                if former is not None:
                    return Posted(former, False)
                continue
            shown = self._reading.add(tweet, user)
            # Who must know before the request is answered: the author's own home, and all who show
            # counts of what the tweet refers to.
            told = self._timelines.posted(tweet.author_id, tweet.id, tweet.kind)
            if parent is None and original is None:
                await told
            else:
                retweeter = tweet.author_id if tweet.retweet_of_id is not None else None
                await asyncio.gather(told, self._changes.announce(targets_of(tweet), retweeter))
            return Posted(tweet, True, shown)
        raise Unavailable("The tweet is retweeted and taken back too often; try again")

    async def _retweeted_before(self, tweet: Tweet, recorder: Recorder) -> Tweet | None:
        """The retweet that there is already; None if it is taken back meanwhile.

        It is the recorded outcome too, so that a late repetition does not retweet anew.
        """
        assert tweet.retweet_of_id is not None, "nothing else is there already"
        key = (tweet.author_id, tweet.retweet_of_id)
        retweet_id = await self._retweets.retweet_of(*key)
        if retweet_id is None:
            return None
        recorded = recorder({"tweet_id": retweet_id})
        if recorded:
            still = Expect(RETWEETED.name, key, True, {"tweet_id": retweet_id}, label=_UNDONE)
            try:
                await self._store.writer.write(WriteBatch((*recorded, still)))
            except ConditionFailed as failed:
                if failed.label == _UNDONE:
                    return None
                raise
        return await self._tweets.get(retweet_id)

    async def _original(self, user_id: int, tweet_id: int) -> Original:
        """What to retweet or quote; of a retweet, the tweet that it shows.

        Raises:
            NotFound: it is not there, or not for this user.
            Forbidden: the user may see it, and others may not.
        """
        shown = await self._reading.one(user_id, tweet_id, _RETWEET_TARGET)
        entry = (shown.original or shown).entry
        if not may_be_retweeted(entry.facts, user_id):
            raise Forbidden("This tweet is not for everybody, and only its author may retweet it")
        return Original(entry.tweet, entry.author)


def _check_is_retweeted_before(failed: ConditionFailed, tweet: Tweet) -> None:
    """Return if the batch of `tweet` failed because its author retweets the original already.

    Raises:
        NotFound: what it refers to was deleted meanwhile.
        ConditionFailed: it failed for another reason.
    """
    if failed.label == ALREADY_RETWEETED:
        return
    if tweet.reply_to_id is not None and failed.label == target_label(tweet.reply_to_id):
        raise NotFound(_REPLY_TARGET) from failed
    if failed.label in map(target_label, targets_of(tweet)):
        raise NotFound(_RETWEET_TARGET) from failed
    raise failed
