"""A reader whose connection, connection server and shard die sees every event all the same."""

import asyncio
import random

import pytest

from rookery.actors import names
from tests.integration.server.reader import Reader
from tests.integration.server.world import SOON, Person, ServerThread, World, settled, until

pytestmark = pytest.mark.timeout(120)  # the first test starts the server

BATCH = 50
CUT_EVERY_S = 0.08


class Posting:
    """One author's posts by the control channel, at full speed."""

    def __init__(self, world: World, author: Person) -> None:
        self._world = world
        self._author = author
        self.posted: list[int] = []

    async def run(self, count: int, pause_s: float = 0.0) -> None:
        for _ in range(count // BATCH):
            posts = [(self._author.id, f"post {n}", None, None) for n in range(BATCH)]
            self.posted += map(int, await self._world.control("post", posts=posts))
            await asyncio.sleep(pause_s)


async def cut_at_random(reader: Reader, ended: asyncio.Event, rng: random.Random) -> int:
    """Cut the reader off again and again; how often."""
    cuts = 0
    while not ended.is_set():
        await asyncio.sleep(rng.uniform(0, 2 * CUT_EVERY_S))
        cuts += reader.cut()
    return cuts


async def test_a_reader_that_is_cut_off_again_and_again_misses_nothing(
    world: World, server: ServerThread, events: int
) -> None:
    """Not by its network, not by its connection server's death; its shard's is a reset."""
    ada, bob = await world.people(2)
    await bob.follow(ada)
    stream = bob.client.stream(settings=SOON, connection_events=True)
    reader = Reader(stream, bob.home)
    await until(lambda: asyncio.sleep(0, stream.connected), what="a live stream")
    posting, ended = Posting(world, ada), asyncio.Event()
    cutting = asyncio.create_task(cut_at_random(reader, ended, random.Random(1)))

    async def caught_up() -> bool:
        return reader.known >= set(posting.posted)

    try:
        await posting.run(events * 3 // 5)
        await until(caught_up, what="all events after cuts")
        slowly = asyncio.create_task(posting.run(events // 5, pause_s=0.05))
        await server.kill(names.connection_server(0))
        await slowly
        await until(caught_up, what="all events after the death of the connection server")
        assert reader.promise.resets == 0
        assert sorted(reader.promise.singly) == sorted(posting.posted) or reader.promise.merged
        shard = server.server.view.shard_map.owner(bob.id)
        slowly = asyncio.create_task(posting.run(events // 5, pause_s=0.05))
        await server.kill(shard)
        await slowly
        await until(caught_up, what="all events after the death of the shard")
    finally:
        ended.set()
        cuts = await cutting
        await reader.aclose()
    reader.promise.check()
    assert cuts > 5 and reader.promise.resumptions > 5
    assert reader.promise.resets >= 1
    assert reader.known == set(posting.posted)
    await settled(world)
    assert await bob.home() == sorted(posting.posted, reverse=True)
