"""Revoked devices told over Redis, for processes that an actor call does not reach in time."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import msgspec
import structlog

from rookery.config import Redis
from rookery.store.redis.connection import FAILURES, connect
from rookery.store.redis.names import revocations_channel

log = structlog.get_logger(__name__)

Ended = tuple[int, str, str]
"""User id, device id, and the session that ended; empty if the device is gone altogether."""

BOUND_S = 1.0
PING_S = 0.5
"""Seconds without a message after which Redis is asked whether it is there."""
RETRY_S = 0.5

_decoder = msgspec.msgpack.Decoder(list[Ended])


class Revocations:
    """A channel (publish, subscribe) between all processes. One per event loop; close it.

    Whoever subscribes is told of each revocation within milliseconds, or, if the subscription was
    lost meanwhile, that it may have missed some as soon as it is subscribed again.
    """

    def __init__(self, settings: Redis) -> None:
        self._channel = revocations_channel(settings)
        self._timeout_s = settings.timeout_s
        self._client = connect(settings)

    async def publish(self, devices: Sequence[Ended]) -> None:
        """Tell of devices that were revoked or signed in anew, as the store has it already.

        Best effort: returns after 1 s at the latest, and raises nothing.
        """
        try:
            async with asyncio.timeout(BOUND_S):
                await self._client.publish(self._channel, msgspec.msgpack.encode(devices))
        except FAILURES as error:
            log.warning("revocations not told over Redis", error=str(error))

    async def follow(self, told: Callable[[list[Ended]], None], missed: Callable[[], None]) -> None:
        """Call `told` with what is revoked, and `missed` after each subscription; for ever.

        Whoever is called must not trust what it knew before of any device after `missed`.
        """
        is_lost = False
        while True:
            try:
                await self._listen(told, missed)
            except FAILURES as error:
                if not is_lost:
                    log.warning("revocations cannot be heard over Redis", error=str(error))
                is_lost = True
                await asyncio.sleep(RETRY_S)

    async def _listen(
        self, told: Callable[[list[Ended]], None], missed: Callable[[], None]
    ) -> None:
        async with self._client.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            heard_s = monotonic()
            while True:
                message: Any = await pubsub.get_message(timeout=PING_S)
                if message is None:
                    if monotonic() > heard_s + PING_S + self._timeout_s:
                        raise TimeoutError("no answer to a ping")
                    await pubsub.ping()
                    continue
                heard_s = monotonic()
                if message["type"] == "subscribe":
                    missed()
                elif message["type"] == "message":
                    self._tell(message["data"], told)

    def _tell(self, data: bytes, told: Callable[[list[Ended]], None]) -> None:
        try:
            devices = _decoder.decode(data)
        except msgspec.MsgspecError:
            log.warning("not understood on the channel of revocations", data=data[:100])
            return
        told(devices)

    async def close(self) -> None:
        await self._client.aclose()
