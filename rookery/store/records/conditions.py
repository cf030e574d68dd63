"""Conditions that changes of several nouns have in common."""

from rookery.store.engine import Expect
from rookery.store.schema import TWEETS

TWEET_EXISTS = "tweet"


def tweet_exists(tweet_id: int) -> Expect:
    """The condition `TWEET_EXISTS`."""
    return Expect(TWEETS.name, (tweet_id,), True, label=TWEET_EXISTS)
