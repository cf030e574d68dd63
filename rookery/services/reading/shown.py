"""What a reading gives: tweets as one viewer sees them, as records that every surface can render.

No I/O.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from rookery.domain.visibility import Facts, is_restricted
from rookery.models import Tweet, TweetCounts, User
from rookery.services.reading.facts import facts_of
from rookery.store.records.tweets import NO_COUNTS
from rookery.store.records.viewers import Marks as Marks


class Entry:
    """A tweet with what showing it takes, the same for every viewer.

    `facts` are its own, without those of an original; they are made when somebody asks, which for
    most tweets nobody does. `refers_to` are the ids of what it retweets or quotes, which have
    entries of their own. `is_plain`: whoever hides nothing can be shown it by its counts and marks
    alone.

    Surfaces keep here what they rendered, by their names: in `cards` the tweet with its author, in
    `wholes` the same with counts, as it is shown to those who marked nothing. `wholes` are emptied
    when the counts change.
    """

    __slots__ = (
        "_facts",
        "author",
        "card_until_ms",
        "cards",
        "counts",
        "counts_until_ms",
        "is_plain",
        "is_restricted",
        "joined",
        "plain_until_ms",
        "refers_to",
        "tweet",
        "wholes",
    )

    def __init__(self, tweet: Tweet, author: User, card_until_ms: int) -> None:
        self.tweet = tweet
        self.author = author
        self._facts: Facts | None = None
        self.is_restricted = is_restricted(tweet.visibility, author.is_private, author.status)
        self.refers_to: tuple[int, ...] = ()
        if tweet.retweet_of_id is not None or tweet.quote_of_id is not None:
            referred = (tweet.retweet_of_id, tweet.quote_of_id)
            self.refers_to = tuple(each for each in referred if each is not None)
        self.is_plain = not self.is_restricted and not self.refers_to
        self.card_until_ms = card_until_ms
        self.cards: dict[str, Any] = {}
        self.wholes: dict[str, Any] = {}
        self.joined: tuple[Facts, Facts] | None = None
        self.counts = NO_COUNTS
        self.expire_counts()

    def count(self, counts: TweetCounts, until_ms: int) -> None:
        """Replace the counts, which may be used until `until_ms`."""
        if counts != self.counts:
            self.counts = counts
            self.wholes.clear()
        self.expire_counts(until_ms)

    def expire_counts(self, until_ms: int = 0) -> None:
        """Let the counts be read again from `until_ms` on."""
        self.counts_until_ms = until_ms
        self.plain_until_ms = until_ms if self.is_plain else 0

    @property
    def facts(self) -> Facts:
        if self._facts is None:
            self._facts = facts_of(self.tweet, self.author)
        return self._facts

    @property
    def subject_ids(self) -> tuple[int, ...]:
        """What a viewer may hide it by, without what belongs to an original."""
        return self.facts.subject_ids


# As a tweet, of no concern to the garbage collector.
class Shown(msgspec.Struct, frozen=True, gc=False):
    """A tweet for one viewer.

    `marks` are `Marks` bits; None for somebody who is not signed in. `original` is there for a
    retweet, and `quoted` for a quote; what is quoted comes without what it quotes itself. `wholes`
    are those of the entry if it is plain and the viewer marked nothing, otherwise None.
    """

    entry: Entry
    marks: int | None
    original: "Shown | None" = None
    quoted: "Shown | Unavailable | None" = None
    wholes: dict[str, Any] | None = None

    @property
    def id(self) -> int:
        return self.entry.tweet.id


class Unavailable(NamedTuple):
    """What stands in the place of a tweet that is gone, or not for this viewer."""

    tweet_id: int
    reason: Literal["deleted", "hidden"]


Place: TypeAlias = Shown | Unavailable


def id_of(place: Place) -> int:
    """The id of the tweet that stands here, or should."""
    return place.id if isinstance(place, Shown) else place.tweet_id


class ShownPage(NamedTuple):
    """Tweets in the order of the list, and the position of the next page; 0 when it ends here."""

    tweets: list[Shown]
    next_id: int

    @property
    def ids(self) -> list[int]:
        return [each.id for each in self.tweets]
