"""Bookmarks: both directions of each, without a count.

A user's list comes newest first by `bookmark_id`, the Snowflake of the moment of bookmarking. The
other direction is for removals alone: nobody is told who bookmarks a tweet.
"""

from rookery.store.engine import Delete, Expect, Insert, Operation, Reader
from rookery.store.records.conditions import tweet_exists
from rookery.store.schema import BOOKMARKERS, BOOKMARKS

NOT_BOOKMARKED = "not bookmarked"
BOOKMARKED = "bookmarked"

Bookmark = tuple[int, int]
"""(tweet id, bookmark id)."""


def bookmarking(user_id: int, tweet_id: int, bookmark_id: int) -> tuple[Operation, ...]:
    """Operations that make a bookmark, on the conditions `TWEET_EXISTS` and `NOT_BOOKMARKED`."""
    bookmark = {"user_id": user_id, "tweet_id": tweet_id, "bookmark_id": bookmark_id}
    return (
        tweet_exists(tweet_id),
        Expect(BOOKMARKS.name, (user_id, tweet_id), False, label=NOT_BOOKMARKED),
        Insert(BOOKMARKS.name, bookmark),
        Insert(BOOKMARKERS.name, {"tweet_id": tweet_id, "user_id": user_id}),
    )


def unbookmarking(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """Operations that remove a bookmark, on the condition `BOOKMARKED`."""
    return (
        Expect(BOOKMARKS.name, (user_id, tweet_id), True, label=BOOKMARKED),
        *forgetting_bookmark(user_id, tweet_id),
    )


def forgetting_bookmark(user_id: int, tweet_id: int) -> tuple[Operation, ...]:
    """Operations that remove a bookmark if there is one, without a condition."""
    return (
        Delete(BOOKMARKS.name, (user_id, tweet_id)),
        Delete(BOOKMARKERS.name, (tweet_id, user_id)),
    )


class BookmarkRepository:
    """Reads of bookmarks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def of_user(self, user_id: int, before: int, limit: int) -> list[Bookmark]:
        """What a user bookmarked, below bookmark id `before` (0: all).

        Tweets that were deleted since may still be among them.
        """
        rows = await self._reader.select(
            BOOKMARKS,
            ("tweet_id", "bookmark_id"),
            (user_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(tweet_id, bookmark_id) for tweet_id, bookmark_id in rows]
