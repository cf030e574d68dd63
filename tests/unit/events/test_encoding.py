"""Events as bytes, and entries of former releases."""

import msgspec
import pytest

from rookery.events.encoding import (
    StoredEvent,
    decoded,
    encoded,
    read_record,
    tweet_record,
    without_secrets,
)
from rookery.events.kinds import (
    Event,
    FollowChanged,
    HiddenChanged,
    PrivacyChanged,
    TweetDeleted,
    TweetEdited,
    TweetPosted,
    TweetRecord,
)
from rookery.models import EventKind, Tweet, User
from rookery.store.engine import Document
from rookery.store.records.outbox import adding, stored_event
from rookery.views import tweet_card

USER = User(
    id=7, username="ada", name="Ada", email="ada@example.org", password_hash="$argon2id$secret"
)
TWEET = Tweet(id=9 << 22, author_id=7, text="hello", conversation_id=9 << 22)
EVENTS: list[Event] = [
    TweetPosted(id=1, tweet_id=1, author_id=7, conversation_id=1, audience=[7, 8], record=b"r"),
    TweetEdited(id=2, tweet_id=1, author_id=7, conversation_id=1, kind=8, original_author_id=3),
    TweetDeleted(id=3, tweet_id=1, author_id=7, conversation_id=1),
    FollowChanged(id=4, follower_id=7, followee_id=8, follows=False),
    HiddenChanged(id=5, user_ids=[7, 8]),
    PrivacyChanged(id=6, user_id=7),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_comes_out_of_the_outbox_as_it_was_added(event: Event) -> None:
    """Whatever its kind; who passes it on needs its id alone."""
    stored = stored_event(adding(event).document)
    assert (stored.id, decoded(stored)) == (event.id, event)


def test_an_event_of_an_unknown_kind_is_an_error() -> None:
    """As after a return to an older release; it is not taken for something else."""
    with pytest.raises(msgspec.MsgspecError):
        decoded(StoredEvent(1, msgspec.msgpack.encode({"type": "of_tomorrow", "id": 1})))


def test_a_record_tells_no_secret_of_the_author() -> None:
    """Neither the e-mail address nor the password's hash, in whatever form."""
    data = tweet_record(TWEET, USER, TweetRecord(TWEET, without_secrets(USER)))
    assert USER.email
    assert USER.password_hash
    assert USER.email.encode() not in data
    assert USER.password_hash.encode() not in data
    assert read_record(data).author == without_secrets(USER)


def _former(event: int, payload: bytes = b"", kind: int = 0) -> Document:
    return {
        "id": 5,
        "event": event,
        "author_id": 7,
        "subject_id": TWEET.id,
        "kind": kind,
        "payload": payload,
    }


def test_former_entries_of_tweets_are_read() -> None:
    """Their card becomes the record, nothing of it lost."""
    tweet = msgspec.structs.replace(
        TWEET,
        kind=3,
        entities={"mentions": [], "hashtags": [{"tag": "x", "start": 0, "end": 2}]},
        reply_to_id=3,
        reply_to_user_id=4,
        conversation_id=2,
        quote_of_id=6,
        sensitive=True,
        lang="de",
        version=3,
        edited_ms=1_700_000_000_123,
    )
    author = User(id=7, username="ada", name="Ada", avatar_url="https://example.org/a.png")
    card = msgspec.msgpack.encode(tweet_card(tweet, author))
    for number, cls in ((EventKind.TWEET, TweetPosted), (EventKind.TWEET_EDITED, TweetEdited)):
        event = decoded(stored_event(_former(number, card, kind=3)))
        assert isinstance(event, TweetPosted | TweetEdited)
        assert type(event) is cls
        assert (event.id, event.tweet_id, event.author_id) == (5, tweet.id, 7)
        assert (event.conversation_id, event.kind) == (2, 3)
        assert read_record(event.record) == TweetRecord(tweet, author)


def test_former_entries_of_deletions_and_follows_are_read() -> None:
    """They had no card; what the shards need of them is there."""
    gone = decoded(stored_event(_former(EventKind.TWEET_DELETED)))
    assert isinstance(gone, TweetDeleted)
    assert (gone.id, gone.tweet_id, gone.author_id) == (5, TWEET.id, 7)
    for kind, follows in ((1, True), (0, False)):
        event = decoded(stored_event(_former(100, kind=kind)))
        assert event == FollowChanged(id=5, follower_id=7, followee_id=TWEET.id, follows=follows)


def test_an_encoded_event_keeps_its_tag() -> None:
    """The tag is what stores hold: another name would make them unreadable."""
    tags = [msgspec.msgpack.decode(encoded(event).data)["type"] for event in EVENTS]
    assert tags == [
        "tweet_posted",
        "tweet_edited",
        "tweet_deleted",
        "follow_changed",
        "hidden_changed",
        "privacy_changed",
    ]
