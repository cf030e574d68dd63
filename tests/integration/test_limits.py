"""Rate limits over real HTTP, in one gateway and shared by two through a real Redis."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from rookery import security_log
from rookery.client import Client as RookeryClient
from rookery.client import TooManyRequests
from rookery.config import Redis
from rookery.errors import TooManyRequests as RefusedHere
from rookery.services.limits_redis import RedisCounts
from tests.integration.http_world import (
    NO_LIMITS,
    PASSWORD,
    Client,
    World,
    http_world,
    wall_clock_ms,
)
from tests.servers.redis import RedisServer, required
from tests.unit.memory_store import MemoryStore

MINUTE_MS = 60_000
HOME = "/timeline/home"


class Clock:
    """The wall clock, moved to the begin of a minute that only the test ends."""

    def __init__(self) -> None:
        self.now_ms = wall_clock_ms() // MINUTE_MS * MINUTE_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


async def _statuses(client: Client, method: str, path: str, count: int, body: Any = None) -> str:
    """``.`` for each request that was let through, ``x`` for each that was too much."""
    told = ""
    for _ in range(count):
        status, answer, _ = await client.request(method, path, body)
        assert status != 429 or answer["code"] == "rate_limited"
        told += "x" if status == 429 else "."
    return told


def _limits(**per_minute: int) -> Any:
    return msgspec.structs.replace(NO_LIMITS, **per_minute)


async def test_a_user_over_the_limit_is_told_when_to_come_back() -> None:
    """429 with `Retry-After`; others, and the user after that time, are not concerned."""
    clock = Clock()
    async with http_world(limits=_limits(reads_per_user=3), clock_ms=clock) as world:
        ada, bob = await world.user("ada"), await world.user("bob")
        assert await _statuses(ada, "GET", HOME, 5) == "...xx"
        _, _, headers = await ada.request("GET", HOME)
        assert await _statuses(bob, "GET", HOME, 1) == "."
        assert await _statuses(world.nobody, "GET", f"/users/{ada.user_id}", 5) == "....."
        clock.advance(int(headers["Retry-After"]))
        assert await _statuses(ada, "GET", HOME, 1) == "."


async def test_ordinary_answers_and_refusals_say_how_one_stands() -> None:
    """`RateLimit-*` on success, on errors and on 429; none where there is no limit."""
    clock = Clock()
    async with http_world(limits=_limits(reads_per_user=2), clock_ms=clock) as world:
        ada = await world.user("ada")
        seen = []
        for path in (HOME, "/tweets/1", HOME):
            status, _, headers = await ada.request("GET", path)
            names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
            seen.append((status, *(headers[name] for name in names)))
        assert seen == [(200, "2", "1", "60"), (404, "2", "0", "60"), (429, "2", "0", "60")]
        _, _, headers = await ada.request("POST", "/tweets", {"text": "hello"})
        assert "RateLimit-Limit" not in headers


async def test_those_who_are_not_signed_in_count_by_address() -> None:
    """So does everyone with a token that is not good; health is free."""
    async with http_world(limits=_limits(reads_per_address=4), clock_ms=Clock()) as world:
        ada = await world.user("ada")
        liar = Client(world.session, world.base, "not.a.token")
        assert await _statuses(world.nobody, "GET", f"/users/{ada.user_id}", 2) == ".."
        assert await _statuses(liar, "GET", HOME, 2) == ".."
        assert await _statuses(liar, "GET", HOME, 1) == "x"
        assert await _statuses(world.nobody, "GET", HOME, 1) == "x"
        assert await _statuses(ada, "GET", HOME, 1) == "."
        assert await _statuses(world.nobody, "GET", "/health", 3) == "..."


async def test_a_forwarded_address_counts_only_behind_a_trusted_proxy() -> None:
    """A client that names other addresses does not get around its limit."""
    limits, path = _limits(reads_per_address=2), "/docs"
    for trusted, expected in (("", "..xx"), ("127.0.0.0/8", "....")):
        async with http_world(limits=limits, clock_ms=Clock(), trusted_proxies=trusted) as world:
            told = ""
            for number in range(4):
                async with world.session.get(
                    world.base + path, headers={"X-Forwarded-For": f"192.0.2.{number}"}
                ) as answer:
                    told += "x" if answer.status == 429 else "."
            assert told == expected


async def test_sign_ups_count_by_address() -> None:
    """Writes of those who are signed in go on."""
    async with http_world(limits=_limits(signups_per_address=2), clock_ms=Clock()) as world:
        ada, _ = await world.user("ada"), await world.user("bob")
        body = {"email": "c@example.org", "username": "cyd", "password": PASSWORD, "name": "Cyd"}
        assert await _statuses(world.nobody, "POST", "/signup", 1, body) == "x"
        await ada.ok("POST", "/tweets", {"text": "hello"})


async def test_guessing_at_one_account_is_slowed_down_whether_it_exists_or_not() -> None:
    """Even with the right password, however the name is written; other accounts can log in."""
    async with http_world(limits=_limits(logins_per_account=3), clock_ms=Clock()) as world:
        await world.user("ada")
        await world.user("bob")
        for name in ("ada", "nobody"):
            guess = {"username": name, "password": "wrong wrong"}
            assert await _statuses(world.nobody, "POST", "/login", 4, guess) == "...x"
        for name in ("ADA", " ada  "):
            right = {"username": name, "password": PASSWORD}
            assert await _statuses(world.nobody, "POST", "/login", 1, right) == "x"
        await world.nobody.ok("POST", "/login", {"username": "bob", "password": PASSWORD})


async def test_guesses_by_a_repeated_sign_up_are_slowed_down() -> None:
    """With its key, which the server answers from what it did before."""
    async with http_world(limits=_limits(logins_per_account=3), clock_ms=Clock()) as world:
        body = {"email": "c@example.org", "username": "cyd", "password": PASSWORD, "name": "Cyd"}
        headers = {"Idempotency-Key": "key"}
        told = []
        for number in range(6):
            guess = {**body, "password": f"wrong wrong {number}"} if number else body
            status, _, _ = await world.nobody.request("POST", "/signup", guess, headers=headers)
            told.append(status)
        assert told == [201, 422, 422, 422, 429, 429]


FAULTY = [
    {"username": "ada"},
    {"username": "ada", "password": PASSWORD, "deviceId": ""},
    {"username": "ada", "email": "ada@example.org", "password": PASSWORD},
]


async def test_only_what_was_tried_counts() -> None:
    """A request that was not understood leaves the attempts as they were; a guess does not."""
    limits = _limits(logins_per_address=2, signups_per_address=1)
    async with http_world(limits=limits, clock_ms=Clock()) as world:
        for body in FAULTY:
            assert await _statuses(world.nobody, "POST", "/login", 3, body) == "..."
            assert await _statuses(world.nobody, "POST", "/signup", 3, body) == "..."
        await world.user("ada")
        guess = {"username": "ada", "password": "wrong wrong"}
        assert await _statuses(world.nobody, "POST", "/login", 3, guess) == "..x"


async def test_what_does_not_count_as_an_attempt_counts_as_a_change() -> None:
    """Else an address could send as many senseless ones as it likes."""
    limits = _limits(logins_per_address=9, writes_per_address=4)
    async with http_world(limits=limits, clock_ms=Clock()) as world:
        assert await _statuses(world.nobody, "POST", "/login", 6, FAULTY[0]) == "....xx"


async def test_the_client_says_how_long_to_wait() -> None:
    """Where that is longer than it may take; a short wait it would sit out."""
    async with http_world(limits=_limits(logins_per_address=1), clock_ms=Clock()) as world:
        await world.user("ada")
        async with RookeryClient(f"http://127.0.0.1:{world.port}", timeout_s=5) as client:
            await client.log_in(PASSWORD, username="ada")
            with pytest.raises(TooManyRequests) as refused:
                await client.log_in(PASSWORD, username="ada")
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_s == 120


# Two gateways.


class TwoGateways:
    """Two gateways over one store, one Redis and one clock; ada is signed in at both."""

    def __init__(self, redis: RedisServer, clock: Clock, worlds: list[World], ada: Client) -> None:
        self.redis = redis
        self.clock = clock
        self.worlds = worlds
        self.ada = [Client(world.session, world.base, ada.token) for world in worlds]

    async def settle(self) -> None:
        """What the gateways have begun to tell each other was told."""
        for world in self.worlds:
            for limit in world.services.limits.by_user.values():
                if limit is not None:
                    await limit.settled()


@pytest_asyncio.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    required()
    server = RedisServer(tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)


@pytest_asyncio.fixture
async def gateways(redis: RedisServer) -> AsyncIterator[TwoGateways]:
    store, clock = MemoryStore(), Clock()
    limits = _limits(reads_per_user=40, logins_per_account=6, signups_per_address=6)
    settings = Redis(url=redis.url, timeout_s=0.5)
    async with AsyncExitStack() as stack:
        worlds = []
        for _ in range(2):
            shared = RedisCounts(settings, clock)
            stack.push_async_callback(shared.close)
            world = http_world(store=store, clock_ms=clock, limits=limits, shared=shared)
            worlds.append(await stack.enter_async_context(world))
        yield TwoGateways(redis, clock, worlds, await worlds[0].user("ada"))


LOGIN = {"username": "ada", "password": "wrong wrong"}


async def _logins(gateways: TwoGateways, each: int) -> str:
    """As many attempts at each gateway, by turns."""
    told = ""
    for _ in range(each):
        for world in gateways.worlds:
            told += await _statuses(world.nobody, "POST", "/login", 1, LOGIN)
    return told


async def test_two_gateways_share_the_limit_of_logins_exactly(gateways: TwoGateways) -> None:
    """What was tried at the one counts at the other, at once."""
    assert await _logins(gateways, 4) == "......xx"


async def test_what_was_not_tried_at_one_gateway_does_not_count_at_the_other(
    gateways: TwoGateways,
) -> None:
    """Though the other had heard of it, and was at the limit."""
    first, second = (world.services.limits for world in gateways.worlds)
    attempts = [await first.login("user 1") for _ in range(6)]
    with pytest.raises(RefusedHere):
        await second.login("user 1")
    for attempt in attempts:
        assert attempt is not None
        attempt.take_back()
    await first.settled()
    for _ in range(6):
        assert await second.login("user 1") is not None
    with pytest.raises(RefusedHere):
        await second.login("user 1")


async def test_two_gateways_share_the_limit_of_reads_nearly(gateways: TwoGateways) -> None:
    """Both together let through the limit and no more than a twentieth of it for each."""
    let_through = 0
    for _ in range(40):
        for ada in gateways.ada:
            let_through += (await _statuses(ada, "GET", HOME, 1)).count(".")
        await gateways.settle()
    assert 40 <= let_through <= 44


async def test_without_redis_each_gateway_counts_alone(gateways: TwoGateways) -> None:
    """Requests go on under the limit of their gateway."""
    await asyncio.to_thread(gateways.redis.stop)
    assert await _logins(gateways, 7) == "............xx"


async def test_redis_that_comes_back_is_used_again(gateways: TwoGateways) -> None:
    """By itself, after a second; what was counted meanwhile is told then."""
    await asyncio.to_thread(gateways.redis.stop)
    assert await _logins(gateways, 2) == "...."
    await asyncio.to_thread(gateways.redis.start)
    gateways.clock.advance(1.1)
    assert await _logins(gateways, 3) == "..xxxx"


async def test_a_redis_that_hangs_delays_one_request_and_not_all(gateways: TwoGateways) -> None:
    """Who finds out waits for the time limit of Redis; for a second nobody else does."""
    await asyncio.to_thread(gateways.redis.pause)
    began_s = monotonic()
    await _statuses(gateways.worlds[0].nobody, "POST", "/login", 1, LOGIN)
    first_s = monotonic() - began_s
    assert first_s >= 0.4
    began_s = monotonic()
    await _statuses(gateways.worlds[0].nobody, "POST", "/login", 10, LOGIN)
    assert monotonic() - began_s < first_s


async def test_the_security_log_names_the_limit(tmp_path: Path) -> None:
    """Each that was reached: an operator can tell guessed passwords from a crawler."""
    log = tmp_path / "security.log"
    security_log.configure(str(log))
    try:
        limits = _limits(reads_per_address=1, logins_per_account=1, logins_per_address=2)
        async with http_world(limits=limits, clock_ms=Clock()) as world:
            ada = await world.user("ada")
            guess = {"username": "ada", "password": "wrong wrong"}
            for _ in range(2):
                await world.nobody.request("GET", f"/users/{ada.user_id}")
            for name in ("ada", "ada", "nobody1", "nobody2"):
                await world.nobody.request("POST", "/login", {**guess, "username": name})
            huge = gzip.compress(b" " * (2 << 20))
            await world.nobody.request(
                "POST",
                "/token/refresh",
                data=huge,
                headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
            )
    finally:
        security_log.configure("")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    named = {event["limit"] for event in events if event["event"] == "refused"}
    assert {"reads_per_address", "logins_per_account", "logins_per_address", "body_bytes"} <= named
