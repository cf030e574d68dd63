"""What the store keeps, as typed records.

Leaf module: no I/O, no framework. Field names are those of the stored documents (see
`rookery.store.schema`); ids are Snowflakes, times milliseconds since 1970. The public JSON shapes
are in `rookery.views`.
"""

from enum import IntEnum, IntFlag
from typing import Any

import msgspec

from rookery.ids import time_ms_of


class PostKind(IntFlag):
    """What a post is, as the bits kept beside its id in timelines, so that filters need no store.

    An ordinary post has none.
    """

    REPLY = 1
    RETWEET = 2
    MEDIA = 4
    QUOTE = 8
    RESTRICTED = 16
    """Not for everybody; whether for whom, the facts say."""
    MENTIONED = 32
    """For whom it mentions alone, as a message is: its author's profile does not count it."""


class EventKind(IntEnum):
    """What the event log of a connected user may hold."""

    TWEET = 1
    TWEET_DELETED = 2
    TWEET_EDITED = 3


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account. `password_hash` is None for accounts that were loaded in bulk."""

    id: int
    username: str
    name: str
    email: str | None = None
    password_hash: str | None = None
    bio: str = ""
    location: str = ""
    website: str = ""
    avatar_url: str = ""
    banner_url: str = ""
    is_private: bool = False
    hide_likes: bool = False
    discoverable: bool = True
    who_may_message: str = "everyone"
    role: str = "user"
    status: str = "active"
    version: int = 1

    @property
    def created_ms(self) -> int:
        return time_ms_of(self.id)


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in device of a user.

    `refresh_hash` is the SHA-256 (hex) of its current refresh token; `previous_hash` that of the
    one before, whose use shows a theft. `address` is where it was last used from, as far as is
    known; of use only signing in and renewing tokens are seen, so `last_seen_ms` may be as old as
    an access token lives.
    """

    user_id: int
    device_id: str
    name: str
    created_ms: int
    last_seen_ms: int
    refresh_hash: str
    previous_hash: str = ""
    expires_ms: int
    address: str = ""


# Many are kept, and none can be part of a circle: nothing for the garbage collector to look at.
class Tweet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A post. `entities` is as `rookery.text` extracted them; mentions carry the user's id.

    `is_counted`: whether the counts of the tweet that it replies to or quotes include it. One that
    was not for everybody when it was posted would be given away by them.
    """

    id: int
    author_id: int
    text: str
    kind: int = 0
    entities: dict[str, list[Any]] = {}
    reply_to_id: int | None = None
    reply_to_user_id: int | None = None
    conversation_id: int
    retweet_of_id: int | None = None
    quote_of_id: int | None = None
    media: list[Any] = []
    sensitive: bool = False
    lang: str | None = None
    visibility: str = "public"
    is_counted: bool = True
    version: int = 1
    edited_ms: int | None = None

    @property
    def created_ms(self) -> int:
        return time_ms_of(self.id)

    @property
    def mentioned_ids(self) -> frozenset[int]:
        """Ids of the users whom it mentions."""
        mentions = self.entities.get("mentions", ())
        return frozenset(int(each["id"]) for each in mentions if each["id"] is not None)


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deleted tweet stood in its conversation; nothing of its author or content."""

    id: int
    reply_to_id: int | None = None
    conversation_id: int


class TweetEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A former version of a tweet, as it stood until `replaced_ms`."""

    tweet_id: int
    version: int
    text: str
    entities: dict[str, list[Any]]
    replaced_ms: int


class TweetCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Engagement with a tweet. `pins` is 1 where its author has pinned it."""

    likes: int = 0
    retweets: int = 0
    replies: int = 0
    quotes: int = 0
    pins: int = 0


class UserCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of a user's lists."""

    followers: int = 0
    followees: int = 0
    tweets: int = 0
    likes: int = 0
    pins: int = 0


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that signs access tokens; `retired_ms` is set when a newer one took over."""

    kid: str
    secret: bytes
    created_ms: int
    retired_ms: int | None = None


class Identity(msgspec.Struct, frozen=True):
    """Who makes a request, as proved by a token; `session` names the sign-in of the device."""

    user_id: int
    username: str
    device_id: str
    session: str = ""
