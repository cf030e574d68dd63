"""Redis at start: each way in which it may be unfit has its sentence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from rookery.config import Redis
from rookery.errors import ConfigError, StartupError
from rookery.store.redis.connection import check_redis, connect
from tests.servers.redis import RedisServer, required

ALL_BUT_STREAMS = "user other on >pw ~rookery:* &rookery:* +@all -@stream"
OTHER_KEYS = "user other on >pw ~else:* &else:* +@all"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts a Redis with settings of the test's own."""
    required()
    servers: list[RedisServer] = []

    def start(**options: Any) -> RedisServer:
        server = RedisServer(tmp_path / "redis", **options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


async def test_without_redis_there_is_nothing_to_check() -> None:
    """An empty URL is the default."""
    await check_redis(Redis())


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://host:port/0"])
async def test_a_malformed_url_is_refused(url: str) -> None:
    """With the form that it should have."""
    with pytest.raises(ConfigError, match="redis://HOST:PORT/0"):
        await check_redis(Redis(url=url))


async def test_a_missing_redis_is_refused(started: Callable[..., RedisServer]) -> None:
    """Nobody listens there."""
    server = started()
    server.kill()
    with pytest.raises(StartupError, match="Redis does not answer"):
        await check_redis(Redis(url=server.url))


async def test_a_redis_that_hangs_is_refused(started: Callable[..., RedisServer]) -> None:
    """After the configured time."""
    server = started()
    server.pause()
    with pytest.raises(StartupError, match="Redis does not answer"):
        await check_redis(Redis(url=server.url, timeout_s=0.2))


async def test_a_missing_password_is_refused(started: Callable[..., RedisServer]) -> None:
    """The URL has to have it."""
    server = started(settings="requirepass secret")
    with pytest.raises(StartupError, match=r"user and password into redis\.url"):
        await check_redis(Redis(url=server.url))


async def test_a_wrong_password_is_refused(started: Callable[..., RedisServer]) -> None:
    """The same sentence."""
    server = started(settings="requirepass secret")
    with pytest.raises(StartupError, match=r"user and password into redis\.url"):
        await check_redis(Redis(url=server.url.replace("//", "//:wrong@")))


@pytest.mark.parametrize("rights", [ALL_BUT_STREAMS, OTHER_KEYS])
async def test_a_user_without_the_rights_is_refused(
    started: Callable[..., RedisServer], rights: str
) -> None:
    """Commands and keys are named."""
    server = started(settings=rights)
    with pytest.raises(StartupError, match=r"all commands on keys and channels rookery:\*"):
        await check_redis(Redis(url=server.url.replace("//", "//other:pw@")))


async def test_a_user_with_just_the_rights_is_enough(started: Callable[..., RedisServer]) -> None:
    """No right on anything but the prefix is needed; what cannot be looked at is not judged."""
    server = started(settings="user other on >pw ~rookery:* &rookery:* +@all -config")
    with capture_logs() as logs:
        await check_redis(Redis(url=server.url.replace("//", "//other:pw@")))
    assert logs == []


async def test_a_replica_is_refused(started: Callable[..., RedisServer]) -> None:
    """It takes no writes."""
    server = started(settings="replicaof 127.0.0.1 1")
    with pytest.raises(StartupError, match="takes writes"):
        await check_redis(Redis(url=server.url))


async def test_missing_persistence_is_warned_of(started: Callable[..., RedisServer]) -> None:
    """And no more than warned of: the outbox has everything."""
    server = started()
    with capture_logs() as logs:
        await check_redis(Redis(url=server.url))
    assert ["appendonly yes" in entry["event"] for entry in logs] == [True]


async def test_persistence_is_no_matter_of_warning(started: Callable[..., RedisServer]) -> None:
    """Nothing is said, and nothing is left in Redis."""
    server = started(persistent=True)
    with capture_logs() as logs:
        await check_redis(Redis(url=server.url))
    assert logs == []
    client = connect(Redis(url=server.url))
    assert await client.keys("*") == []
    await client.aclose()
