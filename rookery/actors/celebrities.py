"""The celebrities' lists of recent tweets, and who counts as a celebrity."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from rookery.actors import names
from rookery.actors.runtime import Actor, ActorContext
from rookery.actors.shards import Shards, until_available
from rookery.actors.writer import group_writer
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.celebrity import CelebrityList, is_celebrity
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError
from rookery.messages import Delivery
from rookery.models import EventKind
from rookery.store import StoreParts, open_reader
from rookery.store.records.celebrities import CelebrityRepository


class CelebrityLists(Actor):
    """Owns each celebrity's list of recent tweets and replicates it to every shard.

    Durable: who is a celebrity (in the store, because of the hysteresis). Rebuilt from the store:
    the lists. Callers may retry everything: adding a tweet twice changes nothing, and the shards
    remember deliveries.
    """

    def __init__(self, context: ActorContext, config: Config, view: ClusterView) -> None:
        super().__init__(context)
        self._threshold = config.timelines.celebrity_threshold
        self._size = config.timelines.ring_size
        self._reader = open_reader(config)
        self._writer = group_writer(context.directory, config)
        self._repository = CelebrityRepository(StoreParts(self._reader, self._writer))
        self._topology = Topology.opened(config, view, self._reader)
        self._shards = Shards(context.directory, self._topology)
        self._lists: dict[int, CelebrityList] = {}
        self._supplied: set[str] = set()  # the shards that have the lists, or fetch them
        self._delivering: set[asyncio.Future[Any]] = set()
        self._changing = asyncio.Lock()
        self._recovered = asyncio.Event()

    async def start(self) -> None:
        self.spawn(self._recover())
        self.spawn(self._topology.follow(self.context.directory))

    async def stop(self) -> None:
        await super().stop()
        await self._shards.aclose()
        await self._writer.close()
        await self._reader.close()

    async def _recover(self) -> None:
        """Load the lists, and tell shards and worker, which may have older ones."""
        await until_available(self._topology.refresh)
        former = await until_available(self._repository.all)
        candidates = await until_available(
            partial(self._repository.with_followers, self._threshold)
        )
        for user_id in former | candidates:
            await until_available(partial(self._classify, user_id, user_id in former))
        self._supplied.update(self._topology.view.serving.shards)
        self._recovered.set()
        await self._announce()

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster; when this returns, its new shards have all lists."""
        self._topology.install(view)  # at once: what waits for a shard that is gone goes on
        await self._recovered.wait()
        async with self._changing:
            present = self._topology.view.present.shards
            self._supplied.intersection_update(present)
            for name in present:
                if name not in self._supplied:
                    edge = self._shards.edges[name]
                    for user_id, entries, floor in self._entries():
                        call = edge.ref.call("set_celebrity", user_id, entries, floor)
                        await edge.unless_gone(call)
                    self._supplied.add(name)

    async def _classify(self, user_id: int, was: bool) -> None:
        followers = await self._repository.followers(user_id)
        if is_celebrity(followers, self._threshold, was):
            await self._promote(user_id)
        else:
            await self._demote(user_id)

    async def _promote(self, user_id: int) -> None:
        entries, floor = await self._repository.recent(user_id, self._size)
        fresh = CelebrityList(self._size, floor)
        for tweet_id, kind in entries:
            fresh.add(tweet_id, kind)
        await self._shards.on_each("set_celebrity", user_id, entries, floor)
        await self._repository.add(user_id)
        self._lists[user_id] = fresh

    async def _demote(self, user_id: int) -> None:
        # First no more is listed, then the rows that relied on the list are built anew.
        self._lists.pop(user_id, None)
        await self._repository.remove(user_id)
        if self._delivering:  # what was listed must not come after the end of the list
            await asyncio.wait(self._delivering)
        await self._shards.on_each("end_celebrity", user_id)

    async def _announce(self) -> None:
        worker = self.context.directory.ref(names.FANOUT_WORKER)
        try:
            await worker.call("set_celebrities", sorted(self._lists))
        except RookeryError:
            pass  # It asks for them when it starts, and again with its next listed delivery.

    async def members(self) -> list[int]:
        """The celebrities' user ids, once they are known."""
        await self._recovered.wait()
        return sorted(self._lists)

    async def snapshot(self) -> list[tuple[int, list[tuple[int, int]], int]]:
        """Every list as (author id, (id, kind) ascending, floor)."""
        await self._recovered.wait()
        return self._entries()

    def _entries(self) -> list[tuple[int, list[tuple[int, int]], int]]:
        return [(user, each.entries(), each.floor) for user, each in self._lists.items()]

    async def followers_changed(self, user_ids: list[int]) -> None:
        """Look again whether these authors are celebrities."""
        await self._recovered.wait()
        async with self._changing:
            changed = False
            for user_id in user_ids:
                was = user_id in self._lists
                now = is_celebrity(await self._repository.followers(user_id), self._threshold, was)
                if now != was:
                    await (self._promote(user_id) if now else self._demote(user_id))
                    changed = True
            if changed:
                await self._announce()

    async def append(self, deliveries: list[Delivery]) -> list[int]:
        """List the celebrities' events and bring them to all shards.

        Returns the event ids of those that are not (or no longer) of celebrities, which the
        caller must deliver to the rings.

        Raises:
            Unavailable: a shard has not taken them; call again with the same.
        """
        await self._recovered.wait()
        async with self._changing:
            listed = [d for d in deliveries if d.author_id in self._lists]
            for each in listed:
                if each.event_kind == EventKind.TWEET:
                    self._lists[each.author_id].add(each.tweet_id, each.post_kind)
                elif each.event_kind == EventKind.TWEET_DELETED:
                    self._lists[each.author_id].discard(each.tweet_id)
            # Handed to the coalescers in order, and waited for without the lock: a shard that is
            # slow must not hold up what comes after for the others.
            delivering = asyncio.gather(
                *(edge.listed.submit(listed) for edge in self._shards.edges.values() if listed)
            )
            self._delivering.add(delivering)
        try:
            await delivering
        finally:
            self._delivering.discard(delivering)
        taken = {d.event_id for d in listed}
        return [d.event_id for d in deliveries if d.event_id not in taken]

    def figures(self) -> Mapping[str, float]:
        return {
            "celebrities": len(self._lists),
            "celebrity_list_entries": sum(len(each) for each in self._lists.values()),
        }
