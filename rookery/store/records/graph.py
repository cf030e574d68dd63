"""Who follows whom: both directions of each edge, and the users' counts.

Lists come newest first by
`follow_id`, the Snowflake of the moment of following, which is also their cursor.
"""

from collections.abc import Sequence

from rookery.models import User
from rookery.store.engine import Delete, Expect, Increment, Insert, Operation, Reader
from rookery.store.schema import FOLLOWEES, FOLLOWERS, USER_COUNTS, USERS

USER_UNCHANGED = "user"
NOT_FOLLOWING = "not following"
FOLLOWING = "following"
MAX_FOLLOWEES = 100_000

Edge = tuple[int, int]
"""(user id, follow id)."""


def user_unchanged(user: User) -> Expect:
    """The condition `USER_UNCHANGED`: the account is of this version, with all that it says."""
    return Expect(USERS.name, (user.id,), True, {"version": user.version}, USER_UNCHANGED)


def not_following(follower_id: int, followee_id: int) -> Expect:
    """The condition `NOT_FOLLOWING`."""
    return Expect(FOLLOWEES.name, (follower_id, followee_id), False, label=NOT_FOLLOWING)


def follow_operations(follower_id: int, followee_id: int, follow_id: int) -> tuple[Operation, ...]:
    """Operations that make an edge, on the condition `NOT_FOLLOWING`."""
    edge = {"follower_id": follower_id, "followee_id": followee_id, "follow_id": follow_id}
    return (
        not_following(follower_id, followee_id),
        Insert(FOLLOWEES.name, edge),
        Insert(FOLLOWERS.name, edge),
        Increment(USER_COUNTS.name, (follower_id,), {"followees": 1}),
        Increment(USER_COUNTS.name, (followee_id,), {"followers": 1}),
    )


def unfollow_operations(
    follower_id: int, followee_id: int, follow_id: int
) -> tuple[Operation, ...]:
    """Operations that remove the edge made as `follow_id`, on the condition `FOLLOWING`."""
    key = (follower_id, followee_id)
    return (
        Expect(FOLLOWEES.name, key, True, {"follow_id": follow_id}, FOLLOWING),
        Delete(FOLLOWEES.name, key),
        Delete(FOLLOWERS.name, (followee_id, follower_id)),
        Increment(USER_COUNTS.name, (follower_id,), {"followees": -1}),
        Increment(USER_COUNTS.name, (followee_id,), {"followers": -1}),
    )


class GraphRepository:
    """Reads of the graph."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def followers(self, user_id: int, before: int, limit: int) -> list[Edge]:
        """Who follows `user_id`, newest first, below follow id `before` (0: from the newest)."""
        rows = await self._reader.select(
            FOLLOWERS,
            ("follower_id", "follow_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(follower_id, follow_id) for follower_id, follow_id in rows]

    async def followees(self, user_id: int, before: int, limit: int) -> list[Edge]:
        """Whom `user_id` follows, newest first, below follow id `before` (0: from the newest)."""
        rows = await self._reader.select(
            FOLLOWEES,
            ("followee_id", "follow_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(followee_id, follow_id) for followee_id, follow_id in rows]

    async def home_authors(self, user_id: int) -> list[int]:
        """Whose posts the home timeline of `user_id` holds, each once: followees and the user.

        Loaded data may have users who follow themselves; the API refuses that.
        """
        rows = await self._reader.select(
            FOLLOWEES, ("followee_id",), (user_id,), limit=MAX_FOLLOWEES
        )
        return sorted({user_id, *(followee_id for (followee_id,) in rows)})

    async def follows(self, edges: Sequence[tuple[int, int]]) -> list[bool]:
        """For each (follower id, followee id) whether the one follows the other."""
        documents = await self._reader.get_many(FOLLOWEES, edges)
        return [document is not None for document in documents]
