"""The outbox as the queue: what it promises besides `tests/contract/test_queue.py`."""

from collections.abc import Iterable

from rookery.events.encoding import StoredEvent
from rookery.store.engine import WriteBatch
from rookery.store.queue_outbox import MAX_WAITING, OutboxQueue
from rookery.store.records.outbox import Outbox, adding_stored
from tests.unit.memory_store import MemoryStore


def _entries(ids: Iterable[int]) -> list[StoredEvent]:
    return [StoredEvent(id_, b"event") for id_ in ids]


async def _started(store: MemoryStore) -> OutboxQueue:
    queue = OutboxQueue(Outbox(store))
    assert await queue.take(10, 0.0) == []
    store.reads.clear()
    return queue


async def test_what_is_offered_needs_no_read() -> None:
    """Nor does a limit below what was offered."""
    store = MemoryStore()
    queue = await _started(store)
    offered = _entries(range(1, 6))
    queue.offer(offered)
    assert await queue.take(3, 0.0) + await queue.take(3, 0.0) == offered
    assert store.reads == {}


async def test_what_is_too_much_to_keep_is_read_from_the_outbox() -> None:
    """So that a consumer that is slow does not fill its memory."""
    store = MemoryStore()
    queue = await _started(store)
    queue.offer(_entries(range(1, MAX_WAITING + 1)))
    [last] = _entries([MAX_WAITING + 1])
    await store.write(WriteBatch((adding_stored(last),)))
    queue.offer([last])
    taken = await queue.take(MAX_WAITING, 0.0)
    assert taken[-1].id == MAX_WAITING
    assert await queue.take(10, 0.0) == [last]


async def test_a_backlog_is_read_without_a_pause() -> None:
    """As many as were asked for is a sign that there are more."""
    store = MemoryStore()
    backlog = _entries(range(1, 8))
    await store.write(WriteBatch(tuple(map(adding_stored, backlog))))
    queue = OutboxQueue(Outbox(store))
    assert [len(await queue.take(3, 0.0)) for _ in range(3)] == [3, 3, 1]
