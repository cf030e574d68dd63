"""How the fan-out worker hears of what was committed."""

from collections.abc import Sequence

from rookery.actors import names
from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Directory
from rookery.config import Config
from rookery.models import OutboxEntry
from rookery.store import clock_ms
from rookery.store.announcer_redis import RedisAnnouncer
from rookery.store.queue import Announcer


def announcer(directory: Directory, config: Config) -> Announcer:
    """The configured queue's announcer, for a process that commits.

    Raises:
        ConfigError: redis.url is malformed.
    """
    nudge = WorkerNudge(directory)
    return RedisAnnouncer(config.redis, nudge, clock_ms) if config.redis.url else nudge


class WorkerNudge:
    """`Announcer` where the outbox has to be read: wakes the worker, which reads it."""

    def __init__(self, directory: Directory) -> None:
        ref = directory.ref(names.FANOUT_WORKER)

        async def nudge(batch: list[None]) -> list[None]:
            await ref.call("nudge")
            return batch

        self._nudges: Coalescer[None, None] = Coalescer(nudge, name="nudge", deadline_s=1.0)

    def announce(self, entries: Sequence[OutboxEntry]) -> None:
        self._nudges.post(None)

    async def close(self) -> None:
        await self._nudges.aclose(drain_s=0.1)
