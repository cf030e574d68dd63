"""The outbox: events that somebody has still to take, stored with the change that they tell of.

An event is added in the batch of the change itself and removed once every consumer has taken it,
or has it in a backlog of its own; in between it may be handed out more than once.
"""

from collections.abc import Collection, Sequence

from rookery.events.encoding import StoredEvent, encoded
from rookery.events.kinds import Event
from rookery.store.engine import Delete, Document, Insert, Operation, Put, Store, WriteBatch
from rookery.store.records.former_outbox import event_of, is_former
from rookery.store.schema import OUTBOX


def adding(event: Event) -> Insert:
    """The operation that adds `event` in the batch of its change."""
    return adding_stored(encoded(event))


def adding_stored(event: StoredEvent) -> Insert:
    """As `adding`, for an event that is encoded already."""
    return Insert(OUTBOX.name, {"id": event.id, "event": event.data})


def adding_again(event: StoredEvent) -> Put:
    """As `adding_stored`, for an event that may be there."""
    return Put(OUTBOX.name, {"id": event.id, "event": event.data})


def stored_event(document: Document) -> StoredEvent:
    """The event that a document of the outbox holds."""
    if is_former(document):
        return encoded(event_of(document))
    return StoredEvent(document["id"], document["event"])


class Outbox:
    """The reader's side of the outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def pending(
        self, in_flight: Collection[int], limit: int, before: int | None = None
    ) -> list[StoredEvent]:
        """The oldest events, at most `limit`, except those with ids `in_flight`.

        Only ids below `before`, where that is given. Always read from the start: an event with a
        smaller id may be committed after one with a greater id was read. Pass a set where
        `in_flight` is long.
        """
        rows = await self._store.reader.select(
            OUTBOX,
            ("id",),
            before=None if before is None else (before,),
            limit=limit + len(in_flight),
        )
        keys = [(event_id,) for (event_id,) in rows if event_id not in in_flight][:limit]
        if not keys:
            return []
        documents = await self._store.reader.get_many(OUTBOX, keys)
        return [stored_event(document) for document in documents if document is not None]

    async def present(self, event_ids: Collection[int]) -> set[int]:
        """Which of these were not acknowledged yet."""
        lists = await self._store.reader.select_many(
            OUTBOX, ("id",), [(event_id,) for event_id in event_ids], limit=1
        )
        return {event_id for rows in lists for (event_id,) in rows}

    async def acknowledge(self, event_ids: Sequence[int], also: Sequence[Operation] = ()) -> None:
        """Remove events that were taken, and do `also` in the same batch.

        Events already gone are no error.
        """
        operations = (*also, *(Delete(OUTBOX.name, (event_id,)) for event_id in event_ids))
        if operations:
            await self._store.writer.write(WriteBatch(operations))
