"""A Ray cluster of several nodes on this machine, each a raylet, which tests add and kill."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

CPUS = 2
OBJECT_STORE_BYTES = 100 * 2**20


class Raylets:
    """Starts a head node and `more` others; this process joins as their driver. A context manager.

    Listens on loopback only.
    """

    def __init__(self, more: int) -> None:
        self._more = more
        self._nodes: dict[str, Any] = {}
        # Ray's processes die with the thread that started them.
        self._thread = ThreadPoolExecutor(1, "raylets")

    def __enter__(self) -> Self:
        os.environ["RAY_AUTH_MODE"] = "disabled"
        os.environ.setdefault("RAY_metrics_report_interval_ms", "500")
        from ray.cluster_utils import Cluster

        from rookery.actors.runtime_ray import RayOptions, connect
        from rookery.actors.runtime_ray_cluster import keep_to_loopback
        from rookery.actors.runtime_ray_folder import SessionFolder

        keep_to_loopback()
        self._folder = SessionFolder(None)
        head = {
            "temp_dir": str(self._folder.path),
            "num_cpus": CPUS,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
        cluster: Any = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        self._cluster = cluster
        self._head_id: str = cluster.head_node.node_id
        for _ in range(self._more):
            self._thread.submit(self._add, {}).result()
        self._connection = connect(RayOptions(address=self.address))
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._cluster.shutdown()
        self._folder.close()
        self._thread.shutdown()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def head_id(self) -> str:
        """The node that this process is on."""
        return self._head_id

    @property
    def other_ids(self) -> list[str]:
        """The nodes that may be killed."""
        return list(self._nodes)

    async def add(self, **labels: str) -> str:
        """Start one more node; its id."""
        return await asyncio.wrap_future(self._thread.submit(self._add, labels))

    def _add(self, labels: dict[str, str]) -> str:
        node = self._cluster.add_node(
            num_cpus=CPUS, object_store_memory=OBJECT_STORE_BYTES, labels=labels or None
        )
        self._nodes[node.node_id] = node
        return str(node.node_id)

    def pid_of(self, node_id: str) -> int:
        """The raylet's process."""
        from ray._private import ray_constants

        processes = self._nodes[node_id].all_processes[ray_constants.PROCESS_TYPE_RAYLET]
        return int(processes[0].process.pid)

    async def kill(self, node_id: str) -> None:
        """Kill a node as a power cut would; its processes are gone when this returns."""
        node = self._nodes.pop(node_id)
        killing = self._thread.submit(self._cluster.remove_node, node, allow_graceful=False)
        await asyncio.wrap_future(killing)
