"""What services stand on, in one process: store, ids, shards, broadcast."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from rookery.actors.broadcast import Broadcast
from rookery.actors.revocations import Ended, Revocations
from rookery.actors.runtime import ActorContext
from rookery.actors.shards import Shards, until_available
from rookery.actors.writer import group_writer
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError
from rookery.messages import Invalidation
from rookery.services.use_cases import Ground, UseCases
from rookery.store import StoreParts, clock_ms, open_reader
from rookery.store.engine import GroupWriter
from rookery.store.leases import WorkerLease, steady_ms
from rookery.store.redis import cache as cache_redis
from rookery.store.redis.cache import CachedReader, CachingWriter
from rookery.store.redis.connection import end


class Backend:
    """What services stand on, in one process: store, ids, shards, broadcast. Close it."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        directory = context.directory
        self.config = config
        self.context = context
        self.reader = open_reader(config)
        self._group_writer = group_writer(directory, config)
        self.writer: GroupWriter = self._group_writer
        self.shown: StoreParts
        """What tweets and authors are read from for showing them; it may be a little behind."""
        self._cache = cache_redis.opened(config, steady_ms)
        if self._cache is None:
            self.store = self.shown = StoreParts(self.reader, self.writer)
        else:
            self.writer = CachingWriter(self.writer, self._cache)
            self.store = StoreParts(self.reader, self.writer)
            self.shown = StoreParts(CachedReader(self.reader, self._cache), self.writer)
        self.topology = Topology.opened(config, view, self.reader)
        self.shards = Shards(directory, self.topology)
        self._revocations = Revocations(config.redis) if config.redis.url else None
        self.broadcast = Broadcast(directory, self.topology, self._revocations, context.name)
        self.lease = WorkerLease(self.store, clock_ms, name=context.name)
        self._background: list[asyncio.Task[None]] = []

    @property
    def ground(self) -> Ground:
        """What `UseCases` are made over."""
        return Ground(
            store=self.store,
            shown=self.shown,
            timelines=self.shards,
            invalidations=self.broadcast,
            next_id=self.lease.next_id,
            clock_ms=clock_ms,
            steady_ms=steady_ms,
        )

    async def open(self) -> None:
        """Wait for the store, and lease a worker number for ids."""
        await until_available(self.lease.acquire)
        self._background.append(asyncio.create_task(self.lease.run()))

    def refused_s(self) -> float:
        """When the store last refused a write of this process, by the monotonic clock."""
        return self._group_writer.refused_s

    def cache_figures(self) -> Mapping[str, float]:
        """Those of the shared cache, where there is one."""
        return {} if self._cache is None else self._cache.figures()

    def follow_revocations(
        self, invalidate: Callable[[Invalidation], None], missed: Callable[[], None]
    ) -> None:
        """Hear of revoked devices over Redis, too, where there is one; see `Revocations`."""
        if self._revocations is not None:
            following = self._revocations.follow(
                lambda ended: invalidate(_invalidation(ended)), missed
            )
            self._background.append(asyncio.create_task(following))

    async def close(self) -> None:
        await asyncio.gather(*map(end, self._background))
        if self._revocations is not None:
            await self._revocations.close()
        try:
            await asyncio.wait_for(self.lease.release(), 1.0)
        except (RookeryError, TimeoutError):
            pass  # It expires by itself.
        await self.broadcast.aclose()
        await self.shards.aclose()
        await self.writer.close()
        if self._cache is not None:
            await self._cache.close()
        await self.reader.close()


class Upkeep:
    """The use-cases of a process that writes, over its backend: opened, kept up, and closed."""

    def __init__(self, backend: Backend, use_cases: UseCases) -> None:
        self._backend = backend
        self._use_cases = use_cases
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Wait for the store; from then on ids can be made and tokens verified."""
        await self._backend.open()
        await until_available(self._use_cases.keys.load)
        self._running = asyncio.create_task(self._use_cases.run())

    async def close(self) -> None:
        if self._running is not None:
            await end(self._running)
        await self._use_cases.close()
        await self._backend.close()


def _invalidation(ended: Sequence[Ended]) -> Invalidation:
    """What `Broadcast` made of an invalidation, back again."""
    return Invalidation(
        devices=[(user_id, device_id) for user_id, device_id, session in ended if not session],
        sign_ins=[each for each in ended if each[2]],
    )
