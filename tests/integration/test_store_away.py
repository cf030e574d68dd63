"""While the store is away: what is cached still reads, all else is 503, nothing is made up."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rookery.errors import ActorUnavailable, DeadlineExceeded
from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.records.devices import Devices
from tests.integration.failing_store import FailingStore
from tests.integration.http_world import Client, World, http_world, wall_clock_ms
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import WarmTimelines

HOME = "/timeline/home"
LONG_S = 60
"""Longer than any cache may be used without the store; shorter than a token lives."""


class Clock:
    """The wall clock, and what the test adds to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms

    def advance(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


class Scene:
    """A server, one reader with two tweets in a warm timeline, and the switch of its store."""

    def __init__(
        self, world: World, store: FailingStore, clock: Clock, timeline: WarmTimelines, ada: Client
    ) -> None:
        self.world = world
        self.store = store
        self.clock = clock
        self.timeline = timeline
        self.ada = ada

    async def post(self) -> int:
        """A tweet that has arrived in the warm timeline."""
        tweet = await self.ada.ok("POST", "/tweets", {"text": "hello"})
        tweet_id = int(tweet["tweetId"])
        self.timeline.held.append((tweet_id, 0))
        return tweet_id

    async def unavailable(self, client: Client, method: str, path: str, body: Any = None) -> None:
        """The request must be told to try again later."""
        status, answer, headers = await client.request(method, path, body)
        assert (status, answer["code"]) == (503, "store_unavailable")
        assert int(headers["Retry-After"]) >= 1


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    store, clock, timeline = FailingStore(MemoryStore()), Clock(), WarmTimelines()
    async with http_world(store=store, clock_ms=clock, timeline=timeline) as world:
        ada = await world.user("ada")
        made = Scene(world, store, clock, timeline, ada)
        for _ in range(2):
            await made.post()
        yield made


async def test_a_cached_home_reads_on(scene: Scene) -> None:
    """Token, timeline, cards and flags are known: the page is the one from before."""
    before = await scene.ada.ok("GET", HOME)
    assert len(before["tweets"]) == 2
    scene.store.is_away = True
    for _ in range(3):
        scene.clock.advance(LONG_S)
        assert await scene.ada.ok("GET", HOME) == before
    assert scene.store.refused


async def test_an_absent_store_is_not_asked_for_every_request(scene: Scene) -> None:
    """Within a second of a failure, requests that can do without are answered without."""
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.ada.ok("GET", HOME)
    refused = scene.store.refused
    for _ in range(20):
        await scene.ada.ok("GET", HOME)
    assert scene.store.refused == refused


async def test_a_page_that_lacks_anything_is_refused(scene: Scene) -> None:
    """A tweet whose card is not cached is neither left out nor made up."""
    await scene.ada.ok("GET", HOME)
    scene.timeline.held.append((max(scene.timeline.held)[0] + 1, 0))
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.unavailable(scene.ada, "GET", HOME)


async def test_a_tweet_that_is_not_cached_is_not_said_to_be_missing(scene: Scene) -> None:
    """Nobody knows whether it exists; one that is cached is shown, to anyone."""
    known = scene.timeline.held[0][0]
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.world.nobody.ok("GET", f"/tweets/{known}")
    for _ in range(2):
        await scene.unavailable(scene.world.nobody, "GET", "/tweets/1")


async def test_a_viewer_whose_likes_are_unknown_is_refused(scene: Scene) -> None:
    """Cards alone are not enough: whether the viewer likes them must be known, too."""
    other = await scene.world.user("bob")
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    await scene.unavailable(other, "GET", HOME)
    await scene.ada.ok("GET", HOME)


async def test_a_like_since_the_last_page_is_not_forgotten(scene: Scene) -> None:
    """Flags that are known to have changed are not shown as they were."""
    await scene.ada.ok("GET", HOME)
    await scene.ada.ok("POST", f"/tweets/{scene.timeline.held[0][0]}/like")
    scene.store.is_away = True
    await scene.unavailable(scene.ada, "GET", HOME)


async def test_an_unknown_token_is_refused_but_not_called_invalid(scene: Scene) -> None:
    """Whether its device still exists cannot be said."""
    stranger = await scene.world.user("bob")
    scene.store.is_away = True
    await scene.unavailable(stranger, "GET", HOME)


async def test_a_known_token_still_expires(scene: Scene) -> None:
    """An outage does not lengthen a token's life."""
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    scene.clock.advance(901)
    status, answer, _ = await scene.ada.request("GET", HOME)
    assert (status, answer["code"]) == (401, "token_expired")


async def test_a_device_revoked_during_the_outage_is_not_honoured(scene: Scene) -> None:
    """From the message on its token is nothing but unknown; afterwards it is refused."""
    await scene.ada.ok("GET", HOME)
    user_id, device_id = int(scene.ada.user_id), scene.ada.account["deviceId"]
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.ada.ok("GET", HOME)
    scene.world.services.authenticator.forget(Invalidation(devices=[(user_id, device_id)]).devices)
    await scene.unavailable(scene.ada, "GET", HOME)


async def test_a_device_whose_revocation_was_not_told_is_refused_after_the_outage(
    scene: Scene,
) -> None:
    """The first request that finds the store back looks at the device again."""
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = False
    device = (int(scene.ada.user_id), scene.ada.account["deviceId"])
    await scene.store.write(WriteBatch((Devices.remove(*device),)))
    scene.clock.advance(1)
    status, answer, _ = await scene.ada.request("GET", HOME)
    assert (status, answer["code"]) == (401, "device_revoked")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tweets", {"text": "hello"}),
        ("POST", "/tweets/1/like", None),
        ("POST", "/users/1/follow", None),
        ("PATCH", "/users/{me}", {"name": "Ada"}),
        ("POST", "/logout", None),
        ("POST", "/login", {"username": "ada", "password": "correct horse battery"}),
        (
            "POST",
            "/signup",
            {
                "email": "cyd@example.org",
                "username": "cyd",
                "password": "correct horse battery",
                "name": "Cyd",
            },
        ),
    ],
)
async def test_changes_are_refused(
    scene: Scene, method: str, path: str, body: dict[str, str] | None
) -> None:
    """503 with `Retry-After`, by a user whose token is known."""
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    await scene.unavailable(scene.ada, method, path.format(me=scene.ada.user_id), body)


async def test_all_is_well_again_when_the_store_is_back(scene: Scene) -> None:
    """Posts, likes and pages, without a restart."""
    await scene.ada.ok("GET", HOME)
    scene.store.is_away = True
    scene.clock.advance(LONG_S)
    await scene.ada.ok("GET", HOME)
    await scene.unavailable(scene.ada, "POST", "/tweets", {"text": "hello"})
    scene.store.is_away = False
    tweet_id = await scene.post()
    scene.clock.advance(1)
    await scene.ada.ok("POST", f"/tweets/{tweet_id}/like")
    page = await scene.ada.ok("GET", HOME)
    shown = {each["id"]: each["liked"] for each in page["tweets"]}
    assert len(shown) == 3
    assert shown[str(tweet_id)]


async def test_health_does_not_depend_on_the_store(scene: Scene) -> None:
    """The process answers, so nobody need restart it."""
    scene.store.is_away = True
    assert (await scene.world.nobody.ok("GET", "/health"))["status"] == "ok"


async def test_readiness_names_the_store(scene: Scene) -> None:
    """A load balancer sends requests elsewhere, and back when the store answers again."""
    scene.store.is_away = True
    status, answer, headers = await scene.world.nobody.request("GET", "/ready")
    assert (status, answer["checks"]["store"]) == (503, False)
    assert int(headers["Retry-After"]) >= 1
    scene.store.is_away = False
    assert (await scene.world.nobody.ok("GET", "/ready"))["checks"]["store"]


class TwoShards(WarmTimelines):
    """The timelines of some users stand in a shard that is `lost`, or `slow`."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[int] = set()
        self.slow: set[int] = set()
        self.waiting = asyncio.Event()
        self.deadline = asyncio.Event()

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> Any:
        if user_id in self.lost:
            raise ActorUnavailable()
        if user_id in self.slow:
            self.waiting.set()
            await self.deadline.wait()
            raise DeadlineExceeded()
        return await super().read(user_id, before, limit, mask)


async def test_a_dead_shard_is_the_concern_of_its_own_users() -> None:
    """They get 503 with `Retry-After`, all others their timelines."""
    shards = TwoShards()
    async with http_world(timeline=shards) as world:
        ada, bob = await world.user("ada"), await world.user("bob")
        shards.lost.add(int(ada.user_id))
        status, answer, headers = await ada.request("GET", HOME)
        assert (status, answer["code"]) == (503, "actor_unavailable")
        assert int(headers["Retry-After"]) >= 1
        await bob.ok("GET", HOME)


async def test_a_slow_shard_does_not_slow_the_others() -> None:
    """While one user's timeline is waited for, another's is answered."""
    shards = TwoShards()
    async with http_world(timeline=shards) as world:
        ada, bob = await world.user("ada"), await world.user("bob")
        shards.slow.add(int(ada.user_id))
        stuck = asyncio.create_task(ada.request("GET", HOME))
        await shards.waiting.wait()
        await bob.ok("GET", HOME)
        assert not stuck.done()
        shards.deadline.set()
        status, answer, headers = await stuck
        assert (status, answer["code"]) == (503, "deadline_exceeded")
        assert int(headers["Retry-After"]) >= 1
