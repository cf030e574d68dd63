"""A whole server with a real Redis: what it carries, and that nothing depends on it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.actors.revocations import Revocations
from rookery.client import Unauthorized
from rookery.errors import StartupError
from rookery.events.kinds import FollowChanged
from rookery.store.engine import WriteBatch
from rookery.store.records.devices import Devices
from rookery.store.records.outbox import adding
from rookery.store.redis.connection import connect
from tests.integration.server.world import (
    Listener,
    Person,
    ServerThread,
    World,
    newest_first,
    settled,
    until,
)
from tests.servers.redis import RedisServer, required

WITHOUT_REDIS_S = 2.0
"""The longest that a post may take to a follower's connection when Redis dies under it."""
REVOKED_S = 1.0
TIMEOUT_S = 0.5

StartInline = Callable[..., Awaitable[ServerThread]]


class Scene:
    """A server, its Redis, somebody who posts and a follower who is connected."""

    def __init__(self, world: World, server: ServerThread, redis: RedisServer) -> None:
        self.world = world
        self.server = server
        self.redis = redis
        self.posted: list[int] = []

    async def __call__(self) -> "Scene":
        self.ada, self.bob = await self.world.people(2)
        await self.bob.follow(self.ada)
        self.listener = await self.bob.listen()
        return self

    async def post(self, within_s: float = WITHOUT_REDIS_S) -> None:
        """Ada posts, and Bob's connection gets it in time."""
        tweet_id = await self.ada.post(f"post {len(self.posted)}")
        self.posted.append(tweet_id)
        await self.listener.until(lambda: tweet_id in self.listener.tweet_ids, within_s)

    async def figures(self) -> dict[str, float]:
        """Those of the fan-out worker."""
        found: dict[str, float] = await self.server.actor(names.FANOUT_WORKER, "figures_now")
        return found

    async def streams(self) -> None:
        """Wait until the worker reads the stream."""

        async def is_so() -> bool:
            return not (await self.figures())["queue_redis_away"]

        await until(is_so)

    async def exact(self) -> None:
        """Everything posted came once, and stands in home."""
        await settled(self.world)
        assert sorted(self.listener.tweet_ids) == sorted(self.posted)
        assert await self.bob.home() == newest_first(self.posted)


@pytest_asyncio.fixture
async def scene(start_inline: StartInline, tmp_path: Path) -> AsyncIterator[Scene]:
    required()
    redis = RedisServer(tmp_path / "redis")
    redis.start()
    try:
        server = await start_inline(redis={"url": redis.url, "timeout_s": TIMEOUT_S})
        async with World(server) as world:
            yield await Scene(world, server, redis)()
    finally:
        redis.stop()


async def test_posts_come_through_the_stream(scene: Scene) -> None:
    """And leave nothing behind in it."""
    await scene.streams()
    before = (await scene.figures())["queue_from_stream"]
    for _ in range(5):
        await scene.post()
    await scene.exact()
    assert (await scene.figures())["queue_from_stream"] >= before + 5
    client = connect(scene.server.config.redis)

    async def is_clean() -> bool:
        return await client.xlen("rookery:fanout") == 0

    await until(is_clean)
    await client.aclose()


async def test_posts_reach_followers_while_redis_is_killed_and_comes_back(scene: Scene) -> None:
    """The outbox carries them meanwhile; then the stream does again."""
    await scene.streams()
    await scene.post()
    scene.redis.kill()
    for _ in range(3):
        await scene.post()
    assert (await scene.figures())["queue_redis_away"] == 1
    scene.redis.start()
    await scene.streams()
    before = (await scene.figures())["queue_from_stream"]

    async def is_used() -> bool:
        await scene.post()
        return (await scene.figures())["queue_from_stream"] > before

    await until(is_used)
    await scene.exact()


async def test_posts_reach_followers_while_redis_hangs(scene: Scene) -> None:
    """Requests are answered at once all the while."""
    await scene.streams()
    scene.redis.pause()
    try:
        for _ in range(3):
            begun_s = time.monotonic()
            tweet_id = await scene.ada.post("hello")
            scene.posted.append(tweet_id)
            assert time.monotonic() - begun_s < TIMEOUT_S
            await scene.listener.until(
                lambda it=tweet_id: it in scene.listener.tweet_ids,  # type: ignore[misc]
                WITHOUT_REDIS_S,
            )
    finally:
        scene.redis.resume()
    await scene.exact()


async def test_emptying_redis_under_load_loses_nothing(scene: Scene) -> None:
    """Whatever it was, the outbox has it."""
    await scene.streams()
    client = connect(scene.server.config.redis)
    for number in range(30):
        scene.posted.append(await scene.ada.post(f"post {number}"))
        if number % 5 == 0:
            await client.flushall()
    await client.aclose()
    await scene.exact()


async def _revoke_unsaid(scene: Scene, person: Person) -> tuple[int, str]:
    """Remove a device from the store, and tell nobody."""
    device = (person.id, person.session.device_id)
    store = scene.server.server.backend.store
    await scene.server.on_loop(store.writer.write(WriteBatch((Devices.remove(*device),))))
    return device


async def _closed(listener: Listener, since_s: float) -> None:
    """It must be closed for good, in time."""
    await listener.until(lambda: listener.closed, REVOKED_S)
    assert listener.closed is not None and listener.closed.code == 4403
    assert listener.closed_s - since_s < REVOKED_S


async def test_a_revocation_over_redis_reaches_connections_and_gateways(scene: Scene) -> None:
    """Where no actor call told of it: the connection is closed, the cached token refused."""
    device = await _revoke_unsaid(scene, scene.bob)
    assert await scene.bob.home() == []  # the token is still cached
    since_s = time.monotonic()
    revocations = Revocations(scene.server.config.redis)
    await revocations.publish([(*device, "")])
    await revocations.close()
    await _closed(scene.listener, since_s)
    with pytest.raises(Unauthorized):
        await scene.bob.home()


async def test_a_logout_closes_connections_while_redis_is_away(scene: Scene) -> None:
    """The actor call does it alone."""
    scene.redis.kill()
    since_s = time.monotonic()
    await scene.bob.client.log_out()
    await _closed(scene.listener, since_s)


async def test_what_was_revoked_during_an_outage_is_found_afterwards(scene: Scene) -> None:
    """Once subscribed again, every process looks at all devices, long before their time."""
    assert scene.server.config.auth.recheck_s >= 10
    scene.redis.kill()
    await _revoke_unsaid(scene, scene.bob)
    assert await scene.bob.home() == []
    scene.redis.start()
    await scene.listener.until(lambda: scene.listener.closed, 3 * REVOKED_S)
    with pytest.raises(Unauthorized):
        await scene.bob.home()


async def test_an_entry_that_cannot_be_delivered_is_put_aside(scene: Scene) -> None:
    """Posts before and after it arrive; an operator can have it tried again."""
    await scene.streams()
    backend = scene.server.server.backend
    no_such_id = (1 << 64) - 1
    poison = FollowChanged(
        id=backend.lease.next_id(), follower_id=scene.ada.id, followee_id=no_such_id, follows=True
    )
    await scene.server.on_loop(backend.store.writer.write(WriteBatch((adding(poison),))))

    async def is_aside() -> bool:
        await scene.post()
        return (await scene.figures())["timelines_put_aside"] == 1

    await until(is_aside)
    assert sorted(scene.listener.tweet_ids) == sorted(scene.posted)
    assert await scene.world.control("retry-events") == 1
    assert await scene.world.control("retry-events") == 0
    await until(is_aside)


async def test_a_server_does_not_start_without_its_redis(start_inline: StartInline) -> None:
    """The sentence says what to do."""
    settings: dict[str, Any] = {"url": "redis://127.0.0.1:1/0", "timeout_s": TIMEOUT_S}
    with pytest.raises(StartupError, match=r"start it, correct redis.url or ROOKERY_REDIS_URL"):
        await start_inline(redis=settings)
