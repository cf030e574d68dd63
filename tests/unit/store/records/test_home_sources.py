"""`rookery.store.records.home_sources`."""

from typing import Any

from rookery.store.engine import Collection, Insert, WriteBatch
from rookery.store.records import home_sources
from rookery.store.records.home_sources import HomeSourceRepository, HomeSources
from rookery.store.schema import BLOCKED_BY, BLOCKS, FOLLOWEES, MUTED_CONVERSATIONS, MUTES
from tests.unit.memory_store import MemoryStore

ME = 1
NOW_MS = 1_000


async def insert(store: MemoryStore, collection: Collection, **document: Any) -> None:
    await store.writer.write(WriteBatch((Insert(collection.name, document),)))


async def following(*followee_ids: int) -> MemoryStore:
    store = MemoryStore()
    for each in followee_ids:
        await insert(store, FOLLOWEES, follower_id=ME, followee_id=each, follow_id=each)
    return store


async def mute(store: MemoryStore, user_id: int, expires_ms: int | None = None) -> None:
    await insert(
        store, MUTES, muter_id=ME, muted_id=user_id, mute_id=user_id, expires_ms=expires_ms
    )


async def sources(store: MemoryStore, now_ms: int = NOW_MS) -> HomeSources:
    return await HomeSourceRepository(store.reader).of(ME, now_ms)


async def test_who_hides_nobody_takes_all_followees() -> None:
    """And themselves."""
    assert await sources(await following(2, 3)) == HomeSources(author_ids=[1, 2, 3])


async def test_muted_and_blocked_users_are_no_authors() -> None:
    """In either direction of a block, though the store should have no follow beside one."""
    store = await following(2, 3, 4, 5)
    await mute(store, 2)
    await insert(store, BLOCKS, blocker_id=ME, blocked_id=3, block_id=1)
    await insert(store, BLOCKED_BY, blocked_id=ME, blocker_id=4, block_id=1)
    await insert(store, MUTED_CONVERSATIONS, user_id=ME, conversation_id=90, mute_id=1)
    assert await sources(store) == HomeSources(
        author_ids=[1, 5], muted=frozenset({2, 90}), blocked=frozenset({3, 4})
    )


async def test_a_timed_mute_counts_until_its_time() -> None:
    """The nearest end of those that last is told; what is over, the store may still have."""
    store = await following(2, 3, 4, 5)
    await mute(store, 2, NOW_MS)
    await mute(store, 3, NOW_MS + 1)
    await mute(store, 4, NOW_MS + 2)
    await mute(store, 5)
    assert await sources(store) == HomeSources(
        author_ids=[1, 2], muted=frozenset({3, 4, 5}), until_ms=NOW_MS + 1
    )


async def test_nobody_hides_themselves() -> None:
    """Whatever was loaded into the store."""
    store = await following(2)
    await mute(store, ME)
    await insert(store, BLOCKS, blocker_id=ME, blocked_id=ME, block_id=1)
    assert await sources(store) == HomeSources(author_ids=[1, 2])


async def test_whoever_hides_very_many_hides_them_all(monkeypatch: Any) -> None:
    """They are read page by page, as whom they follow is."""
    monkeypatch.setattr(home_sources, "FIRST_ROWS", 3)
    monkeypatch.setattr(home_sources, "FURTHER_ROWS", 4)
    store = await following(*range(2, 12))
    for each in range(2, 11):
        await mute(store, each)
    assert (await sources(store)).author_ids == [1, 11]


async def test_a_row_needs_one_read() -> None:
    """However many kinds of hiding there are."""
    store = await following(2, 3)
    await mute(store, 2)
    await sources(store)
    assert store.reads == {"select_several": 1}
