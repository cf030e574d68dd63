"""What the server answers, as typed values. Imports nothing of the project.

Ids are decimal strings, as on the wire; methods of the client take them as strings or integers.
Fields that a newer server adds are ignored.
"""

from datetime import datetime
from typing import Annotated, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")
Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment, with its offset from UTC."""


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all: immutable, camelCase on the wire."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next_cursor` fetches the next one, None means the end."""

    items: list[T]
    next_cursor: str | None


class User(Model, frozen=True, kw_only=True):
    """A profile. `email` only of oneself; the flags only for a signed-in viewer, not of oneself.

    `role` is None for most users, `muted_until` for a mute without end.
    """

    id: str
    username: str
    name: str
    bio: str
    location: str
    website: str
    avatar_url: str
    banner_url: str
    is_private: bool
    created_at: Time
    followers_count: int
    following_count: int
    tweets_count: int
    likes_count: int
    pinned_count: int
    role: str | None = None
    email: str | None = None
    following: bool | None = None
    followed_by: bool | None = None
    requested: bool | None = None
    blocking: bool | None = None
    muting: bool | None = None
    muted_until: Time | None = None


class Author(Model, frozen=True, kw_only=True):
    """An author, as embedded in a tweet."""

    id: str
    username: str
    name: str
    avatar_url: str


class FollowState(Model, frozen=True, kw_only=True):
    """Whether one follows the user now, or asks to."""

    following: bool
    requested: bool


class BlockState(Model, frozen=True, kw_only=True):
    """Whether one blocks the user now."""

    blocking: bool


class MuteState(Model, frozen=True, kw_only=True):
    """Whether one mutes the user now, and until when; None: for ever."""

    muting: bool
    muted_until: Time | None


class PrivacySettings(Model, frozen=True, kw_only=True):
    """What others may see of one's account, and how they find it."""

    is_private: bool
    who_may_message: Literal["everyone", "followees", "nobody"]
    hide_likes: bool
    discoverable: bool


class Device(Model, frozen=True, kw_only=True):
    """A signed-in device; `connected` while it holds a stream, `current` if it is this one.

    `last_seen_at` and `last_address` are of its last log-in or renewal of tokens; it is logged out
    at `expires_at` if it is not used. Servers of former releases tell neither address nor end.
    """

    device_id: str
    name: str
    created_at: Time
    last_seen_at: Time
    last_address: str = ""
    expires_at: Time | None = None
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

    status: Literal["ok"]
    version: str


class Readiness(Model, frozen=True, kw_only=True):
    """Whether each part that the server needs answers."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, bool]

    @property
    def ready(self) -> bool:
        """Whether all of them do."""
        return self.status == "ready"


class SignedUp(Tokens, frozen=True, kw_only=True):
    """The answer to a sign-up, as on the wire."""

    profile: User


class Devices(Model, frozen=True, kw_only=True):
    """A page of devices, as on the wire."""

    items: list[Device] = msgspec.field(name="devices")
    next_cursor: str | None = None


class Listing(Protocol[T]):
    """A page as on the wire, whatever the name of its items there."""

    @property
    def items(self) -> list[T]: ...

    @property
    def next_cursor(self) -> str | None: ...


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
