"""The shared cache over a real Redis: what it saves, how fresh it is, and Redis away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from rookery.config import Redis
from rookery.errors import DeadlineExceeded
from rookery.models import User
from rookery.store import clock_ms
from rookery.store.engine import (
    ConditionFailed,
    Delete,
    Document,
    Expect,
    Insert,
    Operation,
    Put,
    WriteBatch,
)
from rookery.store.records.users import Users
from rookery.store.redis.cache import TTL_S, CachedReader, CachingWriter, Changed, SharedCache
from rookery.store.redis.connection import connect
from rookery.store.schema import TWEETS, USERNAMES, USERS
from tests.contract.queues import until
from tests.servers.redis import RedisServer, required
from tests.unit.memory_store import MemoryStore


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    required()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


class WriterOf:
    """`MemoryStore` as a process holds it."""

    def __init__(self, store: MemoryStore) -> None:
        self.write = store.write

    async def close(self) -> None: ...

    def figures(self) -> dict[str, float]:
        return {}


class Process:
    """One that reads and writes through the cache."""

    def __init__(self, store: MemoryStore, settings: Redis) -> None:
        self.told_late: list[Changed] = []
        self.cache = SharedCache(settings, clock_ms, self.told_late.extend)
        self.reader = CachedReader(store, self.cache)
        self._writer = CachingWriter(WriterOf(store), self.cache)

    async def write(self, *operations: Operation) -> None:
        await self._writer.write(WriteBatch(operations))

    async def text(self, tweet_id: int) -> str | None:
        """What it shows of a tweet."""
        document = await self.reader.get(TWEETS, (tweet_id,))
        return None if document is None else str(document["text"])

    @property
    def hits(self) -> float:
        return self.cache.figures()["shared_cache_hits"]


class Scene:
    """One store, two processes."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.settings = Redis(url=server.url, timeout_s=0.3)
        self.store = MemoryStore()
        self.here, self.there = (Process(self.store, self.settings) for _ in range(2))

    async def raw(self, command: str, *args: Any) -> Any:
        client = connect(self.settings)
        execute: Any = client.execute_command
        try:
            return await execute(command, *args)
        finally:
            await client.aclose()

    async def cached(self, tweet_id: int) -> None:
        """Wait until it is in the cache."""
        await until(lambda: self.raw("EXISTS", f"rookery:tweets:{tweet_id}"))

    async def write_past_cache(self, *operations: Operation) -> None:
        """As a process that dies between the commit and the cache."""
        await self.store.write(WriteBatch(operations))

    @property
    def reads(self) -> int:
        return self.store.reads.get("get_many", 0)


@pytest_asyncio.fixture
async def scene(redis: RedisServer) -> AsyncIterator[Scene]:
    made = Scene(redis)
    yield made
    await made.here.cache.close()
    await made.there.cache.close()


def tweet(tweet_id: int, version: int = 1) -> Document:
    return {"id": tweet_id, "author_id": 7, "version": version, "text": f"version {version}"}


async def test_a_document_read_once_is_not_read_again(scene: Scene) -> None:
    """By no process; in whole, and with the time limit set."""
    await scene.write_past_cache(Insert(TWEETS.name, tweet(1)))
    await scene.here.text(1)
    await scene.cached(1)
    reads = scene.reads
    assert await scene.there.reader.get_many(TWEETS, [(1,)]) == [tweet(1)]
    assert (scene.reads, scene.there.hits) == (reads, 1)
    assert 0 < await scene.raw("TTL", "rookery:tweets:1") <= TTL_S


async def test_only_what_is_missing_is_read(scene: Scene) -> None:
    """And the order of the keys is kept."""
    await scene.write_past_cache(*(Insert(TWEETS.name, tweet(each)) for each in (1, 2, 3)))
    await scene.here.text(2)
    await scene.cached(2)
    found = await scene.there.reader.get_many(TWEETS, [(3,), (2,), (9,), (1,)])
    assert [each and each["id"] for each in found] == [3, 2, None, 1]
    figures = scene.there.cache.figures()
    assert (figures["shared_cache_hits"], figures["shared_cache_misses"]) == (1, 3)


async def test_a_new_document_is_there_before_anyone_reads_it(scene: Scene) -> None:
    """The store need not be asked for it."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    assert (await scene.there.text(1), scene.reads) == ("version 1", 0)


async def test_a_change_is_seen_by_all_once_its_write_returns(scene: Scene) -> None:
    """Though the former document was cached."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    for version in range(2, 20):
        await scene.here.write(Put(TWEETS.name, tweet(1, version)))
        assert await scene.there.text(1) == f"version {version}"
    assert scene.reads == 0


async def test_a_deletion_is_seen_by_all_once_its_write_returns(scene: Scene) -> None:
    """And no reader that was slow brings the document back."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    await scene.here.write(Delete(TWEETS.name, (1,)))
    assert await scene.there.text(1) is None
    scene.there.cache.fill(TWEETS.name, [tweet(1)])
    await scene.there.cache.replace({(TWEETS.name, 1): tweet(1, 2)})
    assert await scene.here.text(1) is None


async def test_a_slow_reader_does_not_replace_a_newer_version(scene: Scene) -> None:
    """It read before the change, and fills after it."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.here.write(Put(TWEETS.name, tweet(1, 2)))
    scene.there.cache.fill(TWEETS.name, [tweet(1)])
    scene.there.cache.fill(TWEETS.name, [tweet(2)])
    await scene.cached(2)
    assert await scene.there.text(1) == "version 2"


async def test_an_overtaken_writer_does_not_replace_a_newer_version(scene: Scene) -> None:
    """Two changes may reach the cache in the other order; versions are compared as numbers."""
    await scene.here.write(Put(TWEETS.name, tweet(1, 10)))
    await scene.there.cache.replace({(TWEETS.name, 1): tweet(1, 9)})
    assert await scene.there.text(1) == "version 10"


async def test_a_write_of_unknown_outcome_makes_readers_ask_the_store(scene: Scene) -> None:
    """It took effect, and its answer was lost."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)

    async def lose_the_answer(batch: WriteBatch) -> None:
        scene.store.before_write = None
        await scene.store.write(batch)
        raise DeadlineExceeded()

    scene.store.before_write = lose_the_answer
    with pytest.raises(DeadlineExceeded):
        await scene.here.write(Put(TWEETS.name, tweet(1, 2)))
    assert await scene.there.text(1) == "version 2"


async def test_a_write_that_was_refused_changes_nothing(scene: Scene) -> None:
    """The cached document goes on being used."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    refused = Expect(TWEETS.name, (1,), True, {"version": 5}, label="changed")
    with pytest.raises(ConditionFailed):
        await scene.here.write(refused, Put(TWEETS.name, tweet(1, 6)))
    assert (await scene.there.text(1), scene.reads) == ("version 1", 0)


async def test_secrets_are_not_in_redis(scene: Scene) -> None:
    """Neither by reading nor by writing; the rest of a user is whole."""
    user = {
        "id": 5,
        "username": "ada",
        "name": "Ada",
        "email": "ada@example.org",
        "password_hash": "$argon2id$",
        "version": 1,
    }
    await scene.write_past_cache(Insert(USERS.name, user))
    await scene.here.reader.get(USERS, (5,))
    await until(lambda: scene.raw("EXISTS", "rookery:users:5"))
    await scene.here.write(Put(USERS.name, {**user, "version": 2}))
    stored = await scene.raw("GET", "rookery:users:5")
    assert b"Ada" in stored and b"argon2" not in stored and b"example.org" not in stored
    cached = await Users(scene.there.reader).get(5)
    assert cached == User(id=5, username="ada", name="Ada", version=2)


async def test_other_collections_are_not_cached(scene: Scene) -> None:
    """They are read from the store each time."""
    await scene.write_past_cache(Insert(USERNAMES.name, {"username_key": "ada", "user_id": 5}))
    for _ in range(2):
        assert await scene.here.reader.get(USERNAMES, ("ada",)) is not None
    assert (await scene.raw("DBSIZE"), scene.here.hits) == (0, 0)


async def test_a_missed_change_is_not_seen_for_longer_than_the_time_limit(scene: Scene) -> None:
    """The writer died between commit and cache."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    await scene.write_past_cache(Put(TWEETS.name, tweet(1, 2)))
    assert await scene.there.text(1) == "version 1"
    await scene.raw("PEXPIRE", "rookery:tweets:1", "1")

    async def is_seen() -> bool:
        return await scene.there.text(1) == "version 2"

    await until(is_seen)


async def test_without_redis_the_store_is_read_at_once(scene: Scene) -> None:
    """Reads and writes go on; only the first notices anything."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    scene.server.kill()
    begun_s = time.monotonic()
    for version in range(2, 50):
        await scene.here.write(Put(TWEETS.name, tweet(1, version)))
        assert await scene.here.text(1) == f"version {version}"
    assert time.monotonic() - begun_s < 0.5
    assert scene.here.cache.figures()["shared_cache_away"] == 1


async def test_a_redis_that_hangs_delays_one_read_a_second(scene: Scene) -> None:
    """And that by no more than the bound."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    scene.server.pause()
    try:
        begun_s = time.monotonic()
        assert await asyncio.gather(*(scene.here.text(1) for _ in range(50))) == ["version 1"] * 50
        first_s = time.monotonic() - begun_s
        for _ in range(50):
            await scene.here.text(1)
        rest_s = time.monotonic() - begun_s - first_s
    finally:
        scene.server.resume()
    assert first_s < 0.6 and rest_s < 0.2


async def test_the_cache_is_used_again_when_redis_is_back(scene: Scene) -> None:
    """Empty, as it is then."""
    await scene.write_past_cache(Insert(TWEETS.name, tweet(1)))
    scene.server.kill()
    await scene.here.text(1)
    scene.server.start()

    async def is_hit() -> bool:
        await scene.here.text(1)
        return scene.here.hits > 0

    await until(is_hit)


async def test_a_change_that_redis_did_not_hear_of_is_told_when_it_answers(scene: Scene) -> None:
    """It hung, and has kept the former document; whoever told it hears when that was."""
    await scene.here.write(Insert(TWEETS.name, tweet(1)))
    await scene.cached(1)
    scene.server.pause()
    await scene.here.write(Put(TWEETS.name, tweet(1, 2)))
    scene.server.resume()

    async def is_seen() -> bool:
        return await scene.there.text(1) == "version 2"

    await until(is_seen, within_s=3.0)
    assert scene.here.told_late == [(TWEETS.name, 1)]
    assert scene.there.told_late == []


async def test_rubbish_in_redis_is_passed_by(scene: Scene) -> None:
    """What is there cannot be read; the store can."""
    await scene.write_past_cache(Insert(TWEETS.name, tweet(1)))
    await scene.raw("SET", "rookery:tweets:1", "rubbish")
    assert await scene.here.text(1) == "version 1"
