"""Who likes what: both directions of each favourite, and the counts of tweets and users.

Lists come newest first by `favourite_id`, the Snowflake of the moment of liking and their cursor.
"""

from rookery.store.engine import Delete, Expect, Increment, Insert, Operation, Reader
from rookery.store.records.conditions import tweet_exists
from rookery.store.schema import FAVOURITERS, FAVOURITES, TWEET_COUNTS, TWEETS, USER_COUNTS

TWEET_IS_GONE = "no tweet"
NOT_LIKED = "not liked"
LIKED = "liked"

Favourite = tuple[int, int]
"""(user or tweet id, favourite id)."""


def liking(user_id: int, tweet_id: int, favourite_id: int) -> tuple[Operation, ...]:
    """Operations that make a favourite, on the conditions `TWEET_EXISTS` and `NOT_LIKED`."""
    favourite = {"user_id": user_id, "tweet_id": tweet_id, "favourite_id": favourite_id}
    return (
        tweet_exists(tweet_id),
        Expect(FAVOURITES.name, (user_id, tweet_id), False, label=NOT_LIKED),
        Insert(FAVOURITES.name, favourite),
        Insert(FAVOURITERS.name, favourite),
        Increment(TWEET_COUNTS.name, (tweet_id,), {"likes": 1}),
        Increment(USER_COUNTS.name, (user_id,), {"likes": 1}),
    )


def unliking(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """Operations that remove a favourite, on the conditions `TWEET_EXISTS` and `LIKED`."""
    return (
        tweet_exists(tweet_id),
        Expect(FAVOURITES.name, (user_id, tweet_id), True, label=LIKED),
        Delete(FAVOURITES.name, (user_id, tweet_id)),
        Delete(FAVOURITERS.name, (tweet_id, user_id)),
        Increment(TWEET_COUNTS.name, (tweet_id,), {"likes": -1}),
        Increment(USER_COUNTS.name, (user_id,), {"likes": -1}),
    )


def unliking_gone(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """As `unliking`, of a tweet that is deleted: on the conditions `TWEET_IS_GONE` and `LIKED`."""
    return (
        Expect(TWEETS.name, (tweet_id,), False, label=TWEET_IS_GONE),
        Expect(FAVOURITES.name, (user_id, tweet_id), True, label=LIKED),
        *forgetting(user_id, tweet_id),
    )


def forgetting(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """What removes a favourite of a tweet that has no counts any more, without a condition."""
    return (
        Delete(FAVOURITES.name, (user_id, tweet_id)),
        Delete(FAVOURITERS.name, (tweet_id, user_id)),
        Increment(USER_COUNTS.name, (user_id,), {"likes": -1}),
    )


class EngagementRepository:
    """Reads of favourites."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def likers(self, tweet_id: int, before: int, limit: int) -> list[Favourite]:
        """Who likes a tweet, newest first, below favourite id `before` (0: from the newest)."""
        rows = await self._reader.select(
            FAVOURITERS,
            ("user_id", "favourite_id"),
            (tweet_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(user_id, favourite_id) for user_id, favourite_id in rows]

    async def liked_by(self, user_id: int, before: int, limit: int) -> list[Favourite]:
        """What a user likes, newest first, below favourite id `before` (0: from the newest).

        Tweets that were deleted since are still among them.
        """
        rows = await self._reader.select(
            FAVOURITES,
            ("tweet_id", "favourite_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(tweet_id, favourite_id) for tweet_id, favourite_id in rows]
