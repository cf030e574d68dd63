"""A wall clock that steps stops nothing, and disorders nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from time import time_ns

import pytest

from tests.integration.server.world import ServerThread, World, newest_first, settled
from tests.servers.machine import free_port

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets by how many hours the wall clock of the server is off."""
    off_ns = [0]
    monkeypatch.setattr("rookery.store.time_ns", lambda: time_ns() + off_ns[0])

    def to(hours: int) -> None:
        off_ns[0] = hours * HOUR_NS

    return to


async def test_a_clock_an_hour_back_stops_nothing(
    start_inline: Callable[..., Awaitable[ServerThread]], step: Callable[[int], None]
) -> None:
    """Posts, follows and sign-ups go on, in order, over a restart too; it stays ready."""
    server = await start_inline(http={"port": free_port()})
    async with World(server) as world:
        ada, bob = await world.people(2)
        await bob.follow(ada)
        posted = [await ada.post("before")]
        step(-1)
        posted.append(await ada.post("after"))
        eve = (await world.people(1))[0]
        await eve.follow(ada)
        assert (await bob.client.ready()).ready
        await settled(world)
        assert await bob.home() == newest_first(posted)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        posted.append(await ada.post("after a restart"))
        await settled(world)
        assert posted == sorted(posted)
        assert await bob.home() == newest_first(posted)
        assert await eve.home() == newest_first(posted)


async def test_a_clock_an_hour_ahead_that_is_corrected(
    start_inline: Callable[..., Awaitable[ServerThread]], step: Callable[[int], None]
) -> None:
    """What is posted later stands above what came from the future."""
    server = await start_inline(http={"port": free_port()})
    async with World(server) as world:
        ada = (await world.people(1))[0]
        step(1)
        posted = [await ada.post("from the future")]
        step(0)
        posted.append(await ada.post("now"))
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        posted.append(await ada.post("after a restart"))
        await settled(world)
        assert posted == sorted(posted)
        assert await ada.home() == newest_first(posted)
