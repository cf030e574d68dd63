"""One node of a Ray cluster, on loopback, until this process is killed.

Like ``ray start``, which lets only one node of a machine listen on loopback:

    python -m tests.cluster.node --head PORT
    python -m tests.cluster.node --join PORT
"""

import argparse
import signal
from typing import Any

CPUS = 2
OBJECT_STORE_BYTES = 100 * 2**20
HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--head", type=int)
    parser.add_argument("--join", type=int)
    chosen = parser.parse_args()

    from rookery.actors.runtime_ray_cluster import keep_to_loopback

    keep_to_loopback()
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    place: dict[str, Any] = (
        {"gcs_server_port": chosen.head, "include_dashboard": False}
        if chosen.head
        else {"gcs_address": f"{HOST}:{chosen.join}"}
    )
    params = RayParams(
        num_cpus=CPUS,
        object_store_memory=OBJECT_STORE_BYTES,
        node_ip_address=HOST,
        node_manager_port=0,
        min_worker_port=0,
        max_worker_port=0,
        dashboard_agent_listen_port=None,
        **place,
    )
    Node(params, head=bool(chosen.head), shutdown_at_exit=True, spawn_reaper=False)
    signal.pause()


if __name__ == "__main__":
    main()
