"""Tweets as JSON of the native surface.

A tweet's JSON has parts that change at different times: the *card*, the same for everybody until an
edit; the counts behind it; and the *tail*, the viewer's flags, one for each of `Marks`. An
entry keeps its card, the card with counts, and the whole as most who read it see it (signed in,
without having marked it) as bytes; so a page is joined from bytes, and nothing is encoded twice or
cut.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from rookery.models import TweetCounts
from rookery.services.reading.shown import Common, Entry, Marks, Place, Shown, Unavailable
from rookery.views import tweet_card

SURFACE = "native"
_encode = msgspec.json.Encoder().encode
_NO_REFERENCES = b',"retweetOf":null,"quoteOf":null'
_FLAGS = tuple((mark, str(mark.name).lower()) for mark in Marks)
ANONYMOUS_TAIL = b"}"


def _tail(marks: int) -> bytes:
    flags = (f',"{name}":{"true" if marks & bit else "false"}' for bit, name in _FLAGS)
    return "".join(flags).encode() + b"}"


TAILS = tuple(_tail(marks) for marks in range(1 << len(Marks)))
"""By the bits of `Marks`, for whoever is signed in."""


@lru_cache(maxsize=4096)
def _counted(counts: TweetCounts, has_references: bool) -> bytes:
    """What comes behind the card; the same for most tweets, of which little was made."""
    tail = (
        f',"likeCount":{counts.likes},"retweetCount":{counts.retweets}'
        f',"replyCount":{counts.replies},"quoteCount":{counts.quotes}'
        f',"pinned":{"true" if counts.pins else "false"}'
    )
    return tail.encode() + (b"" if has_references else _NO_REFERENCES)


class _Rendered:
    """The bytes of one entry: its card, open at the end, and the counts that come behind it."""

    __slots__ = ("card", "counted", "counts")

    def __init__(self, entry: Entry) -> None:
        self.card = _encode(tweet_card(entry.tweet, entry.author))[:-1]
        self.count(entry)

    def count(self, entry: Entry) -> None:
        """Take in the counts that the entry has by now."""
        self.counts = entry.counts
        self.counted = _counted(entry.counts, bool(entry.refers_to))


def _rendered(entry: Entry) -> _Rendered:
    rendered: _Rendered | None = entry.cards.get(SURFACE)
    if rendered is None:
        rendered = entry.cards[SURFACE] = _Rendered(entry)
    elif rendered.counts is not entry.counts:
        rendered.count(entry)
    return rendered


def _joined(entry: Entry, *tail: bytes) -> bytes:
    rendered = _rendered(entry)
    return b"".join((rendered.card, rendered.counted, *tail))


def tweets_json(tweets: Sequence[Shown]) -> list[bytes]:
    """Each tweet as `TweetView`."""
    return [shown.whole if shown.rendered_by is SURFACE else tweet_json(shown) for shown in tweets]


def new_tweet_json(shown: Shown) -> bytes:
    """A plain tweet as `TweetView` for its author, who posted it just now. Of what is answered only
    the card is kept: the whole is kept of what is read."""
    return _joined(shown.entry, TAILS[0])


def tweet_json(shown: Shown) -> bytes:
    """A tweet as `TweetView`."""
    if not isinstance(shown, Common):
        return _whole_json(shown)
    if shown.rendered_by is not SURFACE:
        shown.whole = _whole_json(shown)
        shown.rendered_by = SURFACE
    whole: bytes = shown.whole
    return whole


def _whole_json(shown: Shown) -> bytes:
    entry, marks = shown.entry, shown.marks
    tail = ANONYMOUS_TAIL if marks is None else TAILS[marks]
    if not entry.refers_to:
        return _joined(entry, tail)
    original = b"null" if shown.original is None else tweet_json(shown.original)
    quoted = _quoted_json(shown.quoted)
    return _joined(entry, b',"retweetOf":', original, b',"quoteOf":', quoted, tail)


def _quoted_json(quoted: Place | None) -> bytes:
    if quoted is None:
        return b"null"
    if isinstance(quoted, Unavailable):
        return place_json(quoted)
    if not quoted.entry.refers_to:
        return tweet_json(quoted)
    # One level is shown: what it quotes itself is the id in its card.
    tail = ANONYMOUS_TAIL if quoted.marks is None else TAILS[quoted.marks]
    return _joined(quoted.entry, _NO_REFERENCES, tail)


def place_json(place: Place) -> bytes:
    """A tweet as `TweetView`, or what stands in its place as `UnavailableTweet`."""
    if isinstance(place, Unavailable):
        return b'{"id":"%d","unavailable":"%b"}' % (place.tweet_id, place.reason.encode())
    return tweet_json(place)
