"""The fan-out worker: the relay of events with its consumers, as an actor."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from rookery.actors import names
from rookery.actors.broadcast import Broadcast
from rookery.actors.runtime import Actor, ActorContext
from rookery.actors.shards import Shards, until_available
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
from rookery.messages import Delivery, Invalidation
from rookery.store import StoreParts, clock_ms, open_reader
from rookery.store.leases import steady_ms
from rookery.store.queue import Queue
from rookery.store.queue_outbox import OutboxQueue
from rookery.store.records.events import FailedEvent
from rookery.store.records.outbox import Outbox
from rookery.store.records.tweets import TweetRepository
from rookery.store.redis import cache as cache_redis
from rookery.store.redis.cache import Changed
from rookery.store.redis.queue import RedisQueue
from rookery.store.schema import TWEETS

_decoder = msgspec.msgpack.Decoder(list[StoredEvent])


class FanoutWorker(Actor):
    """Hosts the relay and the consumers of events, and is where the timelines' one delivers to.

    Durable: nothing; an event that was not acknowledged in the store is handed out again, which
    whoever gets it recognises. A shard that is down holds up the acknowledgement, not the
    deliveries to the others.
    """

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        super().__init__(context)
        self._reader = open_reader(config)
        self._writer = group_writer(context.directory, config)
        self._topology = Topology.opened(config, view, self._reader)
        self._shards = Shards(context.directory, self._topology)
        self._broadcast = Broadcast(context.directory, self._topology)
        self._cache = cache_redis.opened(config, steady_ms, self._cache_caught_up)
        self._lists = context.directory.ref(names.CELEBRITY_LISTS)
        self._celebrities: frozenset[int] = frozenset()
        # Events' ids may be ahead of the clock; what is late among them this one tells.
        self._ids_ms = RisingClock(clock_ms, steady_ms)
        outbox = Outbox(StoreParts(self._reader, self._writer))
        self._queue: Queue = (
            RedisQueue(outbox, config.redis, context.name, self._ids_ms)
            if config.redis.url
            else OutboxQueue(outbox)
        )
        events = config.events
        self._relay = Relay(
            self._queue,
            self._reader,
            self._consumers(),
            self.spawn,
            clock_ms,
            self._took,
            Pace(lag_s=events.lag_s, limits=Limits(held=events.max_held)),
        )
        self._deliveries = 0
        self._lag_ms = 0.0

    def _consumers(self) -> list[Consumer]:
        """Who acts on events. Whoever is added gets what happens from then on."""
        return [Timelines(self, TweetRepository(self._reader), self._ids_ms)]

    async def start(self) -> None:
        self.spawn(self._follow_celebrities())
        self.spawn(self._work())
        self.spawn(self._topology.follow(self.context.directory))

    async def stop(self) -> None:
        await super().stop()
        await self._queue.close()
        if self._cache is not None:
            await self._cache.close()
        await self._broadcast.aclose()
        await self._shards.aclose()
        await self._writer.close()
        await self._reader.close()

    async def _work(self) -> None:
        await until_available(self._queue.is_empty)  # the store may still be starting
        await until_available(self._topology.refresh)
        await self._relay.run()

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster; what is taken from now on goes to its shards."""
        self._topology.install(view)

    async def offer(self, payload: bytes) -> None:
        """Events (a MessagePack list of `StoredEvent`) that were committed just now."""
        self._queue.offer(_decoder.decode(payload))

    def _took(self, events: Sequence[StoredEvent]) -> None:
        """The relay took events from the queue; none where it waited in vain."""
        if events:
            self._ids_ms.raise_to(time_ms_of(max(event.id for event in events)))
        self._lag_ms = float(self._ids_ms() - time_ms_of(events[0].id)) if events else 0.0

    # `rookery.events.consumers.timelines.Destinations`

    async def set_celebrities(self, user_ids: list[int]) -> None:
        """Whose tweets go to `CelebrityLists` from now on."""
        self._celebrities = frozenset(user_ids)

    async def _follow_celebrities(self) -> None:
        # Asked again now and then, in case an announcement was lost.
        while True:
            members = await until_available(lambda: self._lists.call("members"))
            self._celebrities = frozenset(members)
            await asyncio.sleep(10.0)

    def is_celebrity(self, user_id: int) -> bool:
        return user_id in self._celebrities

    async def to_rings(self, deliveries: list[Delivery]) -> None:
        reached = await asyncio.gather(
            *(edge.deliveries.submit(deliveries) for edge in self._shards.edges.values())
        )
        self._deliveries += sum(reached)

    async def to_lists(self, deliveries: list[Delivery]) -> list[int]:
        refused: list[int] = await self._lists.call("append", deliveries)
        return refused

    async def follow_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        await self._shards.graph_changed_anywhere(follower_id, followee_id, follows)

    async def hidden_changed(self, user_ids: list[int]) -> None:
        await self._shards.hidden_changed_anywhere(user_ids)

    async def followers_changed(self, user_ids: list[int]) -> None:
        await self._lists.call("followers_changed", user_ids)

    async def forget(self, tweet_ids: list[int]) -> None:
        # Whoever made the changes told the caches already, unless it died in between.
        if self._cache is not None:
            await self._cache.replace(dict.fromkeys((TWEETS.name, each) for each in tweet_ids))
        await self._broadcast.broadcast(Invalidation(tweets=tweet_ids))

    def _cache_caught_up(self, changes: list[Changed]) -> None:
        """Have processes forget what they may have read in the shared cache before it was told."""
        self.spawn(self._announce([tweet_id for _, tweet_id in changes]))

    async def _announce(self, tweet_ids: list[int]) -> None:
        await self._broadcast.broadcast(Invalidation(tweets=tweet_ids))

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
            "deliveries": float(self._deliveries),
        }

    async def settle(self) -> None:
        """Return once nothing waits that was committed before, but for what was put aside."""
        await self._relay.settle()

    def figures(self) -> Mapping[str, float]:
        return {
            "entries": self._relay.taken(Timelines.name),
            "deliveries": self._deliveries,
            **self._queue.figures(),
            **self._relay.figures(),
            "lag_ms": self._lag_ms,
            "celebrities_known": len(self._celebrities),
            **self._shards.figures(),
        }
