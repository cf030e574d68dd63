"""Rows of what users did with tweets and with each other, as the store keeps them."""

from rookery.store.engine import Insert, WriteBatch
from rookery.store.schema import (
    BLOCKED_BY,
    BLOCKS,
    BOOKMARKS,
    FAVOURITERS,
    FAVOURITES,
    FOLLOWEES,
    MUTED_CONVERSATIONS,
    MUTES,
    RETWEETED,
)
from tests.unit.memory_store import MemoryStore


async def add(store: MemoryStore, *inserts: Insert) -> None:
    await store.write(WriteBatch(inserts))


def like(user_id: int, tweet_id: int) -> Insert:
    favourite = {"user_id": user_id, "tweet_id": tweet_id, "favourite_id": 10_000 + tweet_id}
    return Insert(FAVOURITES.name, favourite)


def retweet(user_id: int, tweet_id: int) -> Insert:
    row = {"author_id": user_id, "original_id": tweet_id, "tweet_id": 20_000 + tweet_id}
    return Insert(RETWEETED.name, row)


def bookmark(user_id: int, tweet_id: int) -> Insert:
    row = {"user_id": user_id, "tweet_id": tweet_id, "bookmark_id": 30_000 + tweet_id}
    return Insert(BOOKMARKS.name, row)


def block(blocker_id: int, blocked_id: int) -> tuple[Insert, Insert]:
    row = {"blocker_id": blocker_id, "blocked_id": blocked_id, "block_id": 1}
    return Insert(BLOCKS.name, row), Insert(BLOCKED_BY.name, row)


def mute(muter_id: int, muted_id: int, expires_ms: int | None = None) -> Insert:
    row = {"muter_id": muter_id, "muted_id": muted_id, "mute_id": 1, "expires_ms": expires_ms}
    return Insert(MUTES.name, row)


def mute_conversation(user_id: int, conversation_id: int) -> Insert:
    row = {"user_id": user_id, "conversation_id": conversation_id, "mute_id": 1}
    return Insert(MUTED_CONVERSATIONS.name, row)


def liker(user_id: int, tweet_id: int, favourite_id: int) -> tuple[Insert, Insert]:
    """Both directions of a like."""
    row = {"user_id": user_id, "tweet_id": tweet_id, "favourite_id": favourite_id}
    return Insert(FAVOURITES.name, row), Insert(FAVOURITERS.name, row)


def follow(follower_id: int, followee_id: int) -> Insert:
    row = {"follower_id": follower_id, "followee_id": followee_id, "follow_id": 1}
    return Insert(FOLLOWEES.name, row)
