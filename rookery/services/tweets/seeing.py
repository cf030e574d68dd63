"""Tweets that a user names in order to do something with them."""

from collections.abc import Sequence
from typing import Protocol

from rookery.domain.visibility import Facts
from rookery.errors import NotFound
from rookery.models import Tweet, User
from rookery.store.engine import Reader
from rookery.store.records.tweets import TweetRepository


class SeenTweets(Protocol):
    """Finds tweets for those who may see them."""

    async def seen_tweet(self, viewer_id: int | None, tweet_id: int) -> Tweet:
        """The tweet, if `viewer_id` may see it.

        Raises:
            NotFound: there is none, or not for this viewer; the two cannot be told apart.
        """
        ...

    async def seen_among(self, viewer_id: int | None, tweet_ids: Sequence[int]) -> list[int]:
        """Those of the tweets that `viewer_id` may see, in order."""
        ...


class StoredTweets:
    """`SeenTweets` in which everybody sees everything."""

    def __init__(self, reader: Reader) -> None:
        self._tweets = TweetRepository(reader)

    async def seen_tweet(self, viewer_id: int | None, tweet_id: int) -> Tweet:
        tweet = await self._tweets.get(tweet_id)
        if tweet is None:
            raise NotFound("Tweet not found")
        return tweet

    async def seen_among(self, viewer_id: int | None, tweet_ids: Sequence[int]) -> list[int]:
        existing = await self._tweets.existing(tweet_ids)
        return [tweet_id for tweet_id in tweet_ids if tweet_id in existing]


def facts_of(tweet: Tweet, author: User, original: Facts | None = None) -> Facts:
    """What decides who may see a tweet; `author` must be its author."""
    return Facts(
        author_id=tweet.author_id,
        conversation_id=tweet.conversation_id,
        visibility=tweet.visibility,
        author_is_private=author.is_private,
        author_status=author.status,
        mentioned=mentioned_in(tweet),
        original=original,
    )


def mentioned_in(tweet: Tweet) -> frozenset[int]:
    """Ids of the users whom a tweet mentions."""
    mentions = tweet.entities.get("mentions", ())
    return frozenset(int(each["id"]) for each in mentions if each["id"] is not None)
