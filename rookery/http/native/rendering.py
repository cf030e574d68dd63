"""Tweets as JSON of the native surface.

A tweet's JSON has parts that change at different times: the *card*, the same for everybody until an
edit; the counts behind it; and the *tail*, the viewer's flags, of which there are nine in all. An
entry keeps its card, and the card with counts, as bytes; so a page is joined from bytes, and
nothing is encoded twice or cut.
"""

from collections.abc import Sequence

import msgspec

from rookery.services.reading.shown import Entry, Marks, Place, Shown, Unavailable
from rookery.views import tweet_card

SURFACE = "native"
_encode = msgspec.json.Encoder().encode
_NO_REFERENCES = b',"retweetOf":null,"quoteOf":null'
_NAMES = ((Marks.LIKED, "liked"), (Marks.RETWEETED, "retweeted"), (Marks.BOOKMARKED, "bookmarked"))
ANONYMOUS_TAIL = b"}"


def _tail(marks: int) -> bytes:
    flags = (f',"{name}":{"true" if marks & bit else "false"}' for bit, name in _NAMES)
    return "".join(flags).encode() + b"}"


TAILS = tuple(_tail(marks) for marks in range(8))
"""By the bits of `Marks`, for whoever is signed in."""


class _Rendered:
    """The bytes of one entry.

    `open` ends before the flags, for a tweet that refers to none before what it refers to.
    `unmarked` is whole, as most who read it see it: signed in, and without having marked it.
    """

    __slots__ = ("card", "counts", "open", "unmarked")

    def __init__(self, entry: Entry) -> None:
        self.card = _encode(tweet_card(entry.tweet, entry.author))[:-1]
        self.count(entry)

    def count(self, entry: Entry) -> None:
        """Take in the counts that the entry has by now."""
        self.counts = counts = entry.counts
        tail = (
            f',"likeCount":{counts.likes},"retweetCount":{counts.retweets}'
            f',"replyCount":{counts.replies},"quoteCount":{counts.quotes}'
            f',"pinned":{"true" if counts.pins else "false"}'
        )
        self.open = self.card + tail.encode()
        if not entry.refers_to:
            self.open += _NO_REFERENCES
        self.unmarked = self.open + TAILS[0]


def _rendered(entry: Entry) -> _Rendered:
    rendered: _Rendered | None = entry.cards.get(SURFACE)
    if rendered is None:
        rendered = entry.cards[SURFACE] = _Rendered(entry)
    elif rendered.counts is not entry.counts:
        rendered.count(entry)
    return rendered


def tweet_json(shown: Shown) -> bytes:
    """A tweet as `TweetView`."""
    entry = shown.entry
    rendered = _rendered(entry)
    if not entry.refers_to:
        marks = shown.marks
        if marks == 0:
            return rendered.unmarked
        return rendered.open + (ANONYMOUS_TAIL if marks is None else TAILS[marks])
    return b'%b,"retweetOf":%b,"quoteOf":%b%b' % (
        rendered.open,
        b"null" if shown.original is None else tweet_json(shown.original),
        _quoted_json(shown.quoted),
        ANONYMOUS_TAIL if shown.marks is None else TAILS[shown.marks],
    )


def _quoted_json(quoted: Place | None) -> bytes:
    if quoted is None:
        return b"null"
    if isinstance(quoted, Unavailable):
        return place_json(quoted)
    if not quoted.entry.refers_to:
        return tweet_json(quoted)
    # One level is shown: what it quotes itself is the id in its card.
    tail = ANONYMOUS_TAIL if quoted.marks is None else TAILS[quoted.marks]
    return _rendered(quoted.entry).open + _NO_REFERENCES + tail


def place_json(place: Place) -> bytes:
    """A tweet as `TweetView`, or what stands in its place as `UnavailableTweet`."""
    if isinstance(place, Unavailable):
        return b'{"id":"%d","unavailable":"%b"}' % (place.tweet_id, place.reason.encode())
    return tweet_json(place)


def tweets_json(tweets: Sequence[Shown]) -> list[bytes]:
    """Each tweet as `TweetView`."""
    found = []
    for shown in tweets:
        rendered = shown.entry.cards.get(SURFACE)
        if (
            rendered is not None
            and shown.marks == 0
            and rendered.counts is shown.entry.counts
            and not shown.entry.refers_to
        ):
            found.append(rendered.unmarked)  # Most of all tweets; the rest of this is for these.
        else:
            found.append(tweet_json(shown))
    return found
