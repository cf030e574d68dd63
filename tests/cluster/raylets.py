"""A Ray cluster of several nodes on this machine, each a raylet, which tests add and kill."""

import os
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

    def __enter__(self) -> Self:
        os.environ["RAY_AUTH_MODE"] = "disabled"
        os.environ.setdefault("RAY_metrics_report_interval_ms", "500")
        from ray.cluster_utils import Cluster

        from rookery.actors.runtime_ray import RayOptions, connect
        from rookery.actors.runtime_ray_cluster import keep_to_loopback

        keep_to_loopback()
        head = {
            "num_cpus": CPUS,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._head_id: str = self._cluster.head_node.node_id
        for _ in range(self._more):
            self.add()
        self._connection = connect(RayOptions(address=self.address))
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._cluster.shutdown()

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

    def add(self, **labels: str) -> str:
        """Start one more node; its id."""
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

    def kill(self, node_id: str) -> None:
        """Kill a node as a power cut would; its processes are gone when this returns."""
        self._cluster.remove_node(self._nodes.pop(node_id), allow_graceful=False)
