"""What a killed server has left of a deletion is done by the next one."""

import asyncio
from pathlib import Path

import pytest

from rookery.models import Tweet, User
from rookery.store.engine import WriteBatch
from rookery.store.records.engagement import liking
from rookery.store.records.removals import RemovalRepository, beginning
from rookery.store.records.tweets import Standing, creating, deleting
from rookery.store.records.users import Users
from rookery.store.schema import COLLECTIONS
from rookery.store.sqlite import SqliteReader, SqliteStore
from tests.integration.server.world import ServerThread, config, until

LIKERS = 450


@pytest.mark.timeout(60)
async def test_a_removal_that_was_begun_is_finished_after_a_restart(tmp_path: Path) -> None:
    """The counts of all who liked the tweet come right without anybody asking."""
    settings = config(tmp_path / "data", "inline")
    path = tmp_path / "data" / "rookery.sqlite"
    await _leave_a_removal(path)
    server = ServerThread(settings)
    await asyncio.to_thread(server.start)
    try:
        reader = SqliteReader(path, COLLECTIONS)

        async def is_done() -> bool:
            return await RemovalRepository(reader).get(7) is None

        await until(is_done)
        counts = await Users(reader).counts_many(range(1000, 1000 + LIKERS))
        assert {each.likes for each in counts} == {0}
        await reader.close()
    finally:
        await asyncio.to_thread(server.stop)


async def _leave_a_removal(path: Path) -> None:
    """A store as a kill leaves it right after the deletion of a tweet that many like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)
    tweet = Tweet(id=7, author_id=1, text="gone", conversation_id=7)
    likes = [liking(1000 + number, 7, 1 + number) for number in range(LIKERS)]
    for operations in (
        Users.add(User(id=1, username="ann", name="Ann")),
        creating(tweet),
        *likes,
        (*deleting(tweet, Standing()), beginning(tweet, 1)),
    ):
        await store.writer.write(WriteBatch(tuple(operations)))
    await store.close()
