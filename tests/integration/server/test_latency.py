"""How soon posts arrive at many open connections; that all of them do is asserted, time is not."""

import asyncio
import time
from collections.abc import Callable

import pytest

from rookery.client import Client, TweetEvent
from rookery.ids import time_ms_of
from tests.integration.server.world import SOON, Person, World, until

pytestmark = pytest.mark.timeout(120)  # the first test starts the server

FOLLOWERS = 200
POSTS = 500
POSTS_PER_S = 100.0
SENDERS = 4


class Clock:
    """One follower: the tweets that came and how old each was, in milliseconds."""

    def __init__(self, client: Client) -> None:
        self.stream = client.stream(settings=SOON)
        self.ids: list[int] = []
        self.ages_ms: list[float] = []
        self.others = 0
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.stream:
            if isinstance(event, TweetEvent):
                tweet_id = int(event.tweet_id)
                self.ids.append(tweet_id)
                self.ages_ms.append(time.time() * 1000 - time_ms_of(tweet_id))
            else:
                self.others += 1

    async def aclose(self) -> None:
        await self.stream.aclose()
        await self._task


async def post_all(author: Person) -> list[int]:
    """All posts at their rate, over a few connections; their ids."""
    began_s = time.monotonic()
    numbers = iter(range(POSTS))
    posted: list[int] = []

    async def send() -> None:
        for number in numbers:
            due_s = began_s + number / POSTS_PER_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            posted.append(await author.post(f"post {number}"))

    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return posted


async def test_every_post_arrives_at_every_connection(
    ray_world: World, record_property: Callable[[str, object], None]
) -> None:
    """Two hundred followers, a hundred posts a second."""
    world = ray_world
    author, *followers = await world.people(FOLLOWERS + 1)
    await asyncio.gather(*(follower.follow(author) for follower in followers))
    clocks = [Clock(follower.client) for follower in followers]
    try:

        async def all_live() -> bool:
            return all(clock.stream.connected for clock in clocks)

        await until(all_live, within_s=20)
        began_s = time.monotonic()
        posted = await post_all(author)
        posted_s = time.monotonic() - began_s

        async def all_came() -> bool:
            return all(len(clock.ids) >= POSTS for clock in clocks)

        await until(all_came, within_s=20)
    finally:
        await asyncio.gather(*(clock.aclose() for clock in clocks))
    for clock in clocks:
        assert sorted(clock.ids) == sorted(posted)
        assert clock.others == 0
    ages_ms = sorted(age for clock in clocks for age in clock.ages_ms)
    p50_ms, p99_ms = (ages_ms[int(len(ages_ms) * share)] for share in (0.5, 0.99))
    record_property(
        "measured",
        f"{POSTS} posts in {posted_s:.1f} s to {FOLLOWERS} connections: {len(ages_ms)} events,"
        f" p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms from the making of the id to the client",
    )
