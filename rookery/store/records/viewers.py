"""What a viewer did and hides, of many viewers together: what every page that is shown needs.

Reads only. Each kind of mark and of hiding is a collection whose key begins with the viewer.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from types import MappingProxyType
from typing import NamedTuple

from rookery.store.engine import Collection, Reader, Row, Selection
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


HIDDEN: tuple[tuple[Collection, tuple[str, ...]], ...] = (
    (BLOCKS, ("blocked_id",)),
    (BLOCKED_BY, ("blocker_id",)),
    (MUTES, ("muted_id", "expires_ms")),
    (MUTED_CONVERSATIONS, ("conversation_id",)),
)
"""For each field of `Hidden` its collection, and what is read of that."""


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


class ViewerRecord(NamedTuple):
    """What is stored of one viewer: for each of `MARKED` the tweets, newest first, and what is
    hidden."""

    marked: Sequence[Sequence[int]]
    hidden: Hidden


NOTHING = ViewerRecord(((),) * len(MARKED), Hidden([], [], [], []))
"""Of most viewers."""


class ViewerRepository:
    """Reads marks and hidden ids by viewer."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def many(
        self, user_ids: Sequence[int], max_marks: int, max_hidden: int
    ) -> list[ViewerRecord]:
        """For each user the newest marks, at most `max_marks` of each kind, and what is hidden, at
        most `max_hidden` of each kind; in one read."""
        prefixes = [(user_id,) for user_id in user_ids]
        marked = (
            Selection(each, (field,), prefixes, max_marks, True) for each, field in MARKED.values()
        )
        hidden = (Selection(each, fields, prefixes, max_hidden) for each, fields in HIDDEN)
        found = await self._reader.select_several([*marked, *hidden])
        return [_record(lists) if any(lists) else NOTHING for lists in zip(*found, strict=True)]

    async def marked_among(self, user_id: int, tweet_ids: Sequence[int]) -> list[set[int]]:
        """For each of `MARKED`, those of `tweet_ids` that the user marked so."""
        keys = [(user_id, tweet_id) for tweet_id in tweet_ids]
        return [await self._present(collection, keys) for collection, _ in MARKED.values()]

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


def _record(lists: Sequence[list[Row]]) -> ViewerRecord:
    """From the rows of one viewer, collection by collection."""
    *marked, blocks, blocked_by, mutes, conversations = lists
    return ViewerRecord(
        [[tweet_id for (tweet_id,) in rows] for rows in marked],
        Hidden(
            [each for (each,) in blocks],
            [each for (each,) in blocked_by],
            [(each, expires_ms) for each, expires_ms in mutes],
            [each for (each,) in conversations],
        ),
    )
