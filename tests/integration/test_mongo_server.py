"""A whole server on MongoDB, also while that is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from rookery.errors import StartupError
from tests.integration.server.world import Person, ServerThread, World, config, settled, until
from tests.servers.mongo import MongoServer, lost_sockets_collected, required

TIMEOUT_S = 1.0

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with lost_sockets_collected():
        yield


@pytest.fixture
async def mongo(tmp_path: Path) -> AsyncIterator[MongoServer]:
    """A MongoDB of the test's own, so that it can be killed."""
    required()
    server = MongoServer(tmp_path / "mongo")
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def world(mongo: MongoServer, tmp_path: Path) -> AsyncIterator[World]:
    """The users of a server on `mongo`."""
    store = {"engine": "mongo", "mongo_uri": mongo.uri, "timeout_s": TIMEOUT_S}
    server = ServerThread(config(tmp_path / "data", "inline", store=store))
    await asyncio.to_thread(server.start)
    try:
        async with World(server) as made:
            yield made
    finally:
        await asyncio.to_thread(server.stop)


async def answer(world: World, person: Person, method: str, path: str) -> tuple[int, str | None]:
    """Status and `Retry-After` of one request, not repeated."""
    headers = {"Authorization": f"Bearer {person.client.token}"}
    body = {"text": "while it is away"} if method == "POST" else None
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.request(method, f"{world.url}/api/v1{path}", json=body) as response:
            return response.status, response.headers.get("Retry-After")


async def test_posts_reach_followers(world: World) -> None:
    """Sign up, follow, post, like, read home and be pushed to, all on MongoDB."""
    ada, bob = await world.people(2)
    await bob.follow(ada)
    listener = await bob.listen()
    posted = [await ada.post(f"post {n}") for n in range(3)]
    await bob.client.like(posted[0])
    await listener.until(lambda: len(listener.tweet_ids) == 3)
    await settled(world)
    assert await bob.home() == posted[::-1]
    assert (await bob.client.tweet(posted[0])).like_count == 1
    assert await world.faults() == []


async def test_the_server_outlives_its_store(world: World, mongo: MongoServer) -> None:
    """MongoDB killed: cached reads go on, the rest gets 503. Back again: so is everything."""
    ada, bob = await world.people(2)
    await bob.follow(ada)
    posted = await ada.post("before")
    await settled(world)
    assert await bob.home() == [posted]

    await asyncio.to_thread(mongo.kill)
    assert await answer(world, bob, "GET", "/timeline/home") == (200, None)
    for method, path in (("POST", "/tweets"), ("GET", f"/users/{ada.id}/followers")):
        began = time.monotonic()
        status, retry_after = await answer(world, ada, method, path)
        assert (status, retry_after is not None) == (503, True), path
        assert time.monotonic() - began < TIMEOUT_S + 2, path

    await asyncio.to_thread(mongo.start)

    async def can_post() -> bool:
        status, _ = await answer(world, ada, "POST", "/tweets")
        assert status in (201, 503)
        return status == 201

    await until(can_post, what="a post that is taken again")
    await settled(world)
    assert posted in await bob.home()
    assert len(await bob.home()) >= 2
    assert await world.faults() == []


async def test_a_server_started_again_finds_everything(
    world: World, mongo: MongoServer, tmp_path: Path
) -> None:
    """A second server on the same database, beside the first, reads what that one wrote."""
    ada = await world.person()
    posted = await ada.post("hello")
    store = {"engine": "mongo", "mongo_uri": mongo.uri, "timeout_s": TIMEOUT_S}
    second = ServerThread(config(tmp_path / "second", "inline", store=store))
    await asyncio.to_thread(second.start)
    try:
        async with World(second) as other:
            reader = await other.person()
            assert int((await reader.client.tweet(posted)).id) == posted
    finally:
        await asyncio.to_thread(second.stop)


async def test_a_missing_mongodb_is_told_at_the_start(tmp_path: Path) -> None:
    """The server does not start, and says where it looked and what to correct."""
    store = {"engine": "mongo", "mongo_uri": "mongodb://127.0.0.1:1/", "timeout_s": 0.3}
    server = ServerThread(config(tmp_path, "inline", store=store))
    with pytest.raises(StartupError, match=r"No MongoDB answers at mongodb://127\.0\.0\.1:1/"):
        await asyncio.to_thread(server.start)
