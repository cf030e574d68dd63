"""What happened, as a write tells it: typed, tagged, stored with the write itself.

Leaf but for the models. An event is added in the batch of the change it tells of
(`rookery.store.records.outbox`), and each consumer gets it at least once. Fields may be added with
a default; a field or a tag that is in a store is never given another meaning.
"""

from typing import TypeAlias

import msgspec

from rookery.models import Tweet, User


class TweetRecord(msgspec.Struct, frozen=True, array_like=True):
    """A tweet with what showing it takes, so that nobody reads the store to deliver it.

    `original` is that of a retweet or a quote; None where it is not there, or not for those whom
    the tweet reaches.
    """

    tweet: Tweet
    author: User
    original: "TweetRecord | None" = None


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """`id` is a Snowflake; that of a post is the tweet's own."""

    id: int


class _OfTweet(_Event, frozen=True, kw_only=True):
    """A change of a tweet.

    `kind` are its `PostKind` bits. `original_author_id` is the author of what it retweets or
    quotes, `original_conversation_id` the conversation of what it retweets. `audience`: the only
    users it may reach, where it is for those it mentions (its author among them); None where
    followers decide. `original_audience`: who may see what it retweets or quotes beside the
    followers of that author, where that one's account is private; None where all may.
    """

    tweet_id: int
    author_id: int
    conversation_id: int
    kind: int = 0
    original_author_id: int | None = None
    audience: list[int] | None = None
    original_conversation_id: int | None = None
    original_audience: list[int] | None = None


class TweetPosted(_OfTweet, frozen=True, kw_only=True, tag="tweet_posted"):
    """A tweet was posted; `record` is a `TweetRecord` as MessagePack."""

    record: bytes = b""


class TweetEdited(_OfTweet, frozen=True, kw_only=True, tag="tweet_edited"):
    """A tweet has another text; `record` as of `TweetPosted`."""

    record: bytes = b""


class TweetDeleted(_OfTweet, frozen=True, kw_only=True, tag="tweet_deleted"):
    """A tweet is gone."""


class FollowChanged(_Event, frozen=True, kw_only=True, tag="follow_changed"):
    """A user follows another one, or no longer does."""

    follower_id: int
    followee_id: int
    follows: bool


class HiddenChanged(_Event, frozen=True, kw_only=True, tag="hidden_changed"):
    """What is hidden from these users changed: one of them blocks or mutes, or no longer does."""

    user_ids: list[int]


class PrivacyChanged(_Event, frozen=True, kw_only=True, tag="privacy_changed"):
    """Who may see a user's tweets changed as a whole: the account was made private or public, or
    its status is another."""

    user_id: int


TweetChange: TypeAlias = TweetPosted | TweetEdited | TweetDeleted
"""What is delivered to the timelines of an author's followers."""
Event: TypeAlias = TweetChange | FollowChanged | HiddenChanged | PrivacyChanged
