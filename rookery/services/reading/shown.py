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
    entries of their own. Surfaces keep in `cards` what they rendered of the tweet with its author,
    by their names.

    While it is in the cache, `common` is what the cache keeps of it, and `shown_by` are those
    entries whose `common` shows this one as well.
    """

    __slots__ = (
        "_facts",
        "author",
        "card_until_ms",
        "cards",
        "common",
        "counts",
        "counts_until_ms",
        "is_restricted",
        "joined",
        "refers_to",
        "shown_by",
        "tweet",
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
        self.card_until_ms = card_until_ms
        self.cards: dict[str, Any] = {}
        self.joined: tuple[Facts, Facts] | None = None
        self.common: Common | None = None
        self.shown_by: set[Entry] | None = None
        self.counts = NO_COUNTS
        self.counts_until_ms = 0

    @property
    def facts(self) -> Facts:
        if self._facts is None:
            self._facts = facts_of(self.tweet, self.author)
        return self._facts

    @property
    def subject_ids(self) -> tuple[int, int]:
        """What a viewer may hide it by, without what belongs to an original."""
        return self.tweet.author_id, self.tweet.conversation_id

    def count(self, counts: TweetCounts, until_ms: int) -> None:
        """Replace the counts, which may be used until `until_ms`."""
        if counts != self.counts:
            self.counts = counts
            if self.common is not None:
                self.common.rendered_by = None
            self.part()
        self.expire_counts(until_ms)

    def expire_counts(self, until_ms: int = 0) -> None:
        """Let the counts be read again from `until_ms` on."""
        self.counts_until_ms = until_ms
        if self.common is not None and not self.refers_to:
            self.common.use_until(until_ms)
        if not until_ms:
            self.part()

    def part(self) -> None:
        """Have it joined anew with what it shows, and what shows it with it; to be called when it
        changes."""
        if self.common is not None and self.refers_to:
            self.common.use_until(0)
        if self.shown_by is not None:
            shown_by, self.shown_by = self.shown_by, None
            for each in shown_by:
                if each.common is not None:
                    each.common.use_until(0)

    def leave(self) -> None:
        """To be called when it leaves the cache: nobody hears of its changes from then on."""
        self.part()
        self.common = None


# As a tweet, of no concern to the garbage collector.
class Shown(msgspec.Struct, gc=False):
    """A tweet for one viewer.

    `marks` are `Marks` bits; None for somebody who is not signed in. `original` is there for a
    retweet, and `quoted` for a quote; what is quoted comes without what it quotes itself. `whole`
    is what the surface `rendered_by` made of all of it, where that is kept.
    """

    entry: Entry
    marks: int | None
    original: "Shown | None" = None
    quoted: "Shown | Unavailable | None" = None
    rendered_by: str | None = None
    whole: Any = None

    @property
    def id(self) -> int:
        return self.entry.tweet.id


class Common(Shown, gc=False):
    """A tweet as most people see it: who marked nothing of it, hides nobody and may see it all.

    The cache keeps it, with what it retweets or quotes once it was joined with that. It may be used
    until `until_ms`; `plain_until_ms` is the same, but 0 where some of it is not for everybody.
    `parts`: its entry, and those of all that it shows. `author_ids`: who wrote them; `subject_ids`:
    the users and conversations that they may be hidden by. `narrow`: the facts of those that are
    not for everybody.

    Of the tweets of a page this is all that is looked at, so it has everything in itself: to fetch
    what lies elsewhere in memory takes longer than all else that is done with it.
    """

    until_ms: int = 0
    plain_until_ms: int = 0
    parts: tuple[Entry, ...] = ()
    author_ids: tuple[int, ...] = ()
    subject_ids: tuple[int, ...] = ()
    tweet_ids: tuple[int, ...] = ()
    narrow: tuple[Facts, ...] = ()

    def use_until(self, until_ms: int) -> None:
        """Let it be used until then."""
        self.until_ms = until_ms
        self.plain_until_ms = 0 if self.narrow else until_ms


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
