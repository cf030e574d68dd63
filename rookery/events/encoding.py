"""Events and what they carry as bytes: how they are stored, queued and handed on.

Whoever only passes an event on reads nothing of it but its id.
"""

import msgspec

from rookery.events.kinds import Event, TweetRecord
from rookery.models import Tweet, User


class StoredEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event's id, and the event as MessagePack with its tag."""

    id: int
    data: bytes


_encode = msgspec.msgpack.Encoder().encode
_events = msgspec.msgpack.Decoder(Event)
_records = msgspec.msgpack.Decoder(TweetRecord)


def encoded(event: Event) -> StoredEvent:
    """The event as it is stored."""
    return StoredEvent(event.id, _encode(event))


def decoded(stored: StoredEvent) -> Event:
    """The event that was stored.

    Raises:
        msgspec.MsgspecError: this build does not know its tag, or its fields.
    """
    event: Event = _events.decode(stored.data)
    return event


def tweet_record(tweet: Tweet, author: User, original: TweetRecord | None = None) -> bytes:
    """`TweetRecord` as MessagePack; nothing in it that only the author may know."""
    return _encode(TweetRecord(tweet, without_secrets(author), original))


def read_record(data: bytes) -> TweetRecord:
    """What `tweet_record` made.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _records.decode(data)


def without_secrets(user: User) -> User:
    """`user` as others may know it."""
    if user.email is None and user.password_hash is None:
        return user
    return msgspec.structs.replace(user, email=None, password_hash=None)
