"""What a viewer did and hides, of many viewers together: what every page that is shown needs.

Reads only. Each kind of mark and of hiding is a collection whose key begins with the viewer.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from types import MappingProxyType
from typing import NamedTuple

from rookery.store.engine import Collection, Reader
from rookery.store.schema import (
    BLOCKED_BY,
    BLOCKS,
    BOOKMARKS,
    FAVOURITES,
    MUTED_CONVERSATIONS,
    MUTES,
    RETWEETED,
)


class Marks(IntFlag):
    """What a viewer did with a tweet."""

    LIKED = 1
    RETWEETED = 2
    BOOKMARKED = 4


MARKED: Mapping[Marks, tuple[Collection, str]] = MappingProxyType(
    {
        Marks.LIKED: (FAVOURITES, "tweet_id"),
        Marks.RETWEETED: (RETWEETED, "original_id"),
        Marks.BOOKMARKED: (BOOKMARKS, "tweet_id"),
    }
)
"""For each mark its collection, and the field of the marked tweet there."""


class Hidden(NamedTuple):
    """Whom and what a viewer hides: at most so many of each as were asked for.

    `mutes` are of users and conversations, with the time when each ends; None: never.
    """

    blocks: list[int]
    blocked_by: list[int]
    mutes: list[tuple[int, int | None]]
    conversations: list[int]

    @property
    def longest(self) -> int:
        """The length of the longest of the lists."""
        return max(len(self.blocks), len(self.blocked_by), len(self.mutes), len(self.conversations))


class ViewerRepository:
    """Reads marks and hidden ids by viewer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def marked(self, user_ids: Sequence[int], limit: int) -> list[list[list[int]]]:
        """For each of `MARKED`, for each user, the marked tweets, newest first, at most `limit`."""
        prefixes = [(user_id,) for user_id in user_ids]
        found = []
        for collection, field in MARKED.values():
            lists = await self._reader.select_many(
                collection, (field,), prefixes, limit=limit, reverse=True
            )
            found.append([[tweet_id for (tweet_id,) in rows] for rows in lists])
        return found

    async def marked_among(self, user_id: int, tweet_ids: Sequence[int]) -> list[set[int]]:
        """For each of `MARKED`, those of `tweet_ids` that the user marked so."""
        keys = [(user_id, tweet_id) for tweet_id in tweet_ids]
        return [await self._present(collection, keys) for collection, _ in MARKED.values()]

    async def hidden(self, user_ids: Sequence[int], limit: int) -> list[Hidden]:
        """What each user hides, and by whom each is hidden; at most `limit` of each kind."""
        prefixes = [(user_id,) for user_id in user_ids]
        many = self._reader.select_many
        blocks = await many(BLOCKS, ("blocked_id",), prefixes, limit=limit)
        blocked_by = await many(BLOCKED_BY, ("blocker_id",), prefixes, limit=limit)
        mutes = await many(MUTES, ("muted_id", "expires_ms"), prefixes, limit=limit)
        conversations = await many(MUTED_CONVERSATIONS, ("conversation_id",), prefixes, limit=limit)
        return [
            Hidden(
                [each for (each,) in blocks[at]],
                [each for (each,) in blocked_by[at]],
                [(each, expires_ms) for each, expires_ms in mutes[at]],
                [each for (each,) in conversations[at]],
            )
            for at in range(len(user_ids))
        ]

    async def hidden_among(self, user_id: int, ids: Sequence[int]) -> Hidden:
        """What of `ids`, which are of users and conversations, a user hides or is hidden by."""
        keys = [(user_id, each) for each in ids]
        blocks = await self._present(BLOCKS, keys)
        blocked_by = await self._present(BLOCKED_BY, keys)
        conversations = await self._present(MUTED_CONVERSATIONS, keys)
        mutes = await self._reader.get_many(MUTES, keys)
        return Hidden(
            sorted(blocks),
            sorted(blocked_by),
            [
                (muted_id, each["expires_ms"])
                for muted_id, each in zip(ids, mutes, strict=True)
                if each is not None
            ],
            sorted(conversations),
        )

    async def _present(self, collection: Collection, keys: Sequence[tuple[int, int]]) -> set[int]:
        documents = await self._reader.get_many(collection, keys)
        return {key[1] for key, each in zip(keys, documents, strict=True) if each is not None}
