"""Pins: the tweets that users pinned to their profiles, and the counts of them.

A list comes newest first by `pin_id`, the Snowflake of the moment of pinning.
"""

from collections.abc import Sequence

from rookery.store.engine import Delete, Expect, Increment, Insert, Operation, Reader
from rookery.store.records.conditions import tweet_exists
from rookery.store.schema import PINS, TWEET_COUNTS, USER_COUNTS

NOT_PINNED = "not pinned"
PINNED = "pinned"
TOO_MANY = "pins"


def pinning(user_id: int, tweet_id: int, pin_id: int, most: int) -> tuple[Operation, ...]:
    """Operations that pin a tweet of the user's own.

    Conditions: `TWEET_EXISTS`, `NOT_PINNED`, and `TOO_MANY`: with it, the user has at most `most`.
    """
    return (
        tweet_exists(tweet_id),
        Expect(PINS.name, (user_id, tweet_id), False, label=NOT_PINNED),
        Insert(PINS.name, {"user_id": user_id, "tweet_id": tweet_id, "pin_id": pin_id}),
        Increment(TWEET_COUNTS.name, (tweet_id,), {"pins": 1}),
        Increment(USER_COUNTS.name, (user_id,), {"pins": 1}, most={"pins": most}, label=TOO_MANY),
    )


def unpinning(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """Operations that take a pin away, on the condition `PINNED`."""
    return (
        *pin_going_with_tweet(user_id, tweet_id, True, PINNED),
        Increment(TWEET_COUNTS.name, (tweet_id,), {"pins": -1}),
    )


def pin_going_with_tweet(
    user_id: int, tweet_id: int, is_pinned: bool, label: str
) -> tuple[Operation, ...]:
    """What the deletion of a tweet does to its pin, on the condition `label`.

    The condition is that `is_pinned`, which was read, still holds. The tweet's own counts go with
    the tweet.
    """
    unchanged = Expect(PINS.name, (user_id, tweet_id), is_pinned, label=label)
    if not is_pinned:
        return (unchanged,)
    return (
        unchanged,
        Delete(PINS.name, (user_id, tweet_id)),
        Increment(USER_COUNTS.name, (user_id,), {"pins": -1}),
    )


class PinRepository:
    """Reads of pins."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def of_user(self, user_id: int, before: int, limit: int) -> list[tuple[int, int]]:
        """(tweet id, pin id) of what a user pinned, below pin id `before` (0: all)."""
        rows = await self._reader.select(
            PINS,
            ("tweet_id", "pin_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(tweet_id, pin_id) for tweet_id, pin_id in rows]

    async def of_users(self, user_ids: Sequence[int], limit: int) -> list[list[int]]:
        """Of each of these users the ids of at most `limit` tweets that they pinned."""
        prefixes = [(user_id,) for user_id in user_ids]
        lists = await self._reader.select_many(PINS, ("tweet_id",), prefixes, limit=limit)
        return [[tweet_id for (tweet_id,) in rows] for rows in lists]

    async def is_pinned(self, user_id: int, tweet_id: int) -> bool:
        """Whether the user pinned the tweet."""
        return await self._reader.get(PINS, (user_id, tweet_id)) is not None
