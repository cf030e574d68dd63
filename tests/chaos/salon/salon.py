"""A few people who hide from each other under load, beside the town, whom nobody there follows.

What two of them do to each other is done one after the other, so that the outcome is known. Their
requests go each over a connection of its own, so that they spread over all gateways.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from rookery.client import Client
from tests.chaos.salon.judging import Findings, View
from tests.chaos.salon.seeing import Seeing
from tests.chaos.watching import Watcher
from tests.integration.server.world import World

now_s = time.monotonic


class Member:
    """Somebody of the salon, with a client and a live stream."""

    watcher: Watcher

    def __init__(self, user_id: int, username: str, client: Client) -> None:
        self.id, self.username, self.client = user_id, username, client


class Salon:
    """Everybody in it, how they stand to each other, and what was seen that must not be.

    `was_calm` tells whether nothing was harmed at any time between two moments.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.seeing = Seeing()
        self.found = Findings()
        self.members: list[Member] = []
        self.was_calm: Callable[[float, float], bool] = lambda from_s, to_s: True
        self.has_ended = False
        self.changes = 0
        """Acknowledged ones, of how they stand to each other and of what they said."""
        self._locks: defaultdict[tuple[int, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    def member(self, user_id: int) -> Member:
        return next(each for each in self.members if each.id == user_id)

    async def connect(self) -> aiohttp.ClientSession:
        """A session that makes a connection for each request, and repeats none by itself."""
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = aiohttp.ClientSession(connector=connector)
        session._retry_connection = False
        return await self.world.stack.enter_async_context(session)

    @asynccontextmanager
    async def between(self, one: int, *others: int) -> AsyncIterator[None]:
        """Nobody else changes meanwhile how `one` and each of `others` stand to each other."""
        async with AsyncExitStack() as stack:
            for pair in sorted((min(one, other), max(one, other)) for other in others):
                await stack.enter_async_context(self._locks[pair])
            yield

    def view(self, viewer: Member, from_s: float) -> View:
        """What is to be shown to a member who has read from `from_s` until now."""
        over = self.seeing.over(from_s, now_s())
        return View(viewer.id, viewer.username, over, over)
