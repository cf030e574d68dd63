"""How a user and others stand to each other: follows, requests, blocks and mutes at one look."""

import asyncio
from collections.abc import Sequence

import msgspec

from rookery.store.engine import Collection, Reader
from rookery.store.records.mutes import Mute
from rookery.store.schema import BLOCKS, FOLLOWEES, MUTES, SENT_REQUESTS

Key = tuple[int, int]


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """How a user (the viewer) and another one stand.

    Ids are those of the follow, request or block; None where there is none.
    """

    user_id: int
    other_id: int
    follow_id: int | None = None
    """The viewer follows the other one."""
    followed_id: int | None = None
    request_id: int | None = None
    """The viewer asks to follow the other one."""
    asked_id: int | None = None
    block_id: int | None = None
    """The viewer blocks the other one."""
    blocked_id: int | None = None
    mute: Mute | None = None
    """Its time may be over."""


class RelationRepository:
    """Reads of relations, always from the store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def pair(self, user_id: int, other_id: int) -> Relation:
        """How a user stands to another one."""
        (relation,) = await self.many(user_id, [other_id])
        return relation

    async def many(self, user_id: int, other_ids: Sequence[int]) -> list[Relation]:
        """How a user stands to each of these: four reads at once, however many there are."""
        if not other_ids:
            return []
        there = [(user_id, other_id) for other_id in other_ids]
        back = [(other_id, user_id) for other_id in other_ids]
        follows, requests, blocks, mutes = await asyncio.gather(
            self._ids(FOLLOWEES, "follow_id", there + back),
            self._ids(SENT_REQUESTS, "request_id", there + back),
            self._ids(BLOCKS, "block_id", there + back),
            self._reader.get_many(MUTES, there),
        )
        count = len(other_ids)
        return [
            Relation(
                user_id=user_id,
                other_id=other_id,
                follow_id=follows[n],
                followed_id=follows[count + n],
                request_id=requests[n],
                asked_id=requests[count + n],
                block_id=blocks[n],
                blocked_id=blocks[count + n],
                mute=None if mute is None else msgspec.convert(mute, Mute),
            )
            for n, (other_id, mute) in enumerate(zip(other_ids, mutes, strict=True))
        ]

    async def _ids(
        self, collection: Collection, field: str, keys: Sequence[Key]
    ) -> list[int | None]:
        documents = await self._reader.get_many(collection, keys)
        return [None if document is None else document[field] for document in documents]
