"""What the server answers, as typed values. Imports nothing of the project.

Ids are decimal strings, as on the wire; methods of the client take them as strings or integers.
Fields that a newer server adds are ignored.
"""

from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all: immutable, camelCase on the wire."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next_cursor` fetches the next one, None means the end."""

    items: list[T]
    next_cursor: str | None


class User(Model, frozen=True, kw_only=True):
    """A profile. `email` only of oneself; the two flags only for a signed-in viewer."""

    id: str
    username: str
    name: str
    bio: str
    location: str
    website: str
    avatar_url: str
    banner_url: str
    is_private: bool
    created_at: datetime
    followers_count: int
    following_count: int
    tweets_count: int
    likes_count: int
    email: str | None = None
    following: bool | None = None
    followed_by: bool | None = None


class Author(Model, frozen=True, kw_only=True):
    """An author, as embedded in a tweet."""

    id: str
    username: str
    name: str
    avatar_url: str


class TweetCard(Model, frozen=True, kw_only=True):
    """The part of a tweet that is the same for everyone; what the stream pushes."""

    id: str
    text: str
    created_at: datetime
    edited_at: datetime | None
    version: int
    author: Author
    entities: dict[str, list[Any]]
    in_reply_to_id: str | None
    in_reply_to_user_id: str | None
    conversation_id: str
    retweet_of_id: str | None
    quote_of_id: str | None
    media: list[Any]
    sensitive: bool
    lang: str | None
    visibility: str


class Tweet(TweetCard, frozen=True, kw_only=True):
    """A tweet with its counts. `liked` only for a signed-in viewer."""

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int
    liked: bool | None = None


class TweetVersion(Model, frozen=True, kw_only=True):
    """A version of a tweet; `replaced_at` is None for the present one."""

    version: int
    text: str
    entities: dict[str, list[Any]]
    replaced_at: datetime | None


class Engagements(Model, frozen=True, kw_only=True):
    """How often a tweet was engaged with."""

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int


class LikeState(Model, frozen=True, kw_only=True):
    """Whether one likes the tweet now, and how many do."""

    liked: bool
    like_count: int


class FollowState(Model, frozen=True, kw_only=True):
    """Whether one follows the user now."""

    following: bool


class Device(Model, frozen=True, kw_only=True):
    """A signed-in device; `connected` while it holds a stream, `current` if it is this one.

    `last_seen_at` and `last_address` are of its last log-in or renewal of tokens; it is logged out
    at `expires_at` if it is not used. Servers of former releases tell neither address nor end.
    """

    device_id: str
    name: str
    created_at: datetime
    last_seen_at: datetime
    last_address: str = ""
    expires_at: datetime | None = None
    connected: bool
    current: bool


class Tokens(Model, frozen=True, kw_only=True):
    """What keeps a device signed in; save both, the refresh token is replaced with each use."""

    token: str
    refresh_token: str
    expires_in_s: int = msgspec.field(name="expiresIn")
    device_id: str


class Session(Tokens, frozen=True, kw_only=True):
    """A device that has just signed in, and whose it is."""

    user: User


class StreamAddress(Model, frozen=True, kw_only=True):
    """A live connection server and the WebSocket subprotocols it speaks."""

    url: str
    protocols: list[str]
    heartbeat_s: float


class StreamTicket(Model, frozen=True, kw_only=True):
    """Opens one stream, once, within `expires_in_s`: append ``?ticket=…`` to its address."""

    ticket: str
    expires_in_s: int = msgspec.field(name="expiresIn")


class Health(Model, frozen=True, kw_only=True):
    """The server answers."""

    status: str
    version: str


class Readiness(Model, frozen=True, kw_only=True):
    """Whether each part that the server needs answers."""

    status: str
    checks: dict[str, bool]

    @property
    def ready(self) -> bool:
        """Whether all of them do."""
        return self.status == "ready"


class SignedUp(Tokens, frozen=True, kw_only=True):
    """The answer to a sign-up, as on the wire."""

    profile: User


class Posted(Model, frozen=True, kw_only=True):
    """The answer to a post, as on the wire."""

    tweet: Tweet


class Devices(Model, frozen=True, kw_only=True):
    """A page of devices, as on the wire."""

    items: list[Device] = msgspec.field(name="devices")
    next_cursor: str | None = None


class History(Model, frozen=True, kw_only=True):
    """All versions of a tweet, as on the wire."""

    versions: list[TweetVersion]


class Listing(Protocol[T]):
    """A page as on the wire, whatever the name of its items there."""

    @property
    def items(self) -> list[T]: ...

    @property
    def next_cursor(self) -> str | None: ...


class Tweets(Model, frozen=True, kw_only=True):
    """A page of tweets."""

    items: list[Tweet] = msgspec.field(name="tweets")
    next_cursor: str | None


class Replies(Model, frozen=True, kw_only=True):
    """A page of replies."""

    items: list[Tweet] = msgspec.field(name="replies")
    next_cursor: str | None


class Users(Model, frozen=True, kw_only=True):
    """A page of users."""

    items: list[User] = msgspec.field(name="users")
    next_cursor: str | None


class Followers(Model, frozen=True, kw_only=True):
    """A page of followers."""

    items: list[User] = msgspec.field(name="followers")
    next_cursor: str | None


class Following(Model, frozen=True, kw_only=True):
    """A page of followed users."""

    items: list[User] = msgspec.field(name="following")
    next_cursor: str | None
