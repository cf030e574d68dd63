"""The fan-out worker: the relay of events with its consumers, as an actor."""

from collections.abc import Mapping, Sequence

import msgspec

from rookery.actors.destinations import ActorDestinations
from rookery.actors.runtime import Actor, ActorContext
from rookery.actors.shards import until_available
from rookery.actors.writer import group_writer
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.events.consumer import Consumer
from rookery.events.consumers.timelines import Timelines
from rookery.events.encoding import StoredEvent
from rookery.events.lane import Limits
from rookery.events.relay import Pace, Relay
from rookery.ids import RisingClock, time_ms_of
from rookery.store import StoreParts, clock_ms, open_reader
from rookery.store.leases import steady_ms
from rookery.store.queue import Queue
from rookery.store.queue_outbox import OutboxQueue
from rookery.store.records.events import FailedEvent
from rookery.store.records.outbox import Outbox
from rookery.store.records.tweets import TweetRepository
from rookery.store.redis.queue import RedisQueue

_decoder = msgspec.msgpack.Decoder(list[StoredEvent])


class FanoutWorker(Actor):
    """Hosts the relay and the consumers of events.

    Durable: nothing; an event that was not acknowledged in the store is handed out again, which
    whoever gets it recognises. A consumer that lags goes on from its backlog in the store.
    """

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        super().__init__(context)
        self._reader = open_reader(config)
        self._writer = group_writer(context.directory, config)
        self._topology = Topology.opened(config, view, self._reader)
        self._to = ActorDestinations(context.directory, config, self._topology, self.spawn)
        # Events' ids may be ahead of the clock; what is late among them this one tells.
        self._ids_ms = RisingClock(clock_ms, steady_ms)
        self._lag_ms = 0.0
        outbox = Outbox(StoreParts(self._reader, self._writer))
        self._queue: Queue = (
            RedisQueue(outbox, config.redis, context.name, self._ids_ms)
            if config.redis.url
            else OutboxQueue(outbox)
        )
        self._relay = Relay(
            self._queue,
            self._reader,
            self._consumers(),
            self.spawn,
            clock_ms,
            self._taken,
            Pace(lag_s=config.events.lag_s, limits=Limits(held=config.events.max_held)),
        )

    def _consumers(self) -> list[Consumer]:
        """Who acts on events. Whoever is added gets what happens from then on."""
        return [Timelines(self._to, TweetRepository(self._reader), self._ids_ms)]

    async def start(self) -> None:
        self.spawn(self._to.follow_celebrities())
        self.spawn(self._work())
        self.spawn(self._topology.follow(self.context.directory))

    async def stop(self) -> None:
        await super().stop()
        await self._queue.close()
        await self._to.aclose()
        await self._writer.close()
        await self._reader.close()

    async def _work(self) -> None:
        await until_available(self._queue.is_empty)  # the store may still be starting
        await until_available(self._topology.refresh)
        await self._relay.run()

    def _taken(self, events: Sequence[StoredEvent]) -> None:
        """The relay took events from the queue; none where it waited in vain."""
        if events:
            self._ids_ms.raise_to(time_ms_of(max(event.id for event in events)))
        self._lag_ms = float(self._ids_ms() - time_ms_of(events[0].id)) if events else 0.0

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster; what is taken from now on goes to its shards."""
        self._topology.install(view)

    async def set_celebrities(self, user_ids: list[int]) -> None:
        """Whose tweets go to `CelebrityLists` from now on."""
        self._to.celebrities = frozenset(user_ids)

    async def offer(self, payload: bytes) -> None:
        """Events (a MessagePack list of `StoredEvent`) that were committed just now."""
        self._queue.offer(_decoder.decode(payload))

    # For the operator

    async def failed_events(self, consumer: str | None, limit: int) -> list[FailedEvent]:
        """What was put aside: at most `limit` events, of one consumer or of all."""
        return await self._relay.keeper.list_failed(consumer, limit)

    async def retry_events(self, consumer: str | None) -> int:
        """Hand out again what was put aside, for one consumer or for all; how many events."""
        return await self._relay.keeper.retry(consumer)

    async def delivered(self) -> dict[str, float]:
        """Events that timelines took, and deliveries (rows reached), since the start."""
        return {
            "entries": float(self._relay.taken(Timelines.name)),
            "deliveries": float(self._to.deliveries),
        }

    async def settle(self) -> None:
        """Return once timelines have taken what was committed before, but for what was put aside.

        Whoever checks them must not wait for another consumer, which may be away for hours.
        """
        await self._relay.settle(Timelines.name)

    def figures(self) -> Mapping[str, float]:
        return {
            "entries": self._relay.taken(Timelines.name),
            "deliveries": self._to.deliveries,
            **self._queue.figures(),
            **self._relay.figures(),
            "lag_ms": self._lag_ms,
            "celebrities_known": len(self._to.celebrities),
            **self._to.shards.figures(),
        }
