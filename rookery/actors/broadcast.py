"""Tells every gateway and connection server what its caches must forget."""

import asyncio

from rookery.actors.coalescer import Coalescer
from rookery.actors.revocations import Revocations
from rookery.actors.runtime import ActorRef, Directory
from rookery.cluster.topology import Topology
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError
from rookery.messages import Invalidation

BOUND_S = 1.0
WAIT_S = 0.25
LONGEST_S = BOUND_S + 0.1  # an edge tells by itself that its time is over


class Broadcast:
    """`rookery.services.ports.InvalidationPort` over the actors. One per process.

    Revoked devices are told over Redis, too, where there is one.
    """

    def __init__(
        self,
        directory: Directory,
        topology: Topology,
        revocations: Revocations | None = None,
        own: str = "",
    ) -> None:
        """`own` is the name of the actor in this process, which tells itself."""
        self._directory = directory
        self._revocations = revocations
        self._own = own
        self._edges: dict[str, Coalescer[Invalidation, None]] = {}
        self._gateways: frozenset[str] = frozenset()
        self._late: set[asyncio.Future[bool]] = set()
        topology.listen(self._view_changed)

    def _view_changed(self, view: ClusterView) -> None:
        surfaces = view.present.surfaces
        self._edges = {
            name: self._edges.get(name) or self._edge(self._directory.ref(name))
            for name in surfaces
        }
        self._gateways = frozenset(view.present.gateways)

    def _edge(self, ref: ActorRef) -> Coalescer[Invalidation, None]:
        async def call(changes: list[Invalidation]) -> list[None]:
            await ref.call("invalidate", changes)
            return [None] * len(changes)

        return Coalescer(call, name=f"{ref.name}.invalidate", deadline_s=BOUND_S, retry=True)

    async def broadcast(self, change: Invalidation) -> bool:
        """See `rookery.services.ports.InvalidationPort.broadcast`."""
        counted = Invalidation(counts=change.counts, viewers=change.viewers)
        is_short = bool(change.counts) and change == counted
        awaited: list[asyncio.Future[bool]] = []
        for name, edge in self._edges.items():
            if is_short and name not in self._gateways:
                edge.post(change)  # it holds no counts; whoever looks at them is sent new ones
            elif name != self._own or not is_short:
                awaited.append(asyncio.ensure_future(self._tell(edge, change)))
        ended = [(*device, "") for device in change.devices] + change.sign_ins
        publishing = None
        if ended and self._revocations is not None:
            publishing = asyncio.ensure_future(self._revocations.publish(ended))
        if not awaited:
            done, late = set[asyncio.Future[bool]](), set[asyncio.Future[bool]]()
        else:
            # Those who are late are told until their deadline, and not waited for.
            done, late = await asyncio.wait(awaited, timeout=WAIT_S if is_short else LONGEST_S)
        for each in late:
            self._late.add(each)
            each.add_done_callback(self._late.discard)
        if publishing is not None:
            await publishing
        return not late and all(each.result() for each in done)

    async def _tell(self, edge: Coalescer[Invalidation, None], change: Invalidation) -> bool:
        try:
            await edge.submit(change)
        except RookeryError:
            return False  # Caches that were missed catch up by their own expiry.
        return True

    async def aclose(self) -> None:
        await asyncio.gather(*(edge.aclose(drain_s=0.1) for edge in self._edges.values()))
