"""The controller: decides which actors run on which node, and who serves, as nodes come and go.

Runs in the process of `rookery serve`.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

import structlog

from rookery.actors.runtime import ClusterRuntime, Node
from rookery.cluster.cast import Cast
from rookery.cluster.lease import ControllerLease
from rookery.cluster.nodes import ROLE_LABEL, Nodes, Placed, live_ports, members_of
from rookery.cluster.publishing import PublishedView
from rookery.cluster.singles import Singles
from rookery.config import Config
from rookery.domain.placement import ClusterView, Members
from rookery.errors import RookeryError, StartupError
from rookery.store.engine import Store
from rookery.store.records.cluster import ClusterRepository

log = structlog.get_logger(__name__)

LOOK_S = 0.5
RETRY_NODE_S = 10.0


class Controller:
    """Starts the actors of each node, ends those of nodes that left, and publishes each view.

    The actors of a node that joins are present first. They serve once the fan-out worker and the
    celebrity lists deliver to them. The actors of a node that is drained stop serving first, and
    end when their clients have left. The actors of a node that died are taken out of the view.

    A cluster has one controller, which holds the lease in the store. If it dies, the actors go on,
    some of them stand by for it (`rookery.cluster.standby`), and the next controller takes them
    over.
    """

    def __init__(self, config: Config, runtime: ClusterRuntime, store: Store, cast: Cast) -> None:
        self._config = config
        self._runtime = runtime
        self._cast = cast
        self._repository = ClusterRepository(store.reader)
        self._lease = ControllerLease(self._repository, store.writer)
        self._singles = Singles(cast, runtime)
        self._refused_until_s: dict[str, float] = {}
        self._changing = asyncio.Lock()
        self.published = PublishedView(self._repository, store.writer, runtime)
        self.nodes = Nodes(config)

    @property
    def view(self) -> ClusterView:
        return self.published.current

    async def start(self) -> ClusterView:
        """Take over the actors that serve, or start all on the nodes there are; the first view.

        Raises:
            StartupError: an actor refused, no node may run shards or gateways, or there is another
                controller.
        """
        await self._lease.take(on_lost=self._runtime.abandon)
        await self._begin()
        return self.view

    async def stop(self) -> None:
        """Leave the lease to whoever wants it."""
        await self._lease.leave()

    async def run(self) -> None:
        """Follow the nodes as they come and go, until cancelled or until the lease is lost."""
        while self._lease.is_held:
            try:
                await self.reconcile()
            except RookeryError as error:
                log.warning("cluster not brought up to date", error=str(error))
            except Exception:
                log.exception("cluster not brought up to date")
            await asyncio.sleep(LOOK_S)

    async def reconcile(self) -> None:
        """Bring actors and view in line with the nodes that are alive."""
        alive = {node.id: node for node in await self._runtime.nodes()}
        async with self._changing:
            if self.published.is_overtaken:
                await self._begin()
            if gone := self.nodes.gone(alive):
                await self._take_out(gone)
            if self._singles.on is None:
                await self._move_singles()
            now_s = asyncio.get_running_loop().time()
            for node in alive.values():
                is_new = node.id not in self.nodes.placed
                if is_new and self._refused_until_s.get(node.id, 0.0) <= now_s:
                    await self._bring_in(node)
            if joining := self.nodes.in_state("joining"):
                await self._let_serve(joining)

    async def drain(self, name: str) -> str:
        """Let a node's clients and users go elsewhere, then end its actors; its whole id.

        Raises:
            NotFound: no node, or several, have an id that begins so, or this address.
            StartupError: nobody would be left to serve.
        """
        async with self._changing:
            placed = self.nodes.find(name)
            leaving = placed.actors
            serving = self.view.serving.without(leaving.all)
            if not serving.shards or not serving.gateways:
                raise StartupError("this is the last node that serves; add another one first")
            placed.state = "draining"
            try:
                await self._move_singles()
            except BaseException:
                placed.state = "serving"
                raise
            await self._publish(serving, self.view.present)
            await asyncio.gather(
                *map(self._until_drained, leaving.surfaces), return_exceptions=True
            )
            await self._publish(serving, self.view.present.without(leaving.all))
            await self._runtime.end(leaving.all)
            placed.actors, placed.state = Members(), "drained"
            log.info("node drained", node=placed.node.id, host=placed.node.host)
            return placed.node.id

    async def undrain(self, name: str) -> str:
        """Let a drained node take part again; its whole id."""
        async with self._changing:
            placed = self.nodes.find(name)
            if placed.state == "drained":
                self.nodes.drop(placed.node.id)  # From now on it joins like a new one.
            return placed.node.id

    # Beginning.

    async def _begin(self) -> None:
        """Take over the actors of a former controller, or start all of them."""
        former = await self._repository.view()
        self.nodes.clear()
        found = await self._runtime.adopt()
        if former is not None:
            serving = await self._still_serving(former, found)
            if serving.shards and serving.gateways:
                await self._go_on(former, serving, found)
                return
        await self._runtime.end(found)
        await self._start_all(former)

    async def _still_serving(self, former: ClusterView, found: Mapping[str, str]) -> Members:
        """Place the nodes whose actors go on serving, and end all other actors that were found.

        A node of which an actor is missing loses the others as well, and joins like a new one.
        """
        for node in await self._runtime.nodes():
            here = {name for name, node_id in found.items() if node_id == node.id}
            self.nodes.adopt(node, former.serving, here)
        serving = members_of(self.nodes.placed.values())
        await self._runtime.end(found.keys() - {*serving.all, *self._singles.names(former)})
        return serving

    async def _go_on(self, former: ClusterView, serving: Members, found: Mapping[str, str]) -> None:
        log.warning("actors taken over that another start left behind", actors=serving.all)
        self.published.current = former
        await self._singles.start(former, self.nodes.for_singles[0], found)
        await self._publish(serving, serving)

    async def _start_all(self, former: ClusterView | None) -> None:
        self.nodes.clear()
        for node in await self._runtime.nodes():
            self.nodes.place(node).state = "serving"
        placed = list(self.nodes.placed.values())
        serving = members_of(placed)
        if not serving.shards or not serving.gateways:
            raise StartupError(
                f"no node may run {'gateways' if serving.shards else 'timeline shards'}; "
                f"change the label {ROLE_LABEL} of one to all"
            )
        view = ClusterView.of(serving, 1 if former is None else former.version + 1)
        await self.published.begin(former, view)
        await asyncio.gather(
            self._singles.start(view, self.nodes.for_singles[0], {}),
            *map(self._start_actors, placed),
        )

    # Following the nodes.

    async def _bring_in(self, node: Node) -> None:
        """Start a new node's actors, and have everybody deliver to them."""
        try:
            placed = self.nodes.place(node)
            await self._start_actors(placed)
        except RookeryError as error:
            log.error("node not taken in", node=node.id, host=node.host, error=str(error))
            self.nodes.drop(node.id)
            self._refused_until_s[node.id] = asyncio.get_running_loop().time() + RETRY_NODE_S
            return
        await self._publish(self.view.serving, self.view.present + placed.actors)

    async def _let_serve(self, joining: Sequence[Placed]) -> None:
        """Let joining nodes serve, if the actors that are relied on deliver to them already."""
        if late := await self.published.tell_relied_on():
            log.warning("nodes wait to serve", nodes=[each.node.id for each in joining], on=late)
            return
        await self._publish(self.view.serving + members_of(joining), self.view.present)
        for each in joining:
            each.state = "serving"
        await self._move_singles()
        for each in joining:
            log.info("node serves", node=each.node.id, host=each.node.host, actors=each.actors.all)

    async def _take_out(self, gone: Sequence[Placed]) -> None:
        """Go on without nodes that died."""
        lost = members_of(gone).all
        serving = self.view.serving.without(lost)
        if lost and not serving.shards:
            log.error("no timeline shard is left", nodes=[each.node.id for each in gone])
            return
        for each in gone:
            log.warning("node lost", node=each.node.id, host=each.node.host)
            self.nodes.drop(each.node.id)
            if each.node.id == self._singles.on:
                self._singles.on = None
        if lost:
            await self._publish(serving, self.view.present.without(lost))
            await self._runtime.end(lost)

    # Shared by these.

    async def _publish(self, serving: Members, present: Members) -> None:
        view = self.view.after(serving, present)
        await self.published.publish(view, has_singles=self._singles.on is not None)

    async def _move_singles(self) -> None:
        await self._singles.move(self.view, self.nodes.for_singles)

    async def _start_actors(self, placed: Placed) -> None:
        ports = live_ports(self._config, placed.actors)
        await self._runtime.start(
            *self._cast.members(self.view, placed.actors, ports, placed.node.id)
        )

    async def _until_drained(self, name: str) -> None:
        drained: Awaitable[bool] = self._runtime.ref(name).call("drained")
        if not await drained:
            log.warning("clients are cut off by a drained node", actor=name)
