"""The outbox: changes that timelines and connections must learn of, stored with the change.

An entry is added in the batch of the change itself and removed once it has been delivered to
everyone; in between it may be delivered more than once.
"""

from collections.abc import Collection, Sequence

import msgspec

from rookery.models import EventKind, OutboxEntry, Tweet
from rookery.store.engine import Delete, Insert, Store, WriteBatch
from rookery.store.schema import OUTBOX


def adding(entry: OutboxEntry) -> Insert:
    """The operation that adds `entry` in the batch of its change."""
    return Insert(OUTBOX.name, msgspec.structs.asdict(entry))


def tweet_entry(entry_id: int, event: EventKind, tweet: Tweet, payload: bytes = b"") -> OutboxEntry:
    """What followers of the tweet's author are told; `payload` is the card as MessagePack."""
    return OutboxEntry(
        id=entry_id,
        event=int(event),
        author_id=tweet.author_id,
        subject_id=tweet.id,
        kind=tweet.kind,
        payload=payload,
    )


def graph_entry(entry_id: int, follower_id: int, followee_id: int, follows: bool) -> OutboxEntry:
    """A follow (`kind` 1) or unfollow (`kind` 0) of `followee_id` by `follower_id`."""
    return OutboxEntry(
        id=entry_id,
        event=OutboxEntry.GRAPH,
        author_id=follower_id,
        subject_id=followee_id,
        kind=int(follows),
    )


class Outbox:
    """The reader's side of the outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def pending(
        self, in_flight: Collection[int], limit: int, before: int | None = None
    ) -> list[OutboxEntry]:
        """The oldest entries, at most `limit`, except those with ids `in_flight`.

        Only ids below `before`, where that is given. Always read from the start: an entry with a
        smaller id may be committed after one with a greater id was read. Pass a set where
        `in_flight` is long.
        """
        rows = await self._store.reader.select(
            OUTBOX,
            ("id",),
            before=None if before is None else (before,),
            limit=limit + len(in_flight),
        )
        keys = [(entry_id,) for (entry_id,) in rows if entry_id not in in_flight][:limit]
        if not keys:
            return []
        documents = await self._store.reader.get_many(OUTBOX, keys)
        return [
            msgspec.convert(document, OutboxEntry) for document in documents if document is not None
        ]

    async def present(self, entry_ids: Collection[int]) -> set[int]:
        """Which of these were not acknowledged yet."""
        lists = await self._store.reader.select_many(
            OUTBOX, ("id",), [(entry_id,) for entry_id in entry_ids], limit=1
        )
        return {entry_id for rows in lists for (entry_id,) in rows}

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        """Remove entries that were delivered; entries already gone are no error."""
        if entry_ids:
            operations = tuple(Delete(OUTBOX.name, (entry_id,)) for entry_id in entry_ids)
            await self._store.writer.write(WriteBatch(operations))
