"""Whom a user mutes, for ever or until a time, and which conversations.

The list of muted users comes newest first by `mute_id`, the Snowflake of the moment of muting,
which is also its cursor. A mute whose time is over may still be stored: readers compare
`expires_ms` (milliseconds since 1970) with the time.
"""

import msgspec

from rookery.store.engine import Delete, Expect, Operation, Put, Reader
from rookery.store.schema import MUTED_CONVERSATIONS, MUTES, USERS

USER_EXISTS = "muted user"


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """That `muter_id` mutes `muted_id`, for ever where `expires_ms` is None."""

    muter_id: int
    muted_id: int
    mute_id: int
    expires_ms: int | None = None

    def holds(self, now_ms: int) -> bool:
        """Whether its time is not over."""
        return self.expires_ms is None or self.expires_ms > now_ms


def mute_operations(mute: Mute) -> tuple[Operation, ...]:
    """Operations that store a mute in place of a former one, on the condition `USER_EXISTS`."""
    return (
        Expect(USERS.name, (mute.muted_id,), True, label=USER_EXISTS),
        Put(MUTES.name, msgspec.structs.asdict(mute)),
    )


def unmute_operation(muter_id: int, muted_id: int) -> Operation:
    """What removes a mute, if there is one."""
    return Delete(MUTES.name, (muter_id, muted_id))


def mute_conversation_operation(user_id: int, conversation_id: int, mute_id: int) -> Operation:
    """What mutes a conversation."""
    muted = {"user_id": user_id, "conversation_id": conversation_id, "mute_id": mute_id}
    return Put(MUTED_CONVERSATIONS.name, muted)


def unmute_conversation_operation(user_id: int, conversation_id: int) -> Operation:
    """What ends that a conversation is muted, if it is."""
    return Delete(MUTED_CONVERSATIONS.name, (user_id, conversation_id))


class MuteRepository:
    """Reads of mutes."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, muter_id: int, muted_id: int) -> Mute | None:
        """The mute as it is stored, be its time over or not."""
        document = await self._reader.get(MUTES, (muter_id, muted_id))
        return None if document is None else msgspec.convert(document, Mute)

    async def muted(self, muter_id: int, before: int, limit: int) -> list[Mute]:
        """Mutes of a user, newest first, below mute id `before` (0: from the newest)."""
        documents = await self._reader.range(
            MUTES,
            (muter_id,),
            index="by_time",
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return [msgspec.convert(document, Mute) for document in documents]

    async def muted_ids(self, muter_id: int, now_ms: int, limit: int) -> list[int]:
        """Whom a user mutes at `now_ms`, by id; among at most `limit` that are stored."""
        fields = ("muted_id", "expires_ms")
        rows = await self._reader.select(MUTES, fields, (muter_id,), limit=limit)
        return [muted_id for muted_id, until_ms in rows if until_ms is None or until_ms > now_ms]

    async def mutes_conversation(self, user_id: int, conversation_id: int) -> bool:
        """Whether a user mutes a conversation."""
        key = (user_id, conversation_id)
        return await self._reader.get(MUTED_CONVERSATIONS, key) is not None

    async def muted_conversations(self, user_id: int, limit: int) -> list[int]:
        """Conversations that a user mutes, at most `limit` of them, by id."""
        rows = await self._reader.select(
            MUTED_CONVERSATIONS, ("conversation_id",), (user_id,), limit=limit
        )
        return [conversation_id for (conversation_id,) in rows]
