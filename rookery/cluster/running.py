"""The controller of a cluster within `rookery serve`, with the store it needs for itself."""

import asyncio

from rookery.actors.runtime import ClusterRuntime
from rookery.actors.writer import group_writer
from rookery.cluster.cast import Cast
from rookery.cluster.controller import Controller
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.store import StoreParts, open_reader
from rookery.store.records.cluster import ClusterRepository


async def was_left_behind(config: Config) -> bool:
    """Whether a controller has died, whose actors may still be there."""
    reader = open_reader(config)
    try:
        lease = await ClusterRepository(reader).lease()
    finally:
        await reader.close()
    return lease is not None and bool(lease.holder)


class RunningCluster:
    """Follows the nodes in the background, from `follow` to `stop`."""

    def __init__(self, config: Config, runtime: ClusterRuntime, cast: Cast) -> None:
        self._runtime = runtime
        self._reader = open_reader(config)
        self._writer = group_writer(runtime, config)
        store = StoreParts(self._reader, self._writer)
        self.controller = Controller(config, runtime, store, cast)
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> ClusterView:
        """Start the actors of all nodes; the view with which they began."""
        await self._runtime.start()  # connects
        return await self.controller.start()

    def follow(self, topology: Topology) -> None:
        """Keep up with the nodes from now on, `topology` too."""
        self.controller.published.told = topology.install
        self._following = asyncio.create_task(self.controller.run())

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.controller.stop()
        await self._writer.close()
        await self._reader.close()
