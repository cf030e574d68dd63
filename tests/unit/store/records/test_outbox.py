"""The outbox."""

from rookery.models import OutboxEntry
from rookery.store.engine import WriteBatch
from rookery.store.records.outbox import Outbox, adding, graph_entry
from rookery.store.schema import OUTBOX
from tests.unit.memory_store import MemoryStore


async def _filled(*entry_ids: int) -> tuple[MemoryStore, Outbox]:
    store = MemoryStore()
    for entry_id in entry_ids:
        entry = OutboxEntry(id=entry_id, event=1, author_id=7, subject_id=9, payload=b"\x81\x00")
        await store.write(WriteBatch((adding(entry),)))
    return store, Outbox(store)


async def test_pending_gives_entries_as_they_were_added() -> None:
    """Every field survives, the bytes of the payload included."""
    _, outbox = await _filled(5)
    assert await outbox.pending((), 10) == [
        OutboxEntry(id=5, event=1, author_id=7, subject_id=9, payload=b"\x81\x00")
    ]


async def test_pending_skips_what_is_in_flight_and_gives_the_oldest_first() -> None:
    """Entries in flight do not use up the limit."""
    _, outbox = await _filled(4, 2, 1, 3, 5)
    assert [entry.id for entry in await outbox.pending({1, 2}, 2)] == [3, 4]


async def test_an_older_entry_that_was_committed_later_is_found() -> None:
    """Commits are not in the order of ids."""
    store, outbox = await _filled(10)
    assert [entry.id for entry in await outbox.pending((), 5)] == [10]
    await store.write(WriteBatch((adding(graph_entry(3, 1, 2, True)),)))
    assert [entry.id for entry in await outbox.pending({10}, 5)] == [3]


async def test_acknowledged_entries_are_removed_and_others_stay() -> None:
    """Acknowledging twice is no error."""
    store, outbox = await _filled(1, 2, 3)
    await outbox.acknowledge([1, 3])
    await outbox.acknowledge([1, 3])
    assert [document["id"] for document in store.documents(OUTBOX)] == [2]
