"""Takes dead actors out of the cluster's view while nobody else does.

Ray and the controller see to that; both end with Ray's head. The other nodes go on without them,
and so that somebody owns the users whose shards died, some shards stand by: each watches the
controller's lease, and when that is not renewed any more, asks who is still there. The store takes
the view of the first one only.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from rookery.actors import names
from rookery.actors.runtime import ActorContext
from rookery.cluster.topology import Topology, answering, tell
from rookery.domain.placement import ClusterView
from rookery.errors import RookeryError
from rookery.store.engine import ConditionFailed, GroupWriter, Reader
from rookery.store.records.cluster import ClusterRepository, Lease

log = structlog.get_logger(__name__)

LOOK_S = 0.5
SUSPECT_AFTER_S = 1.2
"""A lease that stands still for so long has everybody asked whether they are there."""
ACT_AFTER_S = 4.0
DEAD_AFTER_S = 2.5
"""Who has not answered for so long is dead: longer than Ray takes to restart an actor."""
TURN_S = 0.5
"""So much later does each standby act than the one before it."""
TOLD_WITHIN_S = 1.0


class Standby:
    """Stands by in one shard of a cluster."""

    def __init__(
        self,
        context: ActorContext,
        topology: Topology,
        reader: Reader,
        open_writer: Callable[[], GroupWriter],
    ) -> None:
        self._context = context
        self._topology = topology
        self._repository = ClusterRepository(reader)
        self._open_writer = open_writer
        self._lease: Lease | None = None
        self._renewed_s = monotonic()
        self._silent_since_s: dict[str, float] = {}

    async def run(self) -> None:
        """Stand by, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._context.name in self._topology.view.standbys:
                try:
                    await self._look()
                except RookeryError:  # without the store nobody knows, and nobody may act
                    self._renewed_s = monotonic()

    async def _look(self) -> None:
        lease = await self._repository.lease()
        now_s = monotonic()
        if lease is None or not lease.holder or lease != self._lease:
            self._lease, self._renewed_s = lease, now_s
        still_s = now_s - self._renewed_s
        if still_s < SUSPECT_AFTER_S:
            self._silent_since_s.clear()
            return
        view = self._topology.view
        await self._ask_everybody(view)
        turn = view.standbys.index(self._context.name)
        if still_s >= ACT_AFTER_S + turn * TURN_S and (dead := self._dead()):
            await self._take_out(dead, view)

    async def _ask_everybody(self, view: ClusterView) -> None:
        # Whom this process has never called it cannot find while Ray's head is away.
        known = self._topology.met & {*view.present.all}
        silent = known - await answering(self._context.directory, known)
        since_s, now_s = self._silent_since_s, monotonic()
        self._silent_since_s = {name: since_s.get(name, now_s) for name in silent}

    def _dead(self) -> list[str]:
        since_s = monotonic() - DEAD_AFTER_S
        return [name for name, silent_s in self._silent_since_s.items() if silent_s <= since_s]

    async def _take_out(self, dead: list[str], former: ClusterView) -> None:
        view = former.after(former.serving.without(dead), former.present.without(dead))
        if not view.serving.shards or not view.serving.gateways:
            return
        writer = self._open_writer()
        try:
            await self._repository.replace(writer, former, view)
        except ConditionFailed:
            await self._topology.refresh()  # somebody else was first
            return
        finally:
            await writer.close()
        log.warning("no controller: the dead are taken out", actors=dead, version=view.version)
        self._topology.install(view)
        whom = (*names.RELIED_ON, *view.present.all)
        await tell(self._context.directory, whom, view, TOLD_WITHIN_S)
