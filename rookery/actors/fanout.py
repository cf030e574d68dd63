"""The fan-out worker: takes committed changes from the queue and brings them everywhere."""

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from rookery.actors import names
from rookery.actors.broadcast import Broadcast
from rookery.actors.runtime import Actor, ActorContext
from rookery.actors.shards import Shards, until_available
from rookery.actors.writer import group_writer
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError, Unavailable
from rookery.events.consumers.timelines import delivery_of
from rookery.events.encoding import StoredEvent, decoded
from rookery.events.kinds import Event, FollowChanged, TweetDeleted, TweetEdited, TweetPosted
from rookery.ids import RisingClock, first_id_at, time_ms_of
from rookery.messages import Delivery, Invalidation
from rookery.store import StoreParts, clock_ms, open_reader
from rookery.store.leases import steady_ms
from rookery.store.queue import Queue
from rookery.store.queue_outbox import OutboxQueue
from rookery.store.records.outbox import Outbox
from rookery.store.records.tweets import TweetRepository
from rookery.store.redis import cache as cache_redis
from rookery.store.redis.cache import Changed
from rookery.store.redis.queue import RedisQueue
from rookery.store.schema import TWEETS

log = structlog.get_logger(__name__)

BATCH = 500
MAX_HELD = 40 * BATCH
"""What waits for a slow shard alone; with more, the others would have to wait as well."""
IDLE_WAIT_S = 1.0
RETRY_PAUSE_S = 0.5
LATE_MS = 400
"""After so long an entry may be delivered after later ones, since it was tried before."""
ACKNOWLEDGE_EVERY_S = 0.1

_decoder = msgspec.msgpack.Decoder(list[StoredEvent])


class FanoutWorker(Actor):
    """Takes outbox entries, delivers them to every shard, then acknowledges them.

    Durable: nothing; an entry that was not acknowledged is delivered again, which the shards
    recognise. Batches go out without waiting for the former ones, bounded by `MAX_HELD` entries;
    a shard that is down holds up the acknowledgement, not the deliveries to the others.
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
        self._tweets = TweetRepository(self._reader)
        # Entries' ids may be ahead of the clock; what is late among them this one tells.
        self._ids_ms = RisingClock(clock_ms, steady_ms)
        outbox = Outbox(StoreParts(self._reader, self._writer))
        self._queue: Queue = (
            RedisQueue(outbox, config.redis, context.name, self._ids_ms)
            if config.redis.url
            else OutboxQueue(outbox)
        )
        self._done: list[int] = []
        self._any_done = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._progress = asyncio.Event()
        self._figures: dict[str, float] = {"entries": 0, "deliveries": 0, "failures": 0}
        self._lag_ms = 0.0

    async def start(self) -> None:
        self.spawn(self._follow_celebrities())
        self.spawn(self._work())
        self.spawn(self._acknowledge())
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

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster; what is taken from now on goes to its shards."""
        self._topology.install(view)

    async def set_celebrities(self, user_ids: list[int]) -> None:
        """Whose tweets go to `CelebrityLists` from now on."""
        self._celebrities = frozenset(user_ids)

    async def _follow_celebrities(self) -> None:
        # Asked again now and then, in case an announcement was lost.
        while True:
            members = await until_available(lambda: self._lists.call("members"))
            self._celebrities = frozenset(members)
            await asyncio.sleep(10.0)

    async def offer(self, payload: bytes) -> None:
        """Entries (a MessagePack list of `StoredEvent`) that were committed just now."""
        self._queue.offer(_decoder.decode(payload))

    async def requeue_dead(self) -> int:
        """Deliver again what was put aside; see `rookery.store.queue.Queue.requeue_dead`."""
        return await self._queue.requeue_dead()

    async def _work(self) -> None:
        await until_available(self._queue.is_empty)  # the store may still be starting
        await until_available(self._topology.refresh)
        while True:
            await self._room.wait()
            try:
                entries = await self._queue.take(BATCH, IDLE_WAIT_S)
            except RookeryError as error:
                log.warning("cannot read the queue", error=str(error))
                await asyncio.sleep(0.2)
                continue
            if entries:
                self._ids_ms.raise_to(time_ms_of(max(entry.id for entry in entries)))
                self._lag_ms = float(self._ids_ms() - time_ms_of(entries[0].id))
                self.spawn(self._deliver(entries))
                if self._queue.held >= MAX_HELD:
                    self._room.clear()
            else:
                self._lag_ms = 0.0

    async def _deliver(self, entries: list[StoredEvent]) -> None:
        try:
            events = [decoded(each) for each in entries]
            await asyncio.gather(*self._calls(await self._without_deleted(events)))
        except Exception as error:  # whatever it was, what was accepted must be delivered
            self._figures["failures"] += 1
            fault = None if isinstance(error, Unavailable) else error
            log.warning("delivery will be repeated", error=repr(error), exc_info=fault)
            await asyncio.sleep(RETRY_PAUSE_S)
            self._queue.release([entry.id for entry in entries], fault)
            self._let_go()
            return
        self._figures["entries"] += len(entries)
        self._done += [entry.id for entry in entries]
        self._any_done.set()

    async def _without_deleted(self, events: list[Event]) -> list[Event]:
        """Events but for late ones of tweets that are deleted.

        Their deletion may have been delivered already: to shards that remember it, but not to one
        that has started since.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        late_id = first_id_at(self._ids_ms() - LATE_MS)
        late = {e.tweet_id for e in events if isinstance(e, TweetPosted) and e.id < late_id}
        gone = late - await self._tweets.existing(sorted(late))
        return [e for e in events if not isinstance(e, TweetPosted) or e.tweet_id not in gone]

    def _let_go(self) -> None:
        """Some entries are no longer held."""
        if self._queue.held < MAX_HELD:
            self._room.set()
        self._progress.set()
        self._progress = asyncio.Event()

    def _calls(self, events: list[Event]) -> list[Awaitable[Any]]:
        tweets: list[Delivery] = []
        listed: list[Delivery] = []
        calls: list[Awaitable[Any]] = []
        followees: set[int] = set()
        changed: list[int] = []
        for event in events:
            if isinstance(event, FollowChanged):
                follower, followee = event.follower_id, event.followee_id
                calls.append(self._shards.graph_changed_anywhere(follower, followee, event.follows))
                followees.add(followee)
            elif isinstance(event, TweetPosted | TweetEdited | TweetDeleted):
                if not isinstance(event, TweetPosted):
                    changed.append(event.tweet_id)
                is_listed = event.author_id in self._celebrities
                (listed if is_listed else tweets).append(delivery_of(event))
        if tweets:
            calls.append(self._to_rings(tweets))
        if listed:
            calls.append(self._to_lists(listed))
        if changed:
            calls.append(self._forget(changed))
        if followees:
            calls.append(self._lists.call("followers_changed", sorted(followees)))
        return calls

    async def _forget(self, tweet_ids: list[int]) -> None:
        """Tell the caches of changes. Whoever made them did already, unless it died in between."""
        if self._cache is not None:
            await self._cache.replace(dict.fromkeys((TWEETS.name, each) for each in tweet_ids))
        await self._broadcast.broadcast(Invalidation(tweets=tweet_ids))

    def _cache_caught_up(self, changes: list[Changed]) -> None:
        """Have processes forget what they may have read in the shared cache before it was told."""
        self.spawn(self._announce([tweet_id for _, tweet_id in changes]))

    async def _announce(self, tweet_ids: list[int]) -> None:
        await self._broadcast.broadcast(Invalidation(tweets=tweet_ids))

    async def _to_rings(self, deliveries: list[Delivery]) -> None:
        reached = await asyncio.gather(
            *(edge.deliveries.submit(deliveries) for edge in self._shards.edges.values())
        )
        self._figures["deliveries"] += sum(reached)

    async def _to_lists(self, deliveries: list[Delivery]) -> None:
        refused = set(await self._lists.call("append", deliveries))
        if refused:
            await self._to_rings([each for each in deliveries if each.event_id in refused])

    async def _acknowledge(self) -> None:
        """Acknowledge what is done, some of it at a time: each time is a commit of the store."""
        while True:
            await self._any_done.wait()
            await asyncio.sleep(ACKNOWLEDGE_EVERY_S)
            self._any_done.clear()
            done, self._done = self._done, []
            await until_available(partial(self._queue.acknowledge, done))
            self._let_go()

    async def delivered(self) -> dict[str, float]:
        """Entries and deliveries (rows reached) since the start."""
        return {name: self._figures[name] for name in ("entries", "deliveries")}

    async def settle(self) -> None:
        """Return once nothing waits that was committed before, dead letters included."""
        while True:
            progress = self._progress  # before looking, so that none in between is missed
            if await self._queue.is_empty():
                return
            await progress.wait()

    def figures(self) -> Mapping[str, float]:
        return {
            **self._figures,
            **self._queue.figures(),
            "queue_depth": self._queue.held,
            "lag_ms": self._lag_ms,
            "celebrities_known": len(self._celebrities),
            **self._shards.figures(),
        }
