"""Connections to Redis, and the check at start that it is there and fit.

A Redis that is slow or away must never hold up what can do without it: no command is repeated,
and each has a time limit.
"""

import asyncio

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from rookery.config import Redis
from rookery.errors import ConfigError, StartupError, reason_of
from rookery.redaction import redacted_address, said_of

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 16
FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""What a command raises where Redis does not answer, or refuses.

`RuntimeError` is what uvloop says of a connection that broke just now, which the client passes on.
"""


def connection_pool(settings: Redis, *, blocks_s: float = 0.0) -> BlockingConnectionPool:
    """Connections for one event loop, made as they are needed; a command waits for a free one.

    `blocks_s` is the longest time for which a command asks Redis to wait before it answers.

    Raises:
        ConfigError: the URL is none of Redis.
    """
    try:
        return BlockingConnectionPool.from_url(
            settings.url,
            max_connections=MAX_CONNECTIONS,
            timeout=settings.timeout_s,
            protocol=2,
            socket_timeout=settings.timeout_s + blocks_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise ConfigError(
            f"redis.url ({redacted_address(settings.url)}) is not a URL of Redis:"
            f" {said_of(settings.url, error)};"
            " write redis://HOST:PORT/0, rediss:// for TLS, or unix:///PATH"
        ) from error


def connect(settings: Redis, *, blocks_s: float = 0.0) -> Client:
    """A client over a `connection_pool` of its own, which is closed with it by `aclose`."""
    return Client.from_pool(connection_pool(settings, blocks_s=blocks_s))


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task that uses a client, and wait for its end.

    The client sends by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that
    comes just as it is done; so one may not be enough.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    if not task.cancelled():
        task.exception()  # not to be logged as never looked at


async def check_redis(settings: Redis) -> None:
    """See at start whether Redis can carry what is asked of it; nothing where none is configured.

    One that does not write to disk is only warned of: what it loses is in the store's outbox.

    Raises:
        StartupError: the URL is wrong, nobody answers there, or the user may not do what is
            needed; the text says what to do.
    """
    if not settings.url:
        return
    client = connect(settings)
    try:
        await _check_rights(client, settings.prefix)
        await _check_persistence(client)
    except (AuthenticationError, NoPermissionError) as error:
        raise StartupError(
            f"Redis refuses this user ({error}); put the right user and password into redis.url,"
            f" and let that user use all commands on keys and channels {settings.prefix}*"
        ) from error
    except ResponseError as error:
        raise StartupError(
            f"Redis refuses ({error}); redis.url must name a Redis of version 6.2 or later"
            " that takes writes"
        ) from error
    except FAILURES as error:
        raise StartupError(
            f"Redis does not answer ({reason_of(error)}); start it, correct redis.url or"
            " ROOKERY_REDIS_URL, or leave that empty to run without Redis"
        ) from error
    finally:
        await client.aclose()


async def _check_rights(client: Client, prefix: str) -> None:
    """Use, for a moment, each kind of thing that will be used."""
    key = f"{prefix}check"
    await client.xadd(key, {"check": "1"})
    try:
        await client.xautoclaim(key, "none", "none", 0)
    except ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise
    await client.delete(key)
    await client.publish(key, "")
    await client.eval("return redis.call('get', KEYS[1])", 1, key)


async def _check_persistence(client: Client) -> None:
    try:
        append_only = await client.config_get("appendonly")
        snapshots = await client.config_get("save")
    except (NoPermissionError, ResponseError):  # hosted ones do not let anyone look
        return
    if append_only.get("appendonly") == "no" and not snapshots.get("save"):
        log.warning(
            "Redis does not write to disk: after its restart, events on their way come from the"
            " outbox some seconds late; set appendonly yes in redis.conf to avoid that"
        )
