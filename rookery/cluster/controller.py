"""Keeps a cluster as it should be: which actors run where, and who serves, as nodes come and go.

Runs in the process of `rookery serve`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex

import structlog

from rookery.actors import names
from rookery.actors.runtime import ClusterRuntime, Node
from rookery.actors.shards import until_available
from rookery.cluster.topology import tell
from rookery.compose.actors import members, singles
from rookery.config import Config, pairs_of
from rookery.domain.placement import ClusterView, Members
from rookery.errors import NotFound, RookeryError, StartupError, Unavailable
from rookery.store.engine import ConditionFailed, Store
from rookery.store.records.cluster import ClusterRepository, Lease

log = structlog.get_logger(__name__)

LOOK_S = 0.5
RETRY_NODE_S = 10.0
RENEW_S = 0.5
LEASE_S = 3.0
"""A lease that stands still for so long is nobody's any more."""
TOLD_WITHIN_S = 3.0
"""So long a view waits for those who need not know it before others act on it."""
RELIED_ON_WITHIN_S = 15.0
"""So long it waits for those who must: who delivers, and who lists celebrities' tweets."""

ROLE_LABEL = "rookery.io/role"
ROLES = ("all", "edge", "timelines")


@dataclass
class Placed:
    """A node, what runs on it, and whether that serves."""

    node: Node
    actors: Members
    state: str = "joining"  # → serving → draining → drained


def wanted(config: Config, node: Node) -> tuple[int, int, int]:
    """How many shards, gateways and connection servers a node gets.

    Counted by its cores unless configured, and chosen by its role label.

    Raises:
        StartupError: its label is none of `ROLES`.
    """
    role = node.labels.get(ROLE_LABEL, "all")
    if role not in ROLES:
        raise StartupError(
            f"node {node.id[:8]} ({node.host}) has the label {ROLE_LABEL}={role}; "
            f"known are {', '.join(ROLES)}"
        )
    by_cores = pairs_of(node.cpus)
    return (
        (config.timelines.shards or by_cores) if role != "edge" else 0,
        (config.http.gateways or by_cores) if role != "timelines" else 0,
        config.live.servers if role != "timelines" else 0,
    )


def _fresh(count: int, name: Callable[[int], str], taken: Collection[str]) -> tuple[str, ...]:
    """The first `count` names that are not taken."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        if name(number) not in taken:
            found.append(name(number))
        number += 1
    return tuple(found)


class Controller:
    """Starts the actors of each node, ends those of nodes that left, and publishes each view.

    A node that joins first has its actors present: once the fan-out worker and the celebrity lists
    deliver to them too, they serve. A node that is drained ceases to serve first, and its actors
    end when their clients have left. What is on a node that died is simply taken out of the view.

    One for a cluster, which is whoever holds the lease in the store. If it dies, the actors go on,
    some of them stand by for it (`rookery.cluster.standby`), and the next one takes them over.
    """

    def __init__(
        self, config: Config, runtime: ClusterRuntime, store: Store, http_port: int
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._writer = store.writer
        self._repository = ClusterRepository(store.reader)
        self._http_port = http_port
        self._view: ClusterView
        self._name = token_hex(8)
        self._lease: Lease | None = None
        self._holding: asyncio.Task[None] | None = None
        self._is_overtaken = False
        self._singles_on: str | None = None
        self._refused: dict[str, float] = {}
        self._changing = asyncio.Lock()
        self.placed: dict[str, Placed] = {}
        """By the node's id."""
        self.told: Callable[[ClusterView], object] = lambda _: None
        """Is called with each view that is published."""

    @property
    def view(self) -> ClusterView:
        return self._view

    async def start(self) -> ClusterView:
        """Take over what serves, or start everything on the nodes there are; the first view.

        Raises:
            StartupError: an actor refused, no node may run shards or gateways, or there is another
                controller.
        """
        await self._take_lease()
        self._holding = asyncio.create_task(self._hold())
        await self._begin()
        return self._view

    async def stop(self) -> None:
        """Leave the lease to whoever wants it."""
        if self._holding is None:
            return
        self._holding.cancel()
        await asyncio.gather(self._holding, return_exceptions=True)
        with suppress(RookeryError, ConditionFailed):
            await self._renew("")

    async def run(self) -> None:
        """Follow the nodes as they come and go, until cancelled or no more the controller."""
        while self._holding is not None and not self._holding.done():
            try:
                await self.reconcile()
            except RookeryError as error:
                log.warning("cluster not brought up to date", error=str(error))
            except Exception:
                log.exception("cluster not brought up to date")
            await asyncio.sleep(LOOK_S)

    # The lease.

    async def _take_lease(self) -> None:
        """Wait until nobody else holds the lease, and take it."""
        self._lease = await self._repository.lease()
        if self._lease is not None and self._lease.holder:
            await asyncio.sleep(LEASE_S)
            if await self._repository.lease() != self._lease:
                raise StartupError(
                    "another `rookery serve` keeps this cluster in line; stop that one first"
                )
        await self._renew(self._name)

    async def _renew(self, holder: str) -> None:
        former = self._lease
        lease = Lease(holder, 1 if former is None else former.version + 1)
        await self._repository.renew(self._writer, former, lease)
        self._lease = lease

    async def _hold(self) -> None:
        """Renew the lease until cancelled, or until another controller has taken it."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._renew(self._name)
            except RookeryError as error:
                log.warning("lease not renewed", error=str(error))
            except ConditionFailed:
                log.critical("another controller has taken this cluster over; this one is idle")
                self._runtime.abandon()
                return

    # Beginning.

    async def _begin(self) -> None:
        """Go on with the actors that are there, or start all of them."""
        former = await self._repository.view()
        self.placed.clear()
        found = await self._runtime.adopt()
        serving = Members() if former is None else await self._still_serving(former, found)
        if former is not None and serving.shards and serving.gateways:
            log.warning("actors taken over that another start left behind", actors=serving.all)
            self._view = former
            await self._start_singles(found)
            await self._publish(former.after(serving, serving))
            self._is_overtaken = False
            return
        await self._runtime.end(found)
        self.placed.clear()
        for node in await self._runtime.nodes():
            self._place(node).state = "serving"
        serving = sum((each.actors for each in self.placed.values()), Members())
        if not serving.shards or not serving.gateways:
            raise StartupError(
                f"no node may run {'gateways' if serving.shards else 'timeline shards'}; "
                f"change the label {ROLE_LABEL} of one to all"
            )
        self._view = ClusterView.of(serving, 1 if former is None else former.version + 1)
        await self._repository.replace(self._writer, former, self._view)
        self._is_overtaken = False
        await asyncio.gather(
            self._start_singles({}), *(self._start_actors(each) for each in self.placed.values())
        )

    async def _still_serving(self, former: ClusterView, found: Mapping[str, str]) -> Members:
        """Place what goes on serving, and end the rest of what was found.

        A node of which a part is missing is emptied, and joins like a new one.
        """
        for node in await self._runtime.nodes():
            here = {name for name, node_id in found.items() if node_id == node.id}
            actors = former.serving.without(set(former.serving.all) - here)
            if here and actors.counts == wanted(self._config, node):
                self.placed[node.id] = Placed(node, actors, "serving")
        serving = sum((each.actors for each in self.placed.values()), Members())
        kept = {*serving.all, *(spec.name for spec in singles(self._config, former))}
        await self._runtime.end(found.keys() - kept)
        return serving

    @property
    def _may_run_singles(self) -> list[str]:
        """The ids of the nodes that serve, but not Ray's head if there is another one.

        What ends with the head can be started again only when that is back.
        """
        serving = [each.node for each in self.placed.values() if each.state == "serving"]
        others = [node for node in serving if not node.is_head]
        return [node.id for node in others or serving]

    async def _start_singles(self, found: Mapping[str, str]) -> None:
        """Start those that are missing of what there is one of."""
        where = self._may_run_singles[0]
        specs = singles(self._config, self._view, where)
        await self._runtime.start(*(spec for spec in specs if spec.name not in found))
        self._singles_on = found.get(names.FANOUT_WORKER, where)

    async def _move_singles(self) -> None:
        """Move what there is one of to where it may run."""
        if self._singles_on in self._may_run_singles:
            return
        self._singles_on = None
        await self._runtime.end([spec.name for spec in singles(self._config, self._view)])
        await self._start_singles({})

    # Following the nodes.

    async def reconcile(self) -> None:
        """Bring everything in line with the nodes that are alive."""
        alive = {node.id: node for node in await self._runtime.nodes()}
        async with self._changing:
            if self._is_overtaken:
                await self._begin()
            if gone := [each for each in self.placed.values() if each.node.id not in alive]:
                await self._take_out(gone)
            if self._singles_on is None:
                await self._move_singles()
            now_s = asyncio.get_running_loop().time()
            for node in alive.values():
                if node.id not in self.placed and self._refused.get(node.id, 0.0) <= now_s:
                    await self._bring_in(node)
            if joining := [each for each in self.placed.values() if each.state == "joining"]:
                await self._let_serve(joining)

    async def drain(self, node_id: str) -> str:
        """Let a node's clients and users go elsewhere, then end its actors; its whole id.

        Raises:
            NotFound: no node, or several, have an id that begins so, or this address.
            StartupError: nobody would be left to serve.
        """
        async with self._changing:
            placed = self._find(node_id)
            going = placed.actors.all
            rest = self._view.serving.without(going)
            if not rest.shards or not rest.gateways:
                raise StartupError("this is the last node that serves; add another one first")
            placed.state = "draining"
            try:
                await self._move_singles()
            except BaseException:
                placed.state = "serving"
                raise
            await self._publish(self._view.after(rest, self._view.present))
            await asyncio.gather(
                *(self._drained(name) for name in placed.actors.surfaces), return_exceptions=True
            )
            await self._publish(self._view.after(rest, self._view.present.without(going)))
            await self._runtime.end(going)
            placed.actors, placed.state = Members(), "drained"
            log.info("node drained", node=placed.node.id, host=placed.node.host)
            return placed.node.id

    async def undrain(self, node_id: str) -> str:
        """Let a drained node take part again; its whole id."""
        async with self._changing:
            placed = self._find(node_id)
            if placed.state == "drained":
                del self.placed[placed.node.id]  # and it comes in again like a new one
            return placed.node.id

    def _find(self, node_id: str) -> Placed:
        found = [
            each
            for each in self.placed.values()
            if each.node.id.startswith(node_id) or each.node.host == node_id
        ]
        if len(found) != 1 or not node_id:
            known = ", ".join(each.node.id[:8] for each in self.placed.values())
            what = "several nodes are" if len(found) > 1 else "no node is"
            raise NotFound(f"{what} called {node_id!r}; there are {known}")
        return found[0]

    def _place(self, node: Node) -> Placed:
        taken = {name for each in self.placed.values() for name in each.actors.all}
        shards, gateways, connection_servers = wanted(self._config, node)
        actors = Members(
            shards=_fresh(shards, names.timeline_shard, taken),
            gateways=_fresh(gateways, names.gateway, taken),
            connection_servers=_fresh(connection_servers, names.connection_server, taken),
        )
        placed = self.placed[node.id] = Placed(node, actors)
        return placed

    async def _start_actors(self, placed: Placed) -> None:
        base = self._config.live.port
        ports = {
            name: base and base + names.number_of(name) for name in placed.actors.connection_servers
        }
        of, node = placed.actors, placed.node.id
        await self._runtime.start(
            *members(self._config, self._view, of, self._http_port, ports, node)
        )

    async def _bring_in(self, node: Node) -> None:
        """Start a node's actors, and have everyone deliver to them."""
        try:
            placed = self._place(node)
            await self._start_actors(placed)
        except RookeryError as error:
            log.error("node not taken in", node=node.id, host=node.host, error=str(error))
            self.placed.pop(node.id, None)
            self._refused[node.id] = asyncio.get_running_loop().time() + RETRY_NODE_S
            return
        view = self._view
        await self._publish(view.after(view.serving, view.present + placed.actors))

    async def _let_serve(self, joining: Sequence[Placed]) -> None:
        """Have nodes serve, once everybody that is relied on delivers to them."""
        if late := await self._tell(names.RELIED_ON, RELIED_ON_WITHIN_S):
            log.warning("nodes wait to serve", nodes=[each.node.id for each in joining], on=late)
            return
        view = self._view
        coming = sum((each.actors for each in joining), Members())
        await self._publish(view.after(view.serving + coming, view.present))
        for each in joining:
            each.state = "serving"
        await self._move_singles()
        for each in joining:
            log.info("node serves", node=each.node.id, host=each.node.host, actors=each.actors.all)

    async def _take_out(self, gone: Sequence[Placed]) -> None:
        """Go on without nodes that died."""
        going = [name for each in gone for name in each.actors.all]
        rest = self._view.serving.without(going)
        if going and not rest.shards:
            log.error("no timeline shard is left", nodes=[each.node.id for each in gone])
            return
        for each in gone:
            log.warning("node lost", node=each.node.id, host=each.node.host)
            del self.placed[each.node.id]
            if each.node.id == self._singles_on:
                self._singles_on = None
        if going:
            await self._publish(self._view.after(rest, self._view.present.without(going)))
            await self._runtime.end(going)

    async def _publish(self, view: ClusterView) -> None:
        """Store a view, then tell everyone; who is not reached finds it in the store."""
        try:
            await until_available(lambda: self._repository.replace(self._writer, self._view, view))
        except ConditionFailed as error:  # by who stands by, because our lease stood still
            self._is_overtaken = True
            raise Unavailable("The cluster has changed by itself; try again") from error
        self._view = view
        self.told(view)
        relied_on = () if self._singles_on is None else names.RELIED_ON
        await self._tell((*relied_on, *view.present.all), TOLD_WITHIN_S)

    async def _tell(self, whom: Iterable[str], within_s: float) -> list[str]:
        """Tell the present view; who has not taken it in time."""
        return await tell(self._runtime, whom, self._view, within_s)

    async def _drained(self, name: str) -> None:
        drained: Awaitable[bool] = self._runtime.ref(name).call("drained")
        if not await drained:
            log.warning("clients are cut off by a drained node", actor=name)
