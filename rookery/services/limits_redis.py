"""`rookery.services.limits.SharedCounts` in Redis, by the `limits` library."""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from limits.aio.storage import RedisStorage

from rookery.config import Redis
from rookery.domain.outage import Outage
from rookery.domain.windows import WINDOW_MS
from rookery.store.redis.connection import FAILURES, connection_pool

log = structlog.get_logger(__name__)


class RedisCounts:
    """Counts in Redis, for two windows; one per event loop.

    After a failure Redis is left alone for a second, and then asked by one caller a second until
    it answers: nobody else waits for it. Counting in each process goes on meanwhile.
    """

    def __init__(self, settings: Redis, steady_ms: Callable[[], int]) -> None:
        self._timeout_s = settings.timeout_s
        self._steady_ms = steady_ms
        self._outage = Outage()
        self._pool = connection_pool(settings)
        self._storage = RedisStorage(
            f"async+{settings.url}",
            implementation="redispy",
            key_prefix=f"{settings.prefix}limits",
            # It takes a pool, although its types do not say so.
            connection_pool=cast(str, self._pool),
        )

    async def add(self, name: str, amount: int) -> int | None:
        """See `SharedCounts.add`."""
        if not self._outage.may_ask(self._steady_ms()):
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                total: int = await self._storage.incr(name, 2 * WINDOW_MS // 1000, amount)
        except FAILURES as error:
            if not self._outage.is_on:
                reason = str(error) or type(error).__name__
                log.warning("Redis does not answer; limits are counted locally", reason=reason)
            self._outage.failed(self._steady_ms())
            return None
        if self._outage.is_on:
            log.info("Redis answers again; limits are shared")
        self._outage.answered()
        return total

    async def close(self) -> None:
        await self._pool.aclose()
