"""Tweets as bytes, against encoding the whole view."""

from typing import Any

import msgspec
import pytest

from rookery.http.native.rendering import place_json, tweet_json, tweets_json
from rookery.models import Tweet, TweetCounts, User
from rookery.services.reading.common import single
from rookery.services.reading.shown import Entry, Marks, Shown, Unavailable
from rookery.views import TweetView, tweet_card

ANN = User(id=1, username="ann", name="Ann")


def entry(tweet_id: int, counts: TweetCounts | None = None, **fields: Any) -> Entry:
    entities: dict[str, list[Any]] = {"mentions": [], "hashtags": [], "cashtags": [], "urls": []}
    fields = {"text": "hi", "conversation_id": tweet_id, "entities": entities, **fields}
    tweet = Tweet(id=tweet_id, author_id=1, **fields)
    made = Entry(tweet, ANN, 0)
    made.count(counts or TweetCounts(), 0)
    return made


def view(shown: Shown) -> dict[str, Any]:
    """The whole view of something without references, as JSON values."""
    made, marks = shown.entry, shown.marks
    card = msgspec.structs.asdict(tweet_card(made.tweet, made.author))
    flags: dict[str, Any] = {}
    if marks is not None:
        flags = {str(mark.name).lower(): bool(marks & mark) for mark in Marks}
    whole = TweetView(
        **card,
        like_count=made.counts.likes,
        retweet_count=made.counts.retweets,
        reply_count=made.counts.replies,
        quote_count=made.counts.quotes,
        pinned=bool(made.counts.pins),
        retweet_of=None,
        quote_of=None,
        **flags,
    )
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
    return body


@pytest.mark.parametrize("marks", [None, *range(1 << len(Marks))])
def test_the_joined_bytes_are_the_json_of_a_tweet_view(marks: int | None) -> None:
    """Byte for byte, for each combination of flags and for who is not signed in."""
    counts = TweetCounts(likes=1, retweets=2, replies=3, quotes=4, pins=1)
    shown = Shown(entry(5, counts), marks)
    body = tweet_json(shown)
    assert msgspec.json.decode(body) == view(shown)
    assert msgspec.json.encode(msgspec.json.decode(body, type=TweetView)) == body


def test_what_a_retweet_shows_is_whole() -> None:
    """With its own counts and flags, and what it quotes."""
    quoted = Shown(entry(3, TweetCounts(likes=9), quote_of_id=2), int(Marks.BOOKMARKED))
    original = Shown(entry(5, TweetCounts(likes=7), quote_of_id=3), 3, quoted=quoted)
    retweet = Shown(entry(6, text="", retweet_of_id=5), 0, original=original)
    body = msgspec.json.decode(tweet_json(retweet))
    assert (body["id"], body["retweetOfId"], body["quoteOf"]) == ("6", "5", None)
    inner = body["retweetOf"]
    assert (inner["id"], inner["likeCount"], inner["retweetOf"]) == ("5", 7, None)
    assert (inner["liked"], inner["retweeted"], inner["bookmarked"]) == (True, True, False)
    deepest = inner["quoteOf"]
    assert (deepest["likeCount"], deepest["bookmarked"]) == (9, True)
    assert (deepest["quoteOfId"], deepest["quoteOf"]) == ("2", None)
    assert deepest == view(quoted)


def test_a_quote_keeps_the_place_of_what_is_gone() -> None:
    """Why is said; a field that says nothing is null."""
    for reason in ("deleted", "hidden"):
        quote = Shown(entry(6, quote_of_id=5), None, quoted=Unavailable(5, reason))
        body = msgspec.json.decode(tweet_json(quote))
        assert body["quoteOf"] == {"id": "5", "unavailable": reason}
        assert body["retweetOf"] is None
        assert "liked" not in body
    assert place_json(Unavailable(7, "hidden")) == b'{"id":"7","unavailable":"hidden"}'


def test_bytes_that_are_kept_follow_the_counts() -> None:
    """Whether they were rendered before or not."""
    made = entry(5)
    shown = made.common = single(made)
    for likes in (1, 2, 2, 0):
        made.count(TweetCounts(likes=likes), 0)
        for _ in range(2):
            [body] = tweets_json([shown])
            assert msgspec.json.decode(body)["likeCount"] == likes
    again, other = tweets_json([shown, Shown(made, 1)])
    assert msgspec.json.decode(again)["liked"] is False
    assert msgspec.json.decode(other)["liked"] is True
