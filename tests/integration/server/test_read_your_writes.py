"""What one has just done, one sees in the next read, through whichever gateway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from rookery.actors.gateway import Gateway
from rookery.actors.runtime import ActorSpec
from rookery.actors.shard import TimelineShard
from rookery.compose.actors import specs
from rookery.config import Config
from rookery.messages import Delivery, Invalidation
from tests.integration.server.world import ServerThread, World
from tests.servers.machine import free_port

SLOW_S = 0.03
ROUNDS = 25
CONNECTIONS = 8


class SlowGateway(Gateway):
    """Takes its time until it knows what has changed."""

    async def invalidate(self, changes: list[Invalidation]) -> None:
        await asyncio.sleep(SLOW_S)
        await super().invalidate(changes)


class SlowShard(TimelineShard):
    """Takes its time until it has delivered."""

    async def deliver(self, batches: list[list[Delivery]]) -> list[int]:
        await asyncio.sleep(SLOW_S)
        return await super().deliver(batches)


@dataclass
class Gateways:
    """One user's connections to gateways."""

    sessions: list[aiohttp.ClientSession]
    stale: int = 0

    async def ask(self, number: int, method: str, path: str, body: Any = None) -> Any:
        session = self.sessions[number % len(self.sessions)]
        async with session.request(method, f"/api/v1{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def expect(self, number: int, path: str, is_so: Callable[[Any], bool]) -> None:
        if not is_so(await self.ask(number, "GET", path)):
            self.stale += 1

    async def do_everything(self, one: int, other: int) -> None:
        """Each kind of change through one gateway, with a look through another at once."""
        posted = await self.ask(one, "POST", "/tweets", {"text": "hello"})
        tweet = posted["tweet"]["id"]
        await self.expect(other, "/timeline/home", lambda page: page["tweets"][0]["id"] == tweet)
        await self.ask(one, "POST", f"/tweets/{tweet}/like")
        await self.expect(other, f"/tweets/{tweet}", lambda each: is_liked(each, 1))
        await self.ask(one, "DELETE", f"/tweets/{tweet}/like")
        await self.expect(other, f"/tweets/{tweet}", lambda each: not is_liked(each, 1))
        await self.ask(one, "POST", "/tweets", {"text": "a reply", "replyToTweetId": tweet})
        await self.expect(other, f"/tweets/{tweet}", lambda each: count(each, "replyCount") == 1)
        await self.ask(one, "PATCH", f"/tweets/{tweet}", {"text": "edited"})
        await self.expect(other, f"/tweets/{tweet}", lambda each: inner(each)["text"] == "edited")
        await self.ask(one, "DELETE", f"/tweets/{tweet}")
        await self.expect(
            other,
            "/timeline/home",
            lambda page: tweet not in [each["id"] for each in page["tweets"]],
        )


def inner(answer: Any) -> Any:
    return answer.get("tweet", answer)


def count(answer: Any, name: str) -> int:
    return int(inner(answer)[name])


def is_liked(answer: Any, likes: int) -> bool:
    tweet = inner(answer)
    return bool(tweet["liked"]) and tweet["likeCount"] == likes


Enter = Callable[[World, list[str]], Awaitable[Gateways]]


@pytest_asyncio.fixture
async def enter() -> AsyncIterator[Enter]:
    """Connects a new user to gateways by their addresses, each connection kept open."""
    async with AsyncExitStack() as stack:

        async def connect(world: World, urls: list[str]) -> Gateways:
            (ada,) = await world.people(1)
            headers = {"Authorization": f"Bearer {ada.session.token}"}
            sessions = [
                await stack.enter_async_context(
                    aiohttp.ClientSession(
                        url, headers=headers, connector=aiohttp.TCPConnector(limit=1)
                    )
                )
                for url in urls
            ]
            return Gateways(sessions)

        yield connect


@pytest_asyncio.fixture
async def two_slow_gateways(
    start_inline: Callable[..., Awaitable[ServerThread]], monkeypatch: pytest.MonkeyPatch
) -> tuple[ServerThread, list[str]]:
    """A server whose second gateway, and whose deliveries, are 30 ms late; both addresses."""
    port = free_port()

    def changed(config: Config, http_port: int, live_ports: list[int]) -> list[ActorSpec]:
        made = []
        for spec in specs(config, http_port, live_ports):
            cls, args = spec.cls, spec.args
            if spec.name == "Gateway-1":
                cls, args = SlowGateway, (args[0], args[1], port, args[3])
            elif cls is TimelineShard:
                cls = SlowShard
            made.append(ActorSpec(spec.name, cls, args))
        return made

    monkeypatch.setattr("rookery.compose.serving.specs", changed)
    monkeypatch.setattr(Config, "gateways", property(lambda _: 2))
    server = await start_inline()
    return server, [server.http_url, f"http://127.0.0.1:{port}"]


async def test_through_a_gateway_that_is_late(
    two_slow_gateways: tuple[ServerThread, list[str]], enter: Enter
) -> None:
    """An answer waits until the other one knows, so nothing is stale, ever."""
    server, urls = two_slow_gateways
    async with World(server) as world:
        gateways = await enter(world, urls)
        for _ in range(3):
            await gateways.do_everything(0, 1)
            await gateways.do_everything(1, 0)
        assert gateways.stale == 0


@pytest.mark.ray
@pytest.mark.timeout(180)
async def test_through_processes_of_their_own(ray_world: World, enter: Enter) -> None:
    """Connections to one port are shared among both gateways; hundreds of tries, none stale."""
    gateways = await enter(ray_world, [ray_world.url] * CONNECTIONS)
    for turn in range(ROUNDS):
        await gateways.do_everything(turn, turn * 3 + 1)
    assert gateways.stale == 0
