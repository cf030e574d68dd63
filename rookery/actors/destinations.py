"""Where changes of tweets, follows and what is hidden are brought to: shards, lists and caches."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from rookery.actors import names
from rookery.actors.broadcast import Broadcast
from rookery.actors.runtime import Directory
from rookery.actors.shards import Shards, until_available
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.messages import Delivery, Invalidation
from rookery.store.leases import steady_ms
from rookery.store.redis import cache as cache_redis
from rookery.store.redis.cache import Changed
from rookery.store.schema import TWEETS, USERS

ASK_EVERY_S = 10.0


class ActorDestinations:
    """`rookery.events.consumers.timelines.Destinations`; `spawn` starts a task in the background.

    `celebrities` are whose tweets go into lists; let it `follow_celebrities`.
    """

    def __init__(
        self,
        directory: Directory,
        config: Config,
        topology: Topology,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.celebrities: frozenset[int] = frozenset()
        self.deliveries = 0
        """Rows that were reached."""
        self.shards = Shards(directory, topology)
        self._broadcast = Broadcast(directory, topology)
        self._cache = cache_redis.opened(config, steady_ms, self._cache_caught_up)
        self._lists = directory.ref(names.CELEBRITY_LISTS)
        self._spawn = spawn

    async def aclose(self) -> None:
        if self._cache is not None:
            await self._cache.close()
        await self._broadcast.aclose()
        await self.shards.aclose()

    async def follow_celebrities(self) -> None:
        """Keep up with who is one, until cancelled."""
        # Asked again now and then, in case an announcement was lost.
        while True:
            members = await until_available(lambda: self._lists.call("members"))
            self.celebrities = frozenset(members)
            await asyncio.sleep(ASK_EVERY_S)

    def is_celebrity(self, user_id: int) -> bool:
        return user_id in self.celebrities

    async def to_rings(self, deliveries: list[Delivery]) -> None:
        reached = await asyncio.gather(
            *(edge.deliveries.submit(deliveries) for edge in self.shards.edges.values())
        )
        self.deliveries += sum(reached)

    async def to_lists(self, deliveries: list[Delivery]) -> list[int]:
        refused: list[int] = await self._lists.call("append", deliveries)
        return refused

    async def follow_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        await self.shards.graph_changed_anywhere(follower_id, followee_id, follows)

    async def hidden_changed(self, user_ids: list[int]) -> None:
        await self.shards.hidden_changed_anywhere(user_ids)

    async def accounts_changed(self, user_ids: list[int]) -> None:
        # As `forget`; shards first, so that nothing is on its way that was judged otherwise.
        await self.shards.accounts_changed_anywhere(user_ids)
        if self._cache is not None:
            await self._cache.replace(dict.fromkeys((USERS.name, each) for each in user_ids))
        await self._broadcast.broadcast(Invalidation(users=user_ids))

    async def followers_changed(self, user_ids: list[int]) -> None:
        await self._lists.call("followers_changed", user_ids)

    async def forget(self, tweet_ids: list[int]) -> None:
        # Whoever made the changes told the caches already, unless it died in between.
        if self._cache is not None:
            await self._cache.replace(dict.fromkeys((TWEETS.name, each) for each in tweet_ids))
        await self._broadcast.broadcast(Invalidation(tweets=tweet_ids))

    def _cache_caught_up(self, changes: list[Changed]) -> None:
        """Have processes forget what they may have read in the shared cache before it was told."""
        self._spawn(self._announce(changes))

    async def _announce(self, changes: list[Changed]) -> None:
        change = Invalidation(
            tweets=[each for collection, each in changes if collection == TWEETS.name],
            users=[each for collection, each in changes if collection == USERS.name],
        )
        await self._broadcast.broadcast(change)
