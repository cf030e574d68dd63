"""Tells every gateway and connection server what its caches must forget."""

import asyncio

from rookery.actors.coalescer import Coalescer
from rookery.actors.revocations import Revocations
from rookery.actors.runtime import ActorRef, Directory
from rookery.actors.topology import Topology
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError
from rookery.messages import Invalidation

BOUND_S = 1.0


class Broadcast:
    """`rookery.services.ports.InvalidationPort` over the actors. One per process.

    Revoked devices are told over Redis, too, where there is one.
    """

    def __init__(
        self, directory: Directory, topology: Topology, revocations: Revocations | None = None
    ) -> None:
        self._directory = directory
        self._revocations = revocations
        self._edges: dict[str, Coalescer[Invalidation, None]] = {}
        topology.listen(self._view_changed)

    def _view_changed(self, view: ClusterView) -> None:
        surfaces = view.present.surfaces
        self._edges = {
            name: self._edges.get(name) or self._edge(self._directory.ref(name))
            for name in surfaces
        }

    def _edge(self, ref: ActorRef) -> Coalescer[Invalidation, None]:
        async def call(changes: list[Invalidation]) -> list[None]:
            await ref.call("invalidate", changes)
            return [None] * len(changes)

        return Coalescer(call, name=f"{ref.name}.invalidate", deadline_s=BOUND_S, retry=True)

    async def broadcast(self, change: Invalidation) -> bool:
        """See `rookery.services.ports.InvalidationPort.broadcast`."""
        telling = [self._tell(edge, change) for edge in self._edges.values()]
        ended = [(*device, "") for device in change.devices] + change.sign_ins
        if ended and self._revocations is not None:
            _, *told = await asyncio.gather(self._revocations.publish(ended), *telling)
        else:
            told = await asyncio.gather(*telling)
        return all(told)

    async def _tell(self, edge: Coalescer[Invalidation, None], change: Invalidation) -> bool:
        try:
            await edge.submit(change)
        except RookeryError:
            return False  # Caches that were missed catch up by their own expiry.
        return True

    async def aclose(self) -> None:
        await asyncio.gather(*(edge.aclose(drain_s=0.1) for edge in self._edges.values()))
