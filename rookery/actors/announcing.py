"""How the fan-out worker hears of what was committed."""

from collections.abc import Sequence
from itertools import chain

import msgspec

from rookery.actors import names
from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Directory
from rookery.config import Config
from rookery.events.encoding import StoredEvent
from rookery.store.leases import steady_ms
from rookery.store.queue import Announcer
from rookery.store.redis.announcer import RedisAnnouncer

_encoder = msgspec.msgpack.Encoder()


def announcer(directory: Directory, config: Config) -> Announcer:
    """The configured queue's announcer, for a process that commits.

    Raises:
        ConfigError: redis.url is malformed.
    """
    direct = DirectAnnouncer(directory)
    return RedisAnnouncer(config.redis, direct, steady_ms) if config.redis.url else direct


class DirectAnnouncer:
    """`Announcer` that hands the events to the worker itself.

    What it cannot take, or does not get, it finds in the outbox.
    """

    def __init__(self, directory: Directory) -> None:
        ref = directory.ref(names.FANOUT_WORKER)

        async def offer(groups: list[Sequence[StoredEvent]]) -> list[None]:
            await ref.call("offer", _encoder.encode(list(chain.from_iterable(groups))))
            return [None] * len(groups)

        self._offers: Coalescer[Sequence[StoredEvent], None] = Coalescer(
            offer, name="offer", max_batch=100, max_pending=1_000, deadline_s=1.0
        )

    def announce(self, events: Sequence[StoredEvent]) -> None:
        self._offers.post(events)

    async def close(self) -> None:
        await self._offers.aclose(drain_s=0.1)
