"""What a stream yields. Imports nothing of the server's side.

Events with an `offset` are those of the user's log: each is yielded once, in order, or covered
by a `More` or `Reset` in its place.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from rookery.client.models import Model
from rookery.client.tweet_models import PushedTweet


class _CardEvent:
    """An event that carries a tweet. `raw` is the tweet as it came; do not change it.

    The typed view is made when it is first asked for, since many readers (counters, filters,
    load generators) never do.
    """

    __slots__ = ("_tweet", "offset", "raw")

    def __init__(self, offset: int, raw: dict[str, Any]) -> None:
        self.offset = offset
        self.raw = raw
        self._tweet: PushedTweet | None = None

    @property
    def tweet(self) -> PushedTweet:
        """The tweet.

        Raises:
            msgspec.ValidationError: the server sent something else.
        """
        tweet = self._tweet
        if tweet is None:
            tweet = self._tweet = msgspec.convert(self.raw, PushedTweet)
        return tweet

    @property
    def tweet_id(self) -> str:
        """The tweet's id, without making the view."""
        value: str = self.raw["id"]
        return value

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.offset == other.offset and self.raw == other.raw

    def __hash__(self) -> int:
        return hash((type(self), self.offset))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(offset={self.offset}, raw={self.raw!r})"


class TweetEvent(_CardEvent):
    """A new tweet in the home timeline."""

    __slots__ = ()


class TweetEdited(_CardEvent):
    """A tweet of the home timeline has another text."""

    __slots__ = ()


SHOWN: Mapping[str, type[TweetEvent | TweetEdited]] = MappingProxyType(
    {"tweet": TweetEvent, "tweet_edited": TweetEdited}
)
"""What messages of these types are, which bring a tweet."""


class TweetDeleted(msgspec.Struct, frozen=True):
    """A tweet of the home timeline is gone."""

    offset: int
    tweet_id: str


class TweetUnavailable(msgspec.Struct, frozen=True):
    """A tweet that came while the stream was cut, and is gone meanwhile."""

    offset: int
    tweet_id: str


class More(msgspec.Struct, frozen=True):
    """`count` events up to `offset` were too many to send singly: fetch home to see them."""

    offset: int
    count: int


class Reset(msgspec.Struct, frozen=True):
    """What was missed is not known any more: fetch home; the stream goes on from here."""

    epoch: str
    offset: int
    reason: str


class TweetCounts(Model, frozen=True, kw_only=True):
    """The present counts of a watched tweet."""

    tweet_id: str
    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int


class Counts(msgspec.Struct, frozen=True):
    """Counts of watched tweets that have changed."""

    counts: tuple[TweetCounts, ...]


class Connected(msgspec.Struct, frozen=True):
    """The stream is live. If it was `resumed`, what was missed follows."""

    epoch: str
    offset: int
    resumed: bool
    heartbeat_s: float


class Disconnected(msgspec.Struct, frozen=True):
    """The stream was cut, or could not be opened; it tries again after `retry_in_s`.

    `code` is the WebSocket close code, if there was one.
    """

    code: int | None
    reason: str
    retry_in_s: float


LogEvent: TypeAlias = TweetEvent | TweetEdited | TweetDeleted | TweetUnavailable | More
Event: TypeAlias = LogEvent | Reset | Counts | Connected | Disconnected
