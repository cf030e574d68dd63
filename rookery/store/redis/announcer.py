"""Announces committed events in the Redis stream that `rookery.store.redis.queue` reads."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from rookery.config import Redis
from rookery.domain.outage import Outage
from rookery.events.encoding import StoredEvent
from rookery.store.queue import Announcer
from rookery.store.redis.connection import FAILURES, connect, end
from rookery.store.redis.names import EVENT_FIELD, stream_key

log = structlog.get_logger(__name__)

BATCH = 500
MAX_PENDING = 10_000
MAX_LENGTH = 50_000
"""Events in the stream above which none are added: the consumer is behind, or there is none."""
ROOM = 1.2
"""The stream is cut at about this multiple of the longest length that is meant."""

_encoder = msgspec.msgpack.Encoder()


class RedisAnnouncer:
    """`Announcer` that adds to the stream; where it cannot, `fallback` tells of the outbox.

    It cannot while Redis does not answer in time, while the stream is longer than `max_length`,
    and while more than `MAX_PENDING` events wait here. After a failure nothing is sent for a
    second, and then only a question how long the stream is, so that no event waits for a Redis
    that is away. An event whose addition failed without an answer may be in the stream as well.
    """

    def __init__(
        self,
        settings: Redis,
        fallback: Announcer,
        steady_ms: Callable[[], int],
        *,
        max_length: int = MAX_LENGTH,
    ) -> None:
        self._client = connect(settings)
        self._key = stream_key(settings)
        self._fallback = fallback
        self._steady_ms = steady_ms
        self._max_length = max_length
        self._cut_at = int(max_length * ROOM)
        self._outage = Outage()
        self._pending: deque[StoredEvent] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def announce(self, events: Sequence[StoredEvent]) -> None:
        if self._outage.is_on:
            self._fallback.announce(events)
            if self._outage.may_ask(self._steady_ms()):
                self._asking = asyncio.get_running_loop().create_task(self._ask())
            return
        if len(self._pending) + len(events) > MAX_PENDING:
            self._fallback.announce(events)
            return
        self._pending.extend(events)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Add what waits, and what comes meanwhile in the next batch."""
        try:
            while self._pending:
                batch = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
                await self._add(batch)
        finally:
            self._sending = None

    async def _add(self, batch: list[StoredEvent]) -> None:
        if not self._outage.is_on:
            try:
                pipeline = self._client.pipeline(transaction=False)
                for event in batch:
                    pipeline.xadd(
                        self._key, {EVENT_FIELD: _encoder.encode(event)}, maxlen=self._cut_at
                    )
                pipeline.xlen(self._key)
                results = await pipeline.execute()
            except FAILURES as error:
                log.warning("Redis does not take events; the outbox has them", error=str(error))
                self._outage.failed(self._steady_ms())
            else:
                self._look_at(results[-1])
                return
        self._fallback.announce(batch)

    def _look_at(self, length: int) -> None:
        if length > self._max_length:
            if not self._outage.is_on:
                log.warning("the stream is full; the outbox has what is new", length=length)
            self._outage.failed(self._steady_ms())
        else:
            self._outage.answered()

    async def _ask(self) -> None:
        try:
            self._look_at(await self._client.xlen(self._key))
        except FAILURES:
            self._outage.failed(self._steady_ms())

    async def close(self) -> None:
        """Give what waits a moment to be added."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=0.1)
        for task in (self._sending, self._asking):
            if task is not None:
                await end(task)
        await self._client.aclose()
        await self._fallback.close()
