"""The outbox."""

from rookery.events.encoding import encoded
from rookery.events.kinds import FollowChanged
from rookery.store.engine import Insert, Put, WriteBatch
from rookery.store.records.outbox import Outbox, adding
from rookery.store.schema import JOBS, OUTBOX
from tests.unit.memory_store import MemoryStore


def _event(event_id: int) -> FollowChanged:
    return FollowChanged(id=event_id, follower_id=7, followee_id=9, follows=True)


async def _filled(*event_ids: int) -> tuple[MemoryStore, Outbox]:
    store = MemoryStore()
    for event_id in event_ids:
        await store.write(WriteBatch((adding(_event(event_id)),)))
    return store, Outbox(store)


async def test_pending_gives_events_as_they_were_added() -> None:
    """Byte for byte."""
    _, outbox = await _filled(5)
    assert await outbox.pending((), 10) == [encoded(_event(5))]


async def test_pending_skips_what_is_in_flight_and_gives_the_oldest_first() -> None:
    """Events in flight do not use up the limit."""
    _, outbox = await _filled(4, 2, 1, 3, 5)
    assert [event.id for event in await outbox.pending({1, 2}, 2)] == [3, 4]


async def test_an_older_event_that_was_committed_later_is_found() -> None:
    """Commits are not in the order of ids."""
    store, outbox = await _filled(10)
    assert [event.id for event in await outbox.pending((), 5)] == [10]
    await store.write(WriteBatch((adding(_event(3)),)))
    assert [event.id for event in await outbox.pending({10}, 5)] == [3]


async def test_entries_of_former_releases_are_pending_too() -> None:
    """Beside those of today."""
    store, outbox = await _filled(2)
    former = {
        "id": 1,
        "event": 100,
        "author_id": 7,
        "subject_id": 9,
        "kind": 1,
        "payload": b"",
    }
    await store.write(WriteBatch((Insert(OUTBOX.name, former),)))
    assert await outbox.pending((), 10) == [encoded(_event(1)), encoded(_event(2))]


async def test_acknowledged_events_are_removed_and_others_stay() -> None:
    """Acknowledging twice is no error; what goes with it is one batch with it."""
    store, outbox = await _filled(1, 2, 3)
    batches = len(store.batches)
    await outbox.acknowledge([1, 3], [Put(JOBS.name, {"name": "x"})])
    assert len(store.batches) == batches + 1
    assert store.documents(JOBS) == [{"name": "x"}]
    await outbox.acknowledge([1, 3])
    assert [document["id"] for document in store.documents(OUTBOX)] == [2]
