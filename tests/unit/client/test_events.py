"""Events that carry a tweet."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest

from rookery import client, views
from rookery.client import events
from rookery.client.events import TweetEdited, TweetEvent
from rookery.client.models import User
from rookery.client.tweet_models import MissingTweet, Tweet, TweetCard
from rookery.client.wire import Encoding, decoder_of
from rookery.connection.rendering import pushed, unavailable

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


def test_each_event_is_exported() -> None:
    """By its own name, from the package."""
    for event in get_args(events.Event):
        assert getattr(client, event.__name__) is event
        assert event.__name__ in client.__all__


def test_flags_that_are_not_there_are_none() -> None:
    """Without a viewer the server leaves them out."""
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    assert msgspec.convert({**CARD, **counts}, Tweet).liked is None
    flags = [each for each in msgspec.structs.fields(User) if each.type == bool | None]
    assert len(flags) > 3
    assert all(each.default is None for each in flags)


SHOWN = views.TweetCard(
    id="8",
    text="",
    created_at="2026-01-31T12:00:00.000Z",
    edited_at=None,
    version=1,
    author=views.UserRef(id="2", username="bob", name="Bob", avatar_url=""),
    entities={"mentions": [], "hashtags": [], "cashtags": [], "urls": []},
    in_reply_to_id=None,
    in_reply_to_user_id=None,
    conversation_id="8",
    retweet_of_id=None,
    quote_of_id=None,
    media=[],
    sensitive=False,
    lang=None,
    visibility="public",
)
ORIGINAL = msgspec.convert({**CARD, "id": "6"}, views.TweetCard)


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_retweets_and_quotes_bring_what_they_refer_to(encoding: Encoding) -> None:
    """As the server renders it: a tweet, what stands in its place, or nothing."""
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    read = decoder_of(encoding)

    retweet = TweetEvent(3, read(encode(pushed(SHOWN, retweet_of=ORIGINAL)))).tweet
    assert retweet.retweet_of == msgspec.convert({**CARD, "id": "6"}, TweetCard)
    assert retweet.quote_of is None
    quote = TweetEvent(3, read(encode(pushed(SHOWN, quote_of=ORIGINAL)))).tweet
    assert quote.retweet_of is None
    assert quote.quote_of == retweet.retweet_of
    lost = TweetEvent(3, read(encode(pushed(SHOWN, quote_of=unavailable(6, "hidden"))))).tweet
    assert lost.quote_of == MissingTweet(id="6", unavailable="hidden")
    plain = TweetEvent(3, read(encode(pushed(SHOWN)))).tweet
    assert (plain.retweet_of, plain.quote_of) == (None, None)


@pytest.mark.parametrize("quoted", [{"id": "6"}, {"id": "6", "unavailable": "lost"}, {}])
def test_a_malformed_quote_is_noticed_with_its_tweet(quoted: dict[str, Any]) -> None:
    """Not first when somebody asks for what it quotes."""
    with pytest.raises(msgspec.ValidationError):
        _ = TweetEvent(3, {**CARD, "quoteOf": quoted}).tweet
    counts = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**CARD, **counts, "quoteOf": quoted}, Tweet)
