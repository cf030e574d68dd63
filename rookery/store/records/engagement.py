"""Who likes what: both directions of each favourite, and the counts of tweets and users.

Lists come newest first by
`favourite_id`, the Snowflake of the moment of liking, which is also their cursor.
"""

from collections.abc import Sequence

from rookery.store.engine import Delete, Expect, Increment, Insert, Operation, Reader
from rookery.store.schema import FAVOURITERS, FAVOURITES, TWEET_COUNTS, TWEETS, USER_COUNTS

TWEET_EXISTS = "tweet"
TWEET_IS_GONE = "no tweet"
NOT_LIKED = "not liked"
LIKED = "liked"

Favourite = tuple[int, int]
"""(user or tweet id, favourite id)."""


def liking(user_id: int, tweet_id: int, favourite_id: int) -> tuple[Operation, ...]:
    """Operations that make a favourite, on the conditions `TWEET_EXISTS` and `NOT_LIKED`."""
    favourite = {"user_id": user_id, "tweet_id": tweet_id, "favourite_id": favourite_id}
    return (
        Expect(TWEETS.name, (tweet_id,), True, label=TWEET_EXISTS),
        Expect(FAVOURITES.name, (user_id, tweet_id), False, label=NOT_LIKED),
        Insert(FAVOURITES.name, favourite),
        Insert(FAVOURITERS.name, favourite),
        Increment(TWEET_COUNTS.name, (tweet_id,), {"likes": 1}),
        Increment(USER_COUNTS.name, (user_id,), {"likes": 1}),
    )


def unliking(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """Operations that remove a favourite, on the conditions `TWEET_EXISTS` and `LIKED`."""
    return (
        Expect(TWEETS.name, (tweet_id,), True, label=TWEET_EXISTS),
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

    async def newest_liked(
        self, user_ids: Sequence[int], lowest: int, limit: int
    ) -> list[list[int]]:
        """For each user the liked tweets with ids from `lowest` up, greatest first.

        At most `limit` a user: a list of that length may be cut.
        """
        lists = await self._reader.select_many(
            FAVOURITES,
            ("tweet_id",),
            [(user_id,) for user_id in user_ids],
            after=(lowest - 1,),
            limit=limit,
            reverse=True,
        )
        return [[tweet_id for (tweet_id,) in rows] for rows in lists]

    async def likes(self, user_id: int, tweet_ids: Sequence[int]) -> set[int]:
        """Those of `tweet_ids` that the user likes."""
        keys = [(user_id, tweet_id) for tweet_id in tweet_ids]
        documents = await self._reader.get_many(FAVOURITES, keys)
        return {
            tweet_id
            for tweet_id, document in zip(tweet_ids, documents, strict=True)
            if document is not None
        }
