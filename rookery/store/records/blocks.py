"""Who blocks whom: both directions of each block.

The list of one's blocks comes newest first by `block_id`, the Snowflake of the moment of blocking,
which is also its cursor.
"""

from collections.abc import Sequence

from rookery.store.engine import Delete, Expect, Insert, Operation, Reader
from rookery.store.schema import BLOCKED_BY, BLOCKS

NOT_BLOCKED = "not blocked"
BLOCKED = "blocked"

Block = tuple[int, int]
"""(id of the blocked user, block id)."""


def not_blocked(blocker_id: int, blocked_id: int) -> Expect:
    """The condition `NOT_BLOCKED`."""
    return Expect(BLOCKS.name, (blocker_id, blocked_id), False, label=NOT_BLOCKED)


def no_block(one_id: int, other_id: int) -> tuple[Operation, ...]:
    """The condition `NOT_BLOCKED` in both directions."""
    return not_blocked(one_id, other_id), not_blocked(other_id, one_id)


def block_operations(blocker_id: int, blocked_id: int, block_id: int) -> tuple[Operation, ...]:
    """Operations that make a block, on the condition `NOT_BLOCKED`.

    What a block ends (follows, requests) the same batch must end.
    """
    block = {"blocker_id": blocker_id, "blocked_id": blocked_id, "block_id": block_id}
    return (
        not_blocked(blocker_id, blocked_id),
        Insert(BLOCKS.name, block),
        Insert(BLOCKED_BY.name, block),
    )


def unblock_operations(blocker_id: int, blocked_id: int, block_id: int) -> tuple[Operation, ...]:
    """Operations that remove the block made as `block_id`, on the condition `BLOCKED`."""
    key = (blocker_id, blocked_id)
    return (
        Expect(BLOCKS.name, key, True, {"block_id": block_id}, BLOCKED),
        Delete(BLOCKS.name, key),
        Delete(BLOCKED_BY.name, (blocked_id, blocker_id)),
    )


class BlockRepository:
    """Reads of blocks."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def blocked(self, blocker_id: int, before: int, limit: int) -> list[Block]:
        """Whom a user blocks, newest first, below block id `before` (0: from the newest)."""
        rows = await self._reader.select(
            BLOCKS,
            ("blocked_id", "block_id"),
            (blocker_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [(blocked_id, block_id) for blocked_id, block_id in rows]

    async def blocked_ids(self, blocker_id: int, limit: int) -> list[int]:
        """Whom a user blocks, at most `limit` of them, by id."""
        rows = await self._reader.select(BLOCKS, ("blocked_id",), (blocker_id,), limit=limit)
        return [blocked_id for (blocked_id,) in rows]

    async def blockers(self, user_id: int, others: Sequence[int]) -> set[int]:
        """Those of `others` who block the user."""
        found = await self._reader.get_many(BLOCKED_BY, [(user_id, other) for other in others])
        return {other for other, block in zip(others, found, strict=True) if block is not None}
