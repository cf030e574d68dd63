"""The timeline shards as seen by everyone else: who owns whom, and one coalescer per edge.

`Shards` implements `rookery.services.ports.TimelinePort` without importing it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from rookery.actors.coalescer import Coalescer
from rookery.actors.own_posts import OwnPostsEdge
from rookery.actors.runtime import ActorRef, Directory
from rookery.cluster.topology import Topology
from rookery.domain.placement import ClusterView
from rookery.domain.timelines import Slice
from rookery.errors import ActorUnavailable, DeadlineExceeded, Moved, Overloaded, Unavailable
from rookery.messages import AttachAnswer, AttachRequest, Delivery, TimelineSlice, WarmTimeline

T = TypeVar("T")

BUILD_DEADLINE_S = 10.0
EACH_DEADLINE_S = 10.0
MAX_BUILDS = 64
"""Cold timelines that one process has built at a time, over all shards."""

GONE_DRAIN_S = 0.2
ACCOUNTS_BOUND_S = 1.0
MOVED_PAUSE_S = 0.05
MOVED_DEADLINE_S = 10.0
"""So long a caller looks for the shard that has taken a user over."""


class Edge:
    """One caller's coalescers towards one shard."""

    def __init__(self, ref: ActorRef) -> None:
        self.ref = ref
        self.gone = asyncio.Event()
        """Set when the shard is no longer part of the cluster."""
        self.reads: Coalescer[tuple[int, int, int, int], Slice | None] = self._edge(
            "read", retry=True
        )
        self.graph: Coalescer[tuple[int, int, bool], None] = self._edge("graph_changed", retry=True)
        self.hidden: Coalescer[int, None] = self._edge("hidden_changed", retry=True)
        self.accounts: Coalescer[int, None] = self._edge("accounts_changed", retry=True)
        self.own_posts = OwnPostsEdge(ref)
        self.attaches: Coalescer[AttachRequest, AttachAnswer] = self._edge("attach", retry=True)
        self.detaches: Coalescer[tuple[int, str, str], None] = self._edge("detach", retry=True)
        self.deliveries: Coalescer[list[Delivery], int] = self._edge(
            "deliver", retry=True, deadline_s=30.0
        )
        self.listed: Coalescer[list[Delivery], int] = self._edge(
            "deliver_listed", retry=True, deadline_s=30.0
        )

    async def unless_gone(self, call: Awaitable[T]) -> T:
        """Make a call that takes long, but give it up when the shard is gone.

        Raises:
            Unavailable: it is, or the call failed so.
        """
        calling = asyncio.ensure_future(call)
        going = asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait((calling, going), return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise ActorUnavailable()
            return await calling
        finally:
            calling.cancel()
            going.cancel()

    def _edge(self, method: str, *, retry: bool, deadline_s: float = 5.0) -> Coalescer[Any, Any]:
        async def call(batch: list[Any]) -> Sequence[Any]:
            results: Sequence[Any] = await self.ref.call(method, batch)
            return results

        return Coalescer(call, name=f"{self.ref.name}.{method}", deadline_s=deadline_s, retry=retry)

    async def aclose(self, drain_s: float = 1.0) -> None:
        """Refuse what is new, and fail what is pending after `drain_s`."""
        self.gone.set()
        await self.own_posts.aclose()
        await asyncio.gather(*(each.aclose(drain_s) for each in self.coalescers().values()))

    def coalescers(self) -> Mapping[str, Coalescer[Any, Any]]:
        return {
            "read": self.reads,
            "graph_changed": self.graph,
            "hidden_changed": self.hidden,
            "accounts_changed": self.accounts,
            "attach": self.attaches,
            "detach": self.detaches,
            "deliver": self.deliveries,
            "deliver_listed": self.listed,
        }


class Shards:
    """All shards, by user. One per process and event loop.

    Where shards come and go, a call that finds its user's shard gone, or no longer the owner, goes
    on at the new one.
    """

    def __init__(self, directory: Directory, topology: Topology) -> None:
        self._directory = directory
        self.topology = topology
        self.edges: dict[str, Edge] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._builds = asyncio.Semaphore(MAX_BUILDS)
        self._waiting_builds = 0
        topology.listen(self._view_changed)

    def _view_changed(self, view: ClusterView) -> None:
        self._owner = view.shard_map.owner
        present = view.present.shards
        for name in [name for name in self.edges if name not in present]:
            edge = self.edges.pop(name)
            closing = asyncio.get_running_loop().create_task(edge.aclose(GONE_DRAIN_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for name in present:
            if name not in self.edges:
                self.edges[name] = Edge(self._directory.ref(name))

    def of(self, user_id: int) -> Edge:
        """The edge towards the shard that owns a user."""
        return self.edges[self._owner(user_id)]

    async def _at_owner(self, user_id: int, call: Callable[[Edge], Awaitable[T]]) -> T:
        """Make a call that is safe to repeat at the shard that owns a user, wherever that goes."""
        began_s = monotonic()
        while True:
            edge = self.of(user_id)
            try:
                return await call(edge)
            except Unavailable as error:
                await self._after(error, user_id, edge, began_s)

    async def _after(self, error: Unavailable, user_id: int, asked: Edge, began_s: float) -> None:
        """Return when a call that failed may be made again; raise `error` if it need not be."""
        if not self.topology.may_change:
            raise error
        await self.topology.refresh()
        if self.of(user_id) is not asked:
            return
        if not isinstance(error, Moved) or monotonic() > began_s + MOVED_DEADLINE_S:
            raise error
        await asyncio.sleep(MOVED_PAUSE_S)  # it has yet to hear of the view that we know

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        """See `rookery.services.ports.TimelinePort.read`."""
        began_s = monotonic()
        while True:
            edge = self.of(user_id)
            try:
                found = await edge.reads.submit((user_id, before, limit, mask))
                while found is None:
                    found = await self._build(edge, (user_id, before, limit, mask))
                return TimelineSlice(*found)
            except Unavailable as error:
                await self._after(error, user_id, edge, began_s)

    async def _build(self, edge: Edge, request: tuple[int, int, int, int]) -> Slice | None:
        # Not coalesced: one slow building must not hold up the quick ones in its batch.
        if self._waiting_builds >= 16 * MAX_BUILDS:
            raise Overloaded()
        self._waiting_builds += 1
        try:
            async with self._builds, asyncio.timeout(BUILD_DEADLINE_S):
                return await edge.unless_gone(edge.ref.call("build_and_read", request))
        except TimeoutError as error:
            raise DeadlineExceeded() from error
        finally:
            self._waiting_builds -= 1

    async def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        """See `rookery.services.ports.TimelinePort.graph_changed`."""
        change = (follower_id, followee_id, follows)
        await self._at_owner(follower_id, lambda edge: edge.graph.submit(change))

    async def hidden_changed(self, user_ids: Sequence[int]) -> None:
        """See `rookery.services.ports.TimelinePort.hidden_changed`."""

        async def tell(user_id: int) -> None:
            await self._at_owner(user_id, lambda edge: edge.hidden.submit(user_id))

        await asyncio.gather(*(tell(user_id) for user_id in user_ids))

    async def accounts_changed(self, user_ids: Sequence[int]) -> None:
        """See `rookery.services.ports.TimelinePort.accounts_changed`."""
        telling = asyncio.gather(self.accounts_changed_anywhere(user_ids), return_exceptions=True)
        await asyncio.wait([telling], timeout=ACCOUNTS_BOUND_S)  # told until its deadline

    async def posted(self, author_id: int, tweet_id: int, kind: int) -> None:
        """See `rookery.services.ports.TimelinePort.posted`."""
        await self.of(author_id).own_posts.tell(author_id, tweet_id, kind)

    async def graph_changed_anywhere(
        self, follower_id: int, followee_id: int, follows: bool
    ) -> None:
        """As `graph_changed`, told to every shard that might have the follower's timeline."""
        change = (follower_id, followee_id, follows)
        await asyncio.gather(*(edge.graph.submit(change) for edge in self.edges.values()))

    async def hidden_changed_anywhere(self, user_ids: Sequence[int]) -> None:
        """As `hidden_changed`, told to every shard that might have one of the timelines."""
        edges = self.edges.values()
        await asyncio.gather(*(edge.hidden.submit(user) for user in user_ids for edge in edges))

    async def accounts_changed_anywhere(self, user_ids: Sequence[int]) -> None:
        """As `accounts_changed`, until every shard has taken note.

        Raises:
            Unavailable: one does not answer.
        """
        edges = self.edges.values()
        await asyncio.gather(*(edge.accounts.submit(user) for user in user_ids for edge in edges))

    async def attach(self, request: AttachRequest) -> AttachAnswer:
        """Connect a user (see `rookery.messages.AttachRequest`)."""
        return await self._at_owner(request[0], lambda edge: edge.attaches.submit(request))

    async def detach(self, user_id: int, server: str, incarnation: str) -> None:
        """End a user's connection on a server."""
        await self.of(user_id).detaches.submit((user_id, server, incarnation))

    async def warm_users(self) -> list[int]:
        """See `rookery.services.checking.audit.AuditPort`."""
        return [user for users in (await self.on_each("warm_users")).values() for user in users]

    def _by_shard(self, user_ids: Sequence[int]) -> dict[str, list[int]]:
        by_shard: dict[str, list[int]] = {}
        for user_id in user_ids:
            by_shard.setdefault(self._owner(user_id), []).append(user_id)
        return by_shard

    async def inspect(self, user_ids: Sequence[int]) -> list[WarmTimeline | None]:
        """See `rookery.services.checking.audit.AuditPort`."""
        found: dict[int, WarmTimeline | None] = {}
        for shard, users in self._by_shard(user_ids).items():
            answers = await self.edges[shard].ref.call("inspect", users)
            found.update(zip(users, answers, strict=True))
        return [found[user_id] for user_id in user_ids]

    async def rebuild(self, user_ids: Sequence[int]) -> None:
        """See `rookery.services.checking.audit.AuditPort`."""
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

    async def recently_notified(
        self, server: str, incarnation: str, after: Mapping[str, int]
    ) -> dict[str, tuple[str, int, bytes]]:
        """`TimelineShard.recently_notified` of each shard, by its name; `after` by shard, 0 where
        missing.

        Raises:
            Unavailable: a shard did not answer in time.
        """
        return await self._on_each(
            "recently_notified", lambda shard: (server, incarnation, after.get(shard, 0))
        )

    async def on_each(self, method: str, *args: Any) -> dict[str, Any]:
        """Call every shard that is present; what each answered, by its name.

        Raises:
            Unavailable: a shard did not answer in time.
        """
        return await self._on_each(method, lambda _: args)

    async def _on_each(
        self, method: str, args_of: Callable[[str], tuple[Any, ...]]
    ) -> dict[str, Any]:
        edges = list(self.edges.items())
        try:
            async with asyncio.timeout(EACH_DEADLINE_S):
                answers = await asyncio.gather(
                    *(
                        edge.unless_gone(edge.ref.call(method, *args_of(name)))
                        for name, edge in edges
                    )
                )
        except TimeoutError as error:
            raise DeadlineExceeded() from error
        return {name: answer for (name, _), answer in zip(edges, answers, strict=True)}

    async def aclose(self) -> None:
        await asyncio.gather(*(edge.aclose() for edge in self.edges.values()), *self._closing)

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
