"""`rookery.store.records.graph`."""

from rookery.store.engine import Insert, WriteBatch
from rookery.store.records.graph import GraphRepository
from rookery.store.schema import FOLLOWEES
from tests.unit.memory_store import MemoryStore


async def test_who_follows_themselves_is_one_author_of_their_home() -> None:
    """Loaded data has such users; their own posts must not be merged twice."""
    store = MemoryStore()
    edges = [{"follower_id": 1, "followee_id": each, "follow_id": 10 + each} for each in (1, 2)]
    await store.writer.write(WriteBatch(tuple(Insert(FOLLOWEES.name, edge) for edge in edges)))
    assert sorted(await GraphRepository(store.reader).home_authors(1)) == [1, 2]
