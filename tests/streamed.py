"""Tweets for streams, and a stand-in for where connection servers read them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from rookery.connection.rendering import pushed_record
from rookery.events.kinds import TweetRecord
from rookery.models import Tweet, TweetCounts, User
from rookery.views import PushedTweet

AUTHOR = 1


def record(
    tweet_id: int,
    text: str = "hello",
    author_id: int = AUTHOR,
    original: TweetRecord | None = None,
    **fields: Any,
) -> TweetRecord:
    """A tweet by an author who has a name; `fields` are the tweet's further ones."""
    fields.setdefault("conversation_id", tweet_id)
    tweet = Tweet(id=tweet_id, author_id=author_id, text=text, **fields)
    author = User(id=author_id, username=f"user{author_id}", name="Somebody")
    return TweetRecord(tweet, author, original)


def packed(tweet_id: int, text: str = "hello") -> bytes:
    """A record as deliveries carry it."""
    return msgspec.msgpack.encode(record(tweet_id, text))


class FakeTweets:
    """A `TweetPort` in dictionaries.

    `tweets` are those that can be fetched, `hidden` (user id, tweet id)s that the user may not see.
    `values` are the counts. `count_calls` and `visible_calls` tell what was asked for; `visible`
    raises `failure` while there is one.
    """

    def __init__(self) -> None:
        self.tweets: dict[int, TweetRecord] = {}
        self.hidden: set[tuple[int, int]] = set()
        self.values: dict[int, TweetCounts] = {}
        self.count_calls: list[list[int]] = []
        self.visible_calls: list[tuple[int, list[int]]] = []
        self.failure: Exception | None = None

    async def counts(self, tweet_ids: Sequence[int]) -> dict[int, TweetCounts]:
        self.count_calls.append(sorted(tweet_ids))
        return {each: self.values[each] for each in tweet_ids if each in self.values}

    async def missed(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, PushedTweet]:
        return {
            each: pushed_record(self.tweets[each])
            for each in tweet_ids
            if each in self.tweets and (user_id, each) not in self.hidden
        }

    async def visible(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        self.visible_calls.append((user_id, sorted(tweet_ids)))
        if self.failure is not None:
            raise self.failure
        known = self.values.keys() | self.tweets.keys()
        return {
            each: (AUTHOR,)
            for each in tweet_ids
            if each in known and (user_id, each) not in self.hidden
        }
