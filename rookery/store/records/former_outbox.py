"""Entries of the outbox as former releases wrote them, which a store may still have.

They held the number of a kind, and for a tweet the card that clients were sent.
"""

from datetime import datetime
from typing import Any

import msgspec

from rookery.events.encoding import tweet_record
from rookery.events.kinds import Event, FollowChanged, TweetDeleted, TweetEdited, TweetPosted
from rookery.models import EventKind, Tweet, User
from rookery.store.engine import Document

FOLLOW = 100
"""The number of a follow (`kind` 1) or unfollow (`kind` 0)."""


def is_former(document: Document) -> bool:
    """Whether an entry is of this kind: those of today hold bytes."""
    return isinstance(document["event"], int)


def event_of(document: Document) -> Event:
    """The event that a former entry told of.

    Raises:
        KeyError, TypeError, ValueError: it is no such entry.
    """
    number, id_, subject_id = document["event"], document["id"], document["subject_id"]
    author_id, kind = document["author_id"], document["kind"]
    if number == FOLLOW:
        return FollowChanged(
            id=id_, follower_id=author_id, followee_id=subject_id, follows=kind == 1
        )
    if number == EventKind.TWEET_DELETED:
        return TweetDeleted(
            id=id_, tweet_id=subject_id, author_id=author_id, conversation_id=subject_id, kind=kind
        )
    kinds: dict[int, type[TweetPosted] | type[TweetEdited]] = {
        EventKind.TWEET: TweetPosted,
        EventKind.TWEET_EDITED: TweetEdited,
    }
    cls = kinds[number]
    payload = document["payload"]
    card = msgspec.msgpack.decode(payload) if payload else None
    return cls(
        id=id_,
        tweet_id=subject_id,
        author_id=author_id,
        conversation_id=subject_id if card is None else int(card["conversationId"]),
        kind=kind,
        record=b"" if card is None else _record(card, kind),
    )


def _record(card: dict[str, Any], kind: int) -> bytes:
    author = card["author"]
    tweet = Tweet(
        id=int(card["id"]),
        author_id=int(author["id"]),
        text=card["text"],
        kind=kind,
        entities=card["entities"],
        reply_to_id=_optional(card["inReplyToId"]),
        reply_to_user_id=_optional(card["inReplyToUserId"]),
        conversation_id=int(card["conversationId"]),
        retweet_of_id=_optional(card["retweetOfId"]),
        quote_of_id=_optional(card["quoteOfId"]),
        media=card["media"],
        sensitive=card["sensitive"],
        lang=card["lang"],
        visibility=card["visibility"],
        version=card["version"],
        edited_ms=None if card["editedAt"] is None else _ms(card["editedAt"]),
    )
    user = User(
        id=int(author["id"]),
        username=author["username"],
        name=author["name"],
        avatar_url=author["avatarUrl"],
    )
    return tweet_record(tweet, user)


def _optional(value: str | None) -> int | None:
    return None if value is None else int(value)


def _ms(iso: str) -> int:
    return round(datetime.fromisoformat(iso).timestamp() * 1000)
