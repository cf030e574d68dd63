"""How tweets look in a stream."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest

from rookery.connection.rendering import event_of
from rookery.connection.wire import JSON, MSGPACK
from rookery.events.kinds import TweetRecord
from rookery.messages import Push
from rookery.models import EventKind
from tests.streamed import record

from .fakes import messages_of

COUNTS_AND_FLAGS = {"likeCount", "retweetCount", "replyCount", "quoteCount", "liked", "retweeted"}


def pushed(of: TweetRecord, *, hides_quote: bool = False) -> dict[str, Any]:
    """The tweet in the frame of a push, which is the same in both encodings."""
    data = msgspec.msgpack.encode(of)
    push = Push(EventKind.TWEET, of.tweet.id, data, b"", b"", hides_quote)
    event = event_of(push)
    assert event is not None
    (message,) = messages_of(JSON.event_frame(event, 1))
    frame = MSGPACK.event_frame(event, 1)
    start = {126: 4, 127: 10}.get(frame[1], 2)
    assert msgpack.unpackb(frame[start:]) == message
    tweet: dict[str, Any] = message["tweet"]
    return tweet


def test_a_tweet_comes_without_counts_and_flags() -> None:
    """They change, and would be somebody else's."""
    tweet = pushed(record(50, "hello"))
    assert (tweet["id"], tweet["text"], tweet["author"]["username"]) == ("50", "hello", "user1")
    assert (tweet["retweetOf"], tweet["quoteOf"]) == (None, None)
    assert not COUNTS_AND_FLAGS & tweet.keys()


def test_a_retweet_brings_its_original() -> None:
    """As a card of the same kind."""
    tweet = pushed(record(51, "", original=record(50, "first", author_id=2), retweet_of_id=50))
    assert tweet["retweetOf"]["text"] == "first"
    assert tweet["retweetOf"]["author"]["id"] == "2"
    assert tweet["quoteOf"] is None
    assert not COUNTS_AND_FLAGS & tweet["retweetOf"].keys()


def test_a_quote_brings_what_it_quotes() -> None:
    """One level deep."""
    quoted = record(50, "first", author_id=2, quote_of_id=49)
    tweet = pushed(record(51, "look", original=quoted, quote_of_id=50))
    assert tweet["quoteOf"]["text"] == "first"
    assert tweet["quoteOf"]["quoteOfId"] == "49"
    assert "quoteOf" not in tweet["quoteOf"]
    assert tweet["retweetOf"] is None


@pytest.mark.parametrize("has_original", [True, False])
def test_what_is_hidden_shows_nothing_but_its_id(has_original: bool) -> None:
    """Where there is a block between these users and its author."""
    quoted = record(50, "secret", author_id=2) if has_original else None
    tweet = pushed(record(51, "look", original=quoted, quote_of_id=50), hides_quote=True)
    assert tweet["quoteOf"] == {"id": "50", "unavailable": "hidden"}
    assert tweet["text"] == "look"


@pytest.mark.parametrize("shows", [{"quote_of_id": 50}, {"retweet_of_id": 50}])
def test_what_not_everybody_may_see_is_looked_up_for_each(shows: dict[str, int]) -> None:
    """A record without what it shows says neither that it is hidden nor that it is gone."""
    data = msgspec.msgpack.encode(record(51, "look", original=None, **shows))
    assert event_of(Push(EventKind.TWEET_EDITED, 51, data, b"", b"")) is None


def test_what_cannot_be_read_has_the_client_refetch() -> None:
    """A server of another version may have sent it; the sequence goes on."""
    event = event_of(Push(EventKind.TWEET, 50, b"\x93\x01\x02\x03", b"", b""))
    assert event is not None
    assert messages_of(JSON.event_frame(event, 4)) == [{"type": "more", "offset": 4, "count": 1}]


def test_a_deletion_needs_no_record() -> None:
    """Its id is enough."""
    event = event_of(Push(EventKind.TWEET_DELETED, 50, b"", b"", b""))
    assert event is not None
    (message,) = messages_of(JSON.event_frame(event, 4))
    assert message == {"type": "tweet_deleted", "offset": 4, "tweetId": "50"}
