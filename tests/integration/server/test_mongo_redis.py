"""A whole server on MongoDB and Redis: the shared cache serves, and shows what is there now."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.store.engine import Document
from rookery.store.redis.cache import Changed, SharedCache
from tests.integration.server.world import Person, ServerThread, World, config, settled
from tests.servers import mongo as mongod
from tests.servers.mongo import MongoServer
from tests.servers.redis import RedisServer, required

Changes = Mapping[Changed, Document | None]

GATEWAY = names.gateway(0)


class Scene:
    """A server, its Redis, and two people of whom one follows the other."""

    def __init__(self, world: World, server: ServerThread, redis: RedisServer) -> None:
        self.world = world
        self.server = server
        self.redis = redis

    async def __call__(self) -> "Scene":
        self.ada, self.bob = await self.world.people(2)
        await self.bob.follow(self.ada)
        return self

    async def post_elsewhere(self) -> int:
        """Ada posts through another process than the gateway; the tweet's id."""
        [tweet_id] = await self.world.control("post", posts=[(self.ada.id, "hello", None, None)])
        await settled(self.world)
        return int(tweet_id)

    async def figure(self, name: str) -> float:
        found: dict[str, float] = await self.server.actor(GATEWAY, "figures_now")
        return found[f"shared_cache_{name}"]


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    mongod.required()
    required()
    mongo, redis = MongoServer(tmp_path / "mongo"), RedisServer(tmp_path / "redis")
    await asyncio.gather(asyncio.to_thread(mongo.start), asyncio.to_thread(redis.start))
    settings = config(
        tmp_path / "data",
        "inline",
        store={"engine": "mongo", "mongo_uri": mongo.uri},
        redis={"url": redis.url},
    )
    server = ServerThread(settings)
    await asyncio.to_thread(server.start)
    try:
        async with World(server) as world:
            yield await Scene(world, server, redis)()
    finally:
        await asyncio.to_thread(server.stop)
        redis.stop()
        await asyncio.to_thread(mongo.stop)


async def shown(person: Person, tweet_id: int) -> str:
    return (await person.client.tweet(tweet_id)).text


async def test_what_one_process_wrote_another_finds_in_the_cache(scene: Scene) -> None:
    """It need not read the store for it."""
    hits = await scene.figure("hits")
    tweet_id = await scene.post_elsewhere()
    assert await scene.bob.home() == [tweet_id]
    assert await scene.figure("hits") > hits


async def test_edits_and_deletions_are_shown_at_once(scene: Scene) -> None:
    """Though the former version was cached in every layer."""
    tweet_id = await scene.post_elsewhere()
    assert await shown(scene.bob, tweet_id) == "hello"
    for number in range(5):
        await scene.ada.client.edit_tweet(tweet_id, f"edit {number}")
        assert await shown(scene.bob, tweet_id) == f"edit {number}"
    await scene.ada.client.delete_tweet(tweet_id)
    assert await scene.bob.home() == []


async def test_without_redis_everything_goes_on(scene: Scene) -> None:
    """Posts arrive, edits show, log-ins work."""
    first = await scene.post_elsewhere()
    scene.redis.kill()
    second = await scene.post_elsewhere()
    await scene.ada.client.edit_tweet(first, "edited")
    assert await scene.bob.home() == [second, first]
    assert await shown(scene.bob, first) == "edited"
    assert await scene.figure("away") == 1
    again = await scene.ada.another_device()
    assert await again.home() == [second, first]


async def test_a_change_is_shown_though_its_writer_died_before_it_told_redis(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fan-out worker, which comes to every change, tells it."""
    tweet_id = await scene.post_elsewhere()
    assert await shown(scene.bob, tweet_id) == "hello"
    of_worker = scene.server.instance(names.FANOUT_WORKER)._to._cache
    replace = SharedCache.replace

    async def replace_unless_dead(self: SharedCache, changes: Changes) -> None:
        if self is of_worker:
            await replace(self, changes)

    monkeypatch.setattr(SharedCache, "replace", replace_unless_dead)
    await scene.ada.client.edit_tweet(tweet_id, "edited")
    await settled(scene.world)
    assert await shown(scene.bob, tweet_id) == "edited"
    await scene.ada.client.delete_tweet(tweet_id)
    await settled(scene.world)
    assert await scene.bob.home() == []
