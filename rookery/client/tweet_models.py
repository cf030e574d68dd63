"""Tweets, as the server answers them. Imports nothing of the server's side."""

from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

import msgspec

from rookery.client.models import Author, Model, Time

Card = TypeVar("Card", bound="TweetCard")


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
    """The part of a tweet that is the same for everyone; what the stream pushes."""

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
    """

    retweet_of: TweetCard | None = None
    quote_of_raw: dict[str, Any] | None = msgspec.field(name="quoteOf", default=None)

    @property
    def quote_of(self) -> TweetCard | MissingTweet | None:
        """What it quotes.

        Raises:
            msgspec.ValidationError: the server sent something else.
        """
        return _quoted(self.quote_of_raw, TweetCard)


class Tweet(TweetCard, frozen=True, kw_only=True):
    """A tweet with its counts. `liked` and the like only for a signed-in viewer.

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

    @property
    def quote_of(self) -> "Tweet | MissingTweet | None":
        """What it quotes; what that one quotes itself is left to its `quote_of_id`.

        Raises:
            msgspec.ValidationError: the server sent something else.
        """
        return _quoted(self.quote_of_raw, Tweet)


def _quoted(raw: dict[str, Any] | None, kind: type[Card]) -> Card | MissingTweet | None:
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


class Posted(Model, frozen=True, kw_only=True):
    """The answer to a post, as on the wire."""

    tweet: Tweet


class Retweet(Model, frozen=True, kw_only=True):
    """The answer to a retweet or quote, as on the wire."""

    tweet: Tweet


class Tweets(Model, frozen=True, kw_only=True):
    """A page of tweets."""

    items: list[Tweet] = msgspec.field(name="tweets")
    next_cursor: str | None


class Replies(Model, frozen=True, kw_only=True):
    """A page of replies."""

    items: list[Tweet] = msgspec.field(name="replies")
    next_cursor: str | None


class Versions(Model, frozen=True, kw_only=True):
    """A page of versions of a tweet."""

    items: list[TweetVersion] = msgspec.field(name="versions")
    next_cursor: str | None


class ContextPage(Model, frozen=True, kw_only=True):
    """A context as on the wire, where each entry shows by itself what it is."""

    ancestors: list[msgspec.Raw]
    descendants: list[msgspec.Raw]
    next_cursor: str | None

    def read(self) -> Context:
        """The same, typed.

        Raises:
            msgspec.DecodeError: an entry is of neither kind.
        """
        return Context(
            ancestors=[_entry(raw) for raw in self.ancestors],
            descendants=[_entry(raw) for raw in self.descendants],
            next_cursor=self.next_cursor,
        )


class _Mark(Model, frozen=True, kw_only=True):
    unavailable: str | None = None


def _entry(raw: msgspec.Raw) -> Tweet | MissingTweet:
    if msgspec.json.decode(raw, type=_Mark).unavailable is None:
        return msgspec.json.decode(raw, type=Tweet)
    return msgspec.json.decode(raw, type=MissingTweet)
