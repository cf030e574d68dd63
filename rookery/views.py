"""The public shapes of the native surface: what REST answers and WebSockets push.

Leaf module, shared by `http`, `connection` and the fan-out (which renders a card once for all
followers). Names are camelCase on the wire, ids decimal strings, times ISO 8601 in UTC.

A tweet's JSON has two parts. The *card* is what is the same for everyone and changes only by an
edit. The *tail* is what changes with time and viewer: counts, what the tweet refers to as the
viewer may see it, and the viewer's flags (see `rookery.http.native.rendering`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypedDict, cast

import msgspec

from rookery.ids import time_ms_of
from rookery.models import Tweet, User, UserCounts


def iso_time(time_ms: int) -> str:
    """`time_ms` since 1970 as ``2026-01-31T12:00:00.000Z``."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{_iso_second(seconds)}.{ms:03}Z"


@lru_cache(maxsize=256)
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all public shapes."""


class UserRef(View, frozen=True, kw_only=True, rename="camel"):
    """An author, as embedded in a tweet."""

    id: str
    username: str
    name: str
    avatar_url: str


class UserView(View, frozen=True, kw_only=True, rename="camel"):
    """A profile. `email` only for oneself, `role` only where it is not `user`; the flags only for a
    signed-in viewer, and not of oneself."""

    id: str
    username: str
    name: str
    bio: str
    location: str
    website: str
    avatar_url: str
    banner_url: str
    is_private: bool
    created_at: str
    followers_count: int
    following_count: int
    tweets_count: int
    likes_count: int
    pinned_count: int
    role: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    following: bool | msgspec.UnsetType = msgspec.UNSET
    followed_by: bool | msgspec.UnsetType = msgspec.UNSET
    requested: bool | msgspec.UnsetType = msgspec.UNSET
    blocking: bool | msgspec.UnsetType = msgspec.UNSET
    muting: bool | msgspec.UnsetType = msgspec.UNSET
    muted_until: str | msgspec.UnsetType | None = msgspec.UNSET


class Mention(TypedDict):
    """A user's name in a text."""

    username: str
    id: str | None
    start: int
    end: int


class Hashtag(TypedDict):
    """A hashtag in a text."""

    tag: str
    start: int
    end: int


class Cashtag(TypedDict):
    """A cashtag in a text."""

    symbol: str
    start: int
    end: int


class Url(TypedDict):
    """An address in a text."""

    url: str
    start: int
    end: int


class Entities(TypedDict):
    """What stands in a text and where, each kind in the order of the text.

    `start` and `end` (exclusive) count Unicode code points. JavaScript's string indices count
    UTF-16 code units and cut wrongly behind an emoji: use `Array.from(text).slice(start, end)`.
    """

    mentions: list[Mention]
    hashtags: list[Hashtag]
    cashtags: list[Cashtag]
    urls: list[Url]


class Focus(TypedDict):
    """The point of a picture that stays in sight when it is cut, from -1 to 1 on each axis."""

    x: float
    y: float


class MediaView(TypedDict):
    """An attached picture or video."""

    id: str
    type: Literal["image", "gif", "video"]
    url: str
    previewUrl: str | None
    width: int
    height: int
    durationS: float | None
    blurhash: str | None
    alt: str
    focus: Focus | None
    sizeBytes: int
    state: Literal["ready", "processing", "failed"]


Visibility: TypeAlias = Literal["public", "followers", "mentioned"]


class TweetCard(View, frozen=True, kw_only=True, rename="camel"):
    """The part of a tweet that is the same for everyone."""

    id: str
    text: str
    created_at: str
    edited_at: str | None
    version: int
    author: UserRef
    entities: Entities
    in_reply_to_id: str | None
    in_reply_to_user_id: str | None
    conversation_id: str
    retweet_of_id: str | None
    quote_of_id: str | None
    media: list[MediaView]
    sensitive: bool
    lang: str | None
    visibility: Visibility


class UnavailableTweet(View, frozen=True, kw_only=True, rename="camel"):
    """What stands in the place of a tweet that is deleted, or not for this viewer."""

    id: str
    unavailable: Literal["deleted", "hidden"]


class PushedTweet(TweetCard, frozen=True, kw_only=True, rename="camel"):
    """A tweet as streams bring it: the card, without counts and the viewer's flags.

    `retweet_of` and `quote_of` are cards as well, one level deep.
    """

    retweet_of: TweetCard | None
    quote_of: TweetCard | UnavailableTweet | None


class QuotedTweet(View, frozen=True, kw_only=True, rename="camel"):
    """A quoted tweet, or what stands in its place; `unavailable` tells them apart.

    What a quoted tweet quotes itself is left to its `quoteOfId`.
    """


class TweetView(TweetCard, frozen=True, kw_only=True, rename="camel"):
    """A whole tweet as one viewer sees it.

    `retweetOf` is the whole of what a retweet shows; the retweet's own text is empty, and its own
    counts are not used. `pinned`: its author has pinned it to the profile. `liked`, `retweeted`
    and `bookmarked` are only for a signed-in viewer.
    """

    like_count: int
    retweet_count: int
    reply_count: int
    quote_count: int
    pinned: bool
    retweet_of: "TweetView | None"
    quote_of: QuotedTweet | None
    liked: bool | msgspec.UnsetType = msgspec.UNSET
    retweeted: bool | msgspec.UnsetType = msgspec.UNSET
    bookmarked: bool | msgspec.UnsetType = msgspec.UNSET


def entities_view(stored: dict[str, list[Any]]) -> Entities:
    """Entities as they are stored, which is as they are shown."""
    return cast(Entities, stored)


def _optional_id(value: int | None) -> str | None:
    return None if value is None else str(value)


def user_ref(user: User) -> UserRef:
    return UserRef(
        id=str(user.id), username=user.username, name=user.name, avatar_url=user.avatar_url
    )


def user_view(user: User, counts: UserCounts, *, private: bool = False) -> UserView:
    """The profile of `user` without a viewer's flags; `private` adds what only the user may see."""
    return UserView(
        id=str(user.id),
        username=user.username,
        name=user.name,
        bio=user.bio,
        location=user.location,
        website=user.website,
        avatar_url=user.avatar_url,
        banner_url=user.banner_url,
        is_private=user.is_private,
        created_at=iso_time(user.created_ms),
        followers_count=counts.followers,
        following_count=counts.followees,
        tweets_count=counts.tweets,
        likes_count=counts.likes,
        pinned_count=counts.pins,
        role=msgspec.UNSET if user.role == "user" else user.role,
        email=user.email if private and user.email else msgspec.UNSET,
    )


def tweet_card(tweet: Tweet, author: User) -> TweetCard:
    """The card of `tweet`; `author` must be its author."""
    return TweetCard(
        id=str(tweet.id),
        text=tweet.text,
        created_at=iso_time(time_ms_of(tweet.id)),
        edited_at=None if tweet.edited_ms is None else iso_time(tweet.edited_ms),
        version=tweet.version,
        author=user_ref(author),
        entities=entities_view(tweet.entities),
        in_reply_to_id=_optional_id(tweet.reply_to_id),
        in_reply_to_user_id=_optional_id(tweet.reply_to_user_id),
        conversation_id=str(tweet.conversation_id),
        retweet_of_id=_optional_id(tweet.retweet_of_id),
        quote_of_id=_optional_id(tweet.quote_of_id),
        media=tweet.media,
        sensitive=tweet.sensitive,
        lang=tweet.lang,
        visibility=cast(Visibility, tweet.visibility),
    )
