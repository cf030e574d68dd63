"""The Redis stream that carries events, with its consumer group, as one consumer sees it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.exceptions import ResponseError

from rookery.config import Redis
from rookery.events.encoding import StoredEvent
from rookery.store.redis.connection import connect
from rookery.store.redis.names import EVENT_FIELD, GROUP, stream_key

READ_COUNT = 500
BLOCK_S = 1.0
"""How long Redis waits for the first event of a read."""

_decoder = msgspec.msgpack.Decoder(StoredEvent)


class Message(NamedTuple):
    """What stands in the stream; `event` is None where it is nothing that can be read."""

    id: bytes
    event: StoredEvent | None


class EventStream:
    """Each method raises `FAILURES` of `rookery.store.redis.connection` where Redis fails."""

    def __init__(self, settings: Redis, consumer: str) -> None:
        self._key = stream_key(settings)
        self._consumer = consumer
        self._reader = connect(settings, blocks_s=BLOCK_S)
        self._commands = connect(settings)

    async def join(self) -> None:
        """Make the stream and its group where they are missing."""
        try:
            await self._reader.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def read(self, *, waits: bool) -> list[Message]:
        """Messages that no consumer has read, at most `READ_COUNT`; may wait for the first."""
        reply: Any = await self._reader.xreadgroup(
            GROUP,
            self._consumer,
            {self._key: ">"},
            count=READ_COUNT,
            block=int(BLOCK_S * 1000) if waits else None,
        )
        return [message for _, found in reply or () for message in _messages(found)]

    async def reclaim(self, idle_s: float) -> AsyncIterator[list[Message]]:
        """Take over what a consumer read so long ago and did not remove; page by page."""
        start: Any = "0-0"
        while True:
            reply: Any = await self._reader.xautoclaim(
                self._key,
                GROUP,
                self._consumer,
                min_idle_time=int(idle_s * 1000),
                start_id=start,
                count=READ_COUNT,
            )
            start, found = reply[:2]
            yield _messages(found)
            if start == b"0-0":
                return

    async def remove(self, message_ids: Sequence[bytes]) -> None:
        """Remove messages; those already gone are no error."""
        pipeline = self._commands.pipeline(transaction=False)
        pipeline.xack(self._key, GROUP, *message_ids)
        pipeline.xdel(self._key, *message_ids)
        await pipeline.execute()

    async def close(self) -> None:
        await self._reader.aclose()
        await self._commands.aclose()


def _messages(found: Iterable[tuple[bytes | None, dict[bytes, bytes]]]) -> list[Message]:
    # An id of None is how Redis 6 shows what was removed.
    return [Message(id_, _event(fields)) for id_, fields in found if id_ is not None]


def _event(fields: dict[bytes, bytes]) -> StoredEvent | None:
    try:
        return _decoder.decode(fields[EVENT_FIELD])
    except (KeyError, TypeError, msgspec.MsgspecError):  # deleted meanwhile, or not ours
        return None


def is_lost(error: Exception) -> bool:
    """Whether an error says that the stream, or its group, is no longer there."""
    return isinstance(error, ResponseError) and str(error).startswith(("NOGROUP", "UNBLOCKED"))
