"""Events that carry a tweet."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from rookery.client.events import TweetEdited, TweetEvent
from rookery.client.models import User
from rookery.client.tweet_models import Tweet

CARD: dict[str, Any] = {
    "id": "7",
    "text": "hello",
    "createdAt": "2026-01-31T12:00:00.000Z",
    "editedAt": None,
    "version": 1,
    "author": {"id": "1", "username": "ann", "name": "Ann", "avatarUrl": "", "badge": "new"},
    "entities": {"mentions": [], "hashtags": [], "cashtags": [], "urls": []},
    "inReplyToId": None,
    "inReplyToUserId": None,
    "conversationId": "7",
    "retweetOfId": None,
    "quoteOfId": None,
    "media": [],
    "sensitive": False,
    "lang": None,
    "visibility": "public",
    "fieldOfANewerServer": {"a": 1},
}


def test_the_view_is_typed_and_made_once() -> None:
    """Fields that are not known are ignored."""
    event = TweetEvent(3, CARD)
    assert event.tweet.created_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert event.tweet.author.username == "ann"
    assert event.tweet is event.tweet
    assert event.tweet_id == "7"


def test_a_malformed_tweet_is_noticed_when_it_is_read() -> None:
    """Not before, since most readers do not look."""
    event = TweetEvent(3, {"id": 7})
    with pytest.raises(msgspec.ValidationError):
        _ = event.tweet


def test_events_are_compared_by_kind_and_content() -> None:
    """A tweet is not its edit."""
    assert TweetEvent(3, CARD) == TweetEvent(3, dict(CARD))
    assert TweetEvent(3, CARD) != TweetEvent(4, CARD)
    assert TweetEvent(3, CARD) != TweetEdited(3, CARD)


def test_flags_that_are_not_there_are_none() -> None:
    """Without a viewer the server leaves them out."""
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    assert msgspec.convert({**CARD, **counts}, Tweet).liked is None
    assert set(User.__struct_defaults__) == {None}
