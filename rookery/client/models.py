"""What the server answers, as typed values. Imports nothing of the project.

Ids are decimal strings, as on the wire; methods of the client take them as strings or integers.
Fields that a newer server adds are ignored.
"""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypedDict, TypeVar

import msgspec

T = TypeVar("T")
Card = TypeVar("Card", bound="TweetCard")
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


class Mention(TypedDict):
    """A user's name in a text; `id` is None where nobody has it."""

    username: str
    id: str | None
    start: int
    end: int


class Hashtag(TypedDict):
    """A hashtag in a text; `tag` is without the sign."""

    tag: str
    start: int
    end: int


class Cashtag(TypedDict):
    """A cashtag in a text; `symbol` is without the sign."""

    symbol: str
    start: int
    end: int


class Url(TypedDict):
    """An address in a text."""

    url: str
    start: int
    end: int


class Entities(TypedDict):
    """What stands in a text: ``text[start:end]`` is the part that is meant."""

    mentions: list[Mention]
    hashtags: list[Hashtag]
    cashtags: list[Cashtag]
    urls: list[Url]


class Focus(TypedDict):
    """The point of a picture that stays in sight when it is cut, from -1 to 1 on each axis."""

    x: float
    y: float


class Media(Model, frozen=True, kw_only=True):
    """An attached picture or video."""

    id: str
    type: Literal["image", "gif", "video"]
    url: str
    preview_url: str | None
    width: int
    height: int
    duration_s: float | None
    blurhash: str | None
    alt: str
    focus: Focus | None
    size_bytes: int
    state: Literal["ready", "processing", "failed"]


Visibility: TypeAlias = Literal["public", "followers", "mentioned"]


class TweetCard(Model, frozen=True, kw_only=True):
    """The part of a tweet that is the same for everyone."""

    id: str
    text: str
    created_at: Time
    edited_at: Time | None
    version: int
    author: Author
    entities: Entities
    in_reply_to_id: str | None
    in_reply_to_user_id: str | None
    conversation_id: str
    retweet_of_id: str | None
    quote_of_id: str | None
    media: list[Media]
    sensitive: bool
    lang: str | None
    visibility: Visibility


class MissingTweet(Model, frozen=True, kw_only=True):
    """What stands in the place of a tweet that is deleted, or not for this viewer."""

    id: str
    unavailable: Literal["deleted", "hidden"]


class PushedTweet(TweetCard, frozen=True, kw_only=True):
    """A tweet as the stream brings it: without counts, and without marks.

    `retweet_of` is what a retweet shows; its own text is empty. `quote_of_raw` is as it came.
    Servers of former releases tell neither.
    """

    retweet_of: TweetCard | None = None
    quote_of_raw: dict[str, Any] | None = msgspec.field(name="quoteOf", default=None)

    def __post_init__(self) -> None:
        _quoted(self.quote_of_raw, TweetCard)

    @property
    def quote_of(self) -> TweetCard | MissingTweet | None:
        """What it quotes, or what stands in its place."""
        return _quoted(self.quote_of_raw, TweetCard)


class Tweet(TweetCard, frozen=True, kw_only=True):
    """A tweet with its counts. `liked`, `retweeted` and `bookmarked` only for a signed-in viewer.

    `retweet_of` is the whole of what a retweet shows, with its own counts and marks; the text of
    the retweet itself is empty. `quote_of_raw` is as it came. Servers of former releases do not
    tell all of it.
    """

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int
    pinned: bool = False
    retweet_of: "Tweet | None" = None
    quote_of_raw: dict[str, Any] | None = msgspec.field(name="quoteOf", default=None)
    liked: bool | None = None
    retweeted: bool | None = None
    bookmarked: bool | None = None

    def __post_init__(self) -> None:
        _quoted(self.quote_of_raw, Tweet)

    @property
    def quote_of(self) -> "Tweet | MissingTweet | None":
        """What it quotes, or what stands in its place.

        What a quoted tweet quotes itself is left to its `quote_of_id`.
        """
        return _quoted(self.quote_of_raw, Tweet)


def _quoted(raw: dict[str, Any] | None, kind: type[Card]) -> Card | MissingTweet | None:
    """The kinds are told apart by `unavailable`, and each tweet is so read when it comes.

    Raises:
        msgspec.ValidationError: it is of neither.
    """
    if raw is None:
        return None
    if "unavailable" in raw:
        return msgspec.convert(raw, MissingTweet)
    return msgspec.convert(raw, kind)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around a tweet: what it answers, root first, and a page of what answers it."""

    ancestors: list[Tweet | MissingTweet]
    descendants: list[Tweet | MissingTweet]
    next_cursor: str | None


class TweetVersion(Model, frozen=True, kw_only=True):
    """A version of a tweet, and when it came to be."""

    version: int
    text: str
    entities: Entities
    created_at: Time


class Engagements(Model, frozen=True, kw_only=True):
    """How often a tweet was engaged with."""

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int


class RetweetState(Model, frozen=True, kw_only=True):
    """Whether one retweets the tweet now, and how many do."""

    retweeted: bool
    retweet_count: int


class BookmarkState(Model, frozen=True, kw_only=True):
    """Whether one has bookmarked the tweet now."""

    bookmarked: bool


class PinState(Model, frozen=True, kw_only=True):
    """Whether the tweet is pinned now."""

    pinned: bool


class LikeState(Model, frozen=True, kw_only=True):
    """Whether one likes the tweet now, and how many do."""

    liked: bool
    like_count: int


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
