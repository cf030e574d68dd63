"""What single consumers have still to take, and what they could not take.

A *backlog* holds events for one consumer that all others took. A *failed* event waits until the
operator has it tried again.
"""

from collections.abc import Collection

import msgspec

from rookery.events.encoding import StoredEvent
from rookery.store.engine import Delete, Operation, Put, Reader
from rookery.store.schema import EVENT_BACKLOG, FAILED_EVENTS

MAX_REASON = 1_000


class FailedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a consumer could not take: why, after how many tries alone, and when."""

    consumer: str
    id: int
    event: bytes
    reason: str
    tries: int
    failed_ms: int


def into_backlog(consumer: str, event: StoredEvent) -> Operation:
    """The operation that notes `event` for `consumer`."""
    return Put(EVENT_BACKLOG.name, {"consumer": consumer, "id": event.id, "event": event.data})


def off_backlog(consumer: str, event_id: int) -> Operation:
    """The operation that takes an event off the backlog; it need not be there."""
    return Delete(EVENT_BACKLOG.name, (consumer, event_id))


def putting_aside(failed: FailedEvent) -> Operation:
    """The operation that notes an event as failed; a long reason is cut."""
    short = msgspec.structs.replace(failed, reason=failed.reason[:MAX_REASON])
    return Put(FAILED_EVENTS.name, msgspec.structs.asdict(short))


def no_longer_failed(failed: FailedEvent) -> Operation:
    """The operation that forgets that an event failed."""
    return Delete(FAILED_EVENTS.name, (failed.consumer, failed.id))


class EventRepository:
    """Reads backlogs and failed events."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def backlog(self, consumer: str, known: Collection[int], limit: int) -> list[StoredEvent]:
        """The oldest events of a consumer's backlog, at most `limit`, except those `known`.

        Always read from the start: ids are not in the order in which events were moved.
        """
        rows = await self._reader.select(
            EVENT_BACKLOG, ("id",), (consumer,), limit=limit + len(known)
        )
        keys = [(consumer, event_id) for (event_id,) in rows if event_id not in known][:limit]
        if not keys:
            return []
        documents = await self._reader.get_many(EVENT_BACKLOG, keys)
        return [StoredEvent(each["id"], each["event"]) for each in documents if each is not None]

    async def failed(
        self, consumer: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[FailedEvent]:
        """Failed events of one consumer, or of all, by consumer and id, after such a position."""
        bound: tuple[str | int, ...] | None = after
        if consumer is not None and after is not None:
            bound = after[1:]
        documents = await self._reader.range(
            FAILED_EVENTS, () if consumer is None else (consumer,), after=bound, limit=limit
        )
        return [msgspec.convert(document, FailedEvent) for document in documents]

    async def count_failed(self, at_most: int) -> dict[str, int]:
        """How many events failed, by consumer; at most so many are counted."""
        rows = await self._reader.select(FAILED_EVENTS, ("consumer",), limit=at_most)
        counts: dict[str, int] = {}
        for (consumer,) in rows:
            counts[consumer] = counts.get(consumer, 0) + 1
        return counts
