"""All use-cases over one ground: the only place where services are put together.

Gateways, connection servers, the commands of the control channel and the worlds of the tests all
get theirs here.

| you add … | write |
| --- | --- |
| a service | one line in the method of its room (`_add_accounts`, `_add_reading`, …) below |
| what it caches | a line in `UseCases.invalidate` |
| a figure of it | a line in `UseCases.figures` |
| what it does in the background | a line in `UseCases.run`, and its end in `UseCases.close` |
| something it stands on | a field of `Ground`; `compose.backend` and the tests' worlds fill it in |
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rookery.config import Config
from rookery.messages import Invalidation
from rookery.services.accounts.accounts import Accounts
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.passwords import PasswordCost, Passwords
from rookery.services.accounts.privacy import Privacy
from rookery.services.accounts.profiles import Profiles
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.accounts.suspensions import Suspensions
from rookery.services.accounts.tokens import KeyRing
from rookery.services.graph.blocks import Blocks
from rookery.services.graph.changes import GraphChanges
from rookery.services.graph.follows import Graph
from rookery.services.graph.mutes import Mutes
from rookery.services.graph.openings import Openings
from rookery.services.graph.requests import FollowRequests
from rookery.services.idempotency import Idempotency
from rookery.services.ports import InvalidationPort, TimelinePort
from rookery.services.reading.conversations import Conversations
from rookery.services.reading.likes import Likes
from rookery.services.reading.reading import Reading
from rookery.services.reading.timelines import Timelines
from rookery.services.tweets.bookmarks import Bookmarks
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.engagement import Engagement
from rookery.services.tweets.pins import Pins
from rookery.services.tweets.retweets import Retweets
from rookery.services.tweets.tweets import Tweets
from rookery.store.engine import Store


@dataclass(frozen=True)
class Ground:
    """What services stand on, in one process.

    `shown` is what tweets and authors are read from for showing them; it may be a little behind
    the store. `steady_ms` is a clock that does not step: by another one caches would last for ever
    after a step back.
    """

    store: Store
    shown: Store
    timelines: TimelinePort
    invalidations: InvalidationPort
    next_id: Callable[[], int]
    clock_ms: Callable[[], int]
    steady_ms: Callable[[], int]


class UseCases:
    """All services over one ground, with their caches. `run` them, and `close` them at the end."""

    def __init__(self, ground: Ground, config: Config) -> None:
        self._add_reading(ground, config)
        self._add_graph_changes(ground)
        self._add_accounts(ground, config)
        self._add_graph(ground)
        self._add_tweets(ground, config)

    def _add_graph_changes(self, ground: Ground) -> None:
        self.graph_changes = GraphChanges(
            ground.store, ground.next_id, ground.timelines, ground.invalidations
        )
        self.openings = Openings(ground.store, ground.next_id, self.graph_changes)

    def _add_accounts(self, ground: Ground, config: Config) -> None:
        auth, store, clock_ms = config.auth, ground.store, ground.clock_ms
        self.keys = KeyRing(store, clock_ms, life_s=int(auth.access_token_s))
        self.passwords = Passwords(
            PasswordCost(time_cost=auth.argon2_time_cost, memory_cost_kib=auth.argon2_memory_kib),
            wait_s=auth.password_wait_s,
        )
        self.authenticator = Authenticator(
            self.keys, store, clock_ms, recheck_s=auth.recheck_s, steady=ground.steady_ms
        )
        self.tickets = StreamTickets(self.keys, store, clock_ms)
        self.accounts = Accounts(
            store,
            ground.next_id,
            clock_ms,
            self.keys,
            self.passwords,
            ground.invalidations,
            refresh_life_s=auth.refresh_token_s,
        )
        self.profiles = Profiles(
            store,
            ground.next_id,
            clock_ms,
            ground.invalidations,
            self.openings,
            ground.timelines,
            self.reading,
        )

        self.suspensions = Suspensions(
            store, ground.next_id, ground.invalidations, ground.timelines
        )

    def _add_reading(self, ground: Ground, config: Config) -> None:
        store = ground.store
        self.reading = Reading(
            store,
            ground.shown,
            ground.steady_ms,
            ground.clock_ms,
            capacity=config.tweets.cache_size,
        )
        self.timelines = Timelines(store, ground.timelines, self.reading)
        self.conversations = Conversations(store, self.reading)
        self.likes = Likes(store, self.reading)

    def _add_graph(self, ground: Ground) -> None:
        store, next_id, changes = ground.store, ground.next_id, self.graph_changes
        self.graph = Graph(store, next_id, self.reading, changes)
        self.requests = FollowRequests(store, next_id, changes)
        self.blocks = Blocks(store, next_id, changes)
        self.mutes = Mutes(store, next_id, ground.clock_ms, changes)
        self.privacy = Privacy(self.profiles, self.blocks, self.mutes)

    def _add_tweets(self, ground: Ground, config: Config) -> None:
        store, next_id, reading = ground.store, ground.next_id, self.reading
        self.changes = CountChanges(reading, ground.invalidations)
        self.tweets = Tweets(
            store,
            next_id,
            ground.clock_ms,
            reading,
            self.changes,
            ground.invalidations,
            Idempotency(store, ground.clock_ms),
            ground.timelines,
            max_length=config.tweets.max_length,
        )
        self.engagement = Engagement(store, next_id, reading, self.changes)
        self.retweets = Retweets(store, reading, self.tweets)
        self.bookmarks = Bookmarks(store, next_id, reading, self.changes)
        self.pins = Pins(store, next_id, reading, self.changes)

    def invalidate(self, change: Invalidation) -> None:
        """Forget what is cached of these."""
        self.authenticator.forget(change.devices)
        self.authenticator.forget((user, device) for user, device, _ in change.sign_ins)
        self.reading.invalidate(change)

    def figures(self) -> Mapping[str, float]:
        """Current figures by metric name."""
        return {
            "cached_tokens": len(self.authenticator),
            "cached_tweets": len(self.reading.entries),
        }

    async def run(self) -> None:
        """Do what goes on behind the use-cases, until cancelled, in each process that writes."""
        await asyncio.gather(self.keys.keep_up(), self.tweets.removals.run(), self.openings.run())

    async def close(self) -> None:
        """End what runs in the background beside `run`."""
        await self.tweets.removals.close()
        await self.openings.close()
        self.passwords.close()
