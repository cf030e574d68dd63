"""Answers as they are on the wire, which methods of the client do not hand out.

Each holds what is handed out: a model, or a page of models under the name of its list.
"""

from typing import Protocol, TypeVar

import msgspec

from rookery.client.models import (
    Context,
    Device,
    MissingTweet,
    Model,
    Tokens,
    Tweet,
    TweetVersion,
    User,
)

T = TypeVar("T")


class SignedUp(Tokens, frozen=True, kw_only=True):
    """The answer to a sign-up, as on the wire."""

    profile: User


class Posted(Model, frozen=True, kw_only=True):
    """The answer to a post, as on the wire."""

    tweet: Tweet


class Retweet(Model, frozen=True, kw_only=True):
    """The answer to a retweet or quote, as on the wire."""

    tweet: Tweet


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
