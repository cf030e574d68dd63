"""The timeline shards as seen by everyone else: who owns whom, and one coalescer per edge.

`Shards` implements `rookery.services.ports.TimelinePort` without importing it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rookery.actors.coalescer import Coalescer
from rookery.actors.names import timeline_shard
from rookery.actors.runtime import ActorRef, Directory
from rookery.domain.placement import ShardMap
from rookery.domain.timelines import Slice
from rookery.errors import DeadlineExceeded, Overloaded, Unavailable
from rookery.messages import AttachAnswer, AttachRequest, Delivery, TimelineSlice, WarmTimeline

BUILD_DEADLINE_S = 10.0
MAX_BUILDS = 64
"""Cold timelines that one process has built at a time, over all shards."""


def shard_map(shards: int) -> ShardMap:
    """The assignment of users to the configured number of shards."""
    return ShardMap([timeline_shard(number) for number in range(shards)])


class Edge:
    """One caller's coalescers towards one shard."""

    def __init__(self, ref: ActorRef) -> None:
        self.ref = ref
        self.reads: Coalescer[tuple[int, int, int, int], Slice | None] = self._edge(
            "read", retry=True
        )
        self.graph: Coalescer[tuple[int, int, bool], None] = self._edge("graph_changed", retry=True)
        self.attaches: Coalescer[AttachRequest, AttachAnswer] = self._edge("attach", retry=True)
        self.detaches: Coalescer[tuple[int, str, str], None] = self._edge("detach", retry=True)
        self.deliveries: Coalescer[list[Delivery], int] = self._edge(
            "deliver", retry=True, deadline_s=30.0
        )
        self.listed: Coalescer[list[Delivery], int] = self._edge(
            "deliver_listed", retry=True, deadline_s=30.0
        )

    def _edge(self, method: str, *, retry: bool, deadline_s: float = 5.0) -> Coalescer[Any, Any]:
        async def call(batch: list[Any]) -> Sequence[Any]:
            results: Sequence[Any] = await self.ref.call(method, batch)
            return results

        return Coalescer(call, name=f"{self.ref.name}.{method}", deadline_s=deadline_s, retry=retry)

    def coalescers(self) -> Mapping[str, Coalescer[Any, Any]]:
        return {
            "read": self.reads,
            "graph_changed": self.graph,
            "attach": self.attaches,
            "detach": self.detaches,
            "deliver": self.deliveries,
            "deliver_listed": self.listed,
        }


class Shards:
    """All shards, by user. One per process and event loop."""

    def __init__(self, directory: Directory, shards: ShardMap) -> None:
        self.map = shards
        self.edges = {name: Edge(directory.ref(name)) for name in shards.shards}
        self._builds = asyncio.Semaphore(MAX_BUILDS)
        self._waiting_builds = 0

    def of(self, user_id: int) -> Edge:
        """The edge towards the shard that owns a user."""
        return self.edges[self.map.owner(user_id)]

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        """See `rookery.services.ports.TimelinePort.read`."""
        edge = self.of(user_id)
        found = await edge.reads.submit((user_id, before, limit, mask))
        while found is None:
            await self._build(edge, user_id)
            found = await edge.reads.submit((user_id, before, limit, mask))
        return TimelineSlice(*found)

    async def _build(self, edge: Edge, user_id: int) -> None:
        # Not coalesced: one slow building must not hold up the quick ones in its batch.
        if self._waiting_builds >= 16 * MAX_BUILDS:
            raise Overloaded()
        self._waiting_builds += 1
        try:
            async with self._builds, asyncio.timeout(BUILD_DEADLINE_S):
                await edge.ref.call("build", user_id)
        except TimeoutError as error:
            raise DeadlineExceeded() from error
        finally:
            self._waiting_builds -= 1

    async def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        """See `rookery.services.ports.TimelinePort.graph_changed`."""
        await self.of(follower_id).graph.submit((follower_id, followee_id, follows))

    async def warm_users(self) -> list[int]:
        """See `rookery.services.audit.AuditPort`."""
        return [user for users in (await self.on_each("warm_users")).values() for user in users]

    def _by_shard(self, user_ids: Sequence[int]) -> dict[str, list[int]]:
        by_shard: dict[str, list[int]] = {}
        for user_id in user_ids:
            by_shard.setdefault(self.map.owner(user_id), []).append(user_id)
        return by_shard

    async def inspect(self, user_ids: Sequence[int]) -> list[WarmTimeline | None]:
        """See `rookery.services.audit.AuditPort`."""
        found: dict[int, WarmTimeline | None] = {}
        for shard, users in self._by_shard(user_ids).items():
            answers = await self.edges[shard].ref.call("inspect", users)
            found.update(zip(users, answers, strict=True))
        return [found[user_id] for user_id in user_ids]

    async def rebuild(self, user_ids: Sequence[int]) -> None:
        """See `rookery.services.audit.AuditPort`."""
        for shard, users in self._by_shard(user_ids).items():
            await self.edges[shard].ref.call("rebuild", users)

    async def positions(
        self, server: str, incarnation: str, user_ids: Sequence[int]
    ) -> list[tuple[str, int] | None]:
        """(epoch, offset) of each user's event log; None: not connected on that server."""
        found: dict[int, tuple[str, int] | None] = {}

        async def ask(shard: str, users: list[int]) -> None:
            ids = np.array(users, dtype=np.int64).tobytes()
            answers = await self.edges[shard].ref.call("positions", server, incarnation, ids)
            found.update(zip(users, answers, strict=True))

        await asyncio.gather(*(ask(*each) for each in self._by_shard(user_ids).items()))
        return [found[user_id] for user_id in user_ids]

    async def on_each(self, method: str, *args: Any) -> dict[str, Any]:
        """Call every shard; what each answered, by its name.

        Raises:
            Unavailable: a shard did not answer.
        """
        edges = list(self.edges.items())
        answers = await asyncio.gather(*(edge.ref.call(method, *args) for _, edge in edges))
        return {name: answer for (name, _), answer in zip(edges, answers, strict=True)}

    async def aclose(self) -> None:
        for edge in self.edges.values():
            for coalescer in edge.coalescers().values():
                await coalescer.aclose()

    def figures(self) -> Mapping[str, float]:
        """Over all shards, per kind of call."""
        totals: dict[str, float] = {}
        for edge in self.edges.values():
            for method, coalescer in edge.coalescers().items():
                for name, value in coalescer.figures().items():
                    key = f"{method}_{name}"
                    if name == "batch_mean":
                        totals[key] = max(totals.get(key, 0.0), value)
                    else:
                        totals[key] = totals.get(key, 0.0) + value
        return totals


async def until_available(call: Callable[[], Awaitable[Any]], *, pause_s: float = 0.2) -> Any:
    """Repeat a call that is safe to repeat until its destination answers."""
    while True:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(pause_s)
