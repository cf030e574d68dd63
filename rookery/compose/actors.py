"""Which actors there are: the only list of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rookery.actors import names
from rookery.actors.celebrities import CelebrityLists
from rookery.actors.fanout import FanoutWorker
from rookery.actors.gateway import ConnectionServer, Gateway
from rookery.actors.manager import ConnectionManager
from rookery.actors.runtime import ActorSpec
from rookery.actors.shard import TimelineShard
from rookery.actors.writer import StoreWriter
from rookery.cluster.topology import fixed_view
from rookery.compose.gateway import compose_gateway
from rookery.compose.streams import compose_connection_server
from rookery.config import Config
from rookery.domain.placement import ClusterView, Members


def singles(config: Config, view: ClusterView, node: str | None = None) -> list[ActorSpec]:
    """The actors that there is one of; the store's writer first, where the engine has one.

    `node` is where they are to run.
    """
    writer = [ActorSpec(names.STORE_WRITER, StoreWriter, (config,))]
    return [
        *(writer if config.has_store_writer else []),
        ActorSpec(names.CONNECTION_MANAGER, ConnectionManager, node=node),
        ActorSpec(names.CELEBRITY_LISTS, CelebrityLists, (config, view), node=node),
        ActorSpec(names.FANOUT_WORKER, FanoutWorker, (config, view), node=node),
    ]


def members(
    config: Config,
    view: ClusterView,
    of: Members,
    http_port: int,
    live_ports: Mapping[str, int],
    node: str | None = None,
) -> list[ActorSpec]:
    """The actors that there are several of; `node` is where they are to run."""
    return [
        *(ActorSpec(name, TimelineShard, (config, view), node=node) for name in of.shards),
        *(
            ActorSpec(
                name,
                ConnectionServer,
                (config, view, live_ports[name], compose_connection_server),
                node=node,
            )
            for name in of.connection_servers
        ),
        *(
            ActorSpec(name, Gateway, (config, view, http_port, compose_gateway), node=node)
            for name in of.gateways
        ),
    ]


@dataclass(frozen=True)
class Cast:
    """`rookery.cluster.cast.Cast` for a cluster whose gateways share `http_port`."""

    config: Config
    http_port: int

    def singles(self, view: ClusterView, node: str | None = None) -> list[ActorSpec]:
        return singles(self.config, view, node)

    def members(
        self, view: ClusterView, of: Members, live_ports: Mapping[str, int], node: str
    ) -> list[ActorSpec]:
        return members(self.config, view, of, self.http_port, live_ports, node)


def specs(config: Config, http_port: int, live_ports: Sequence[int]) -> list[ActorSpec]:
    """All actors of a server on one machine, the store's writer first."""
    view = fixed_view(config)
    ports = dict(zip(view.serving.connection_servers, live_ports, strict=False))
    listening = msgspec.structs.replace(view.serving, connection_servers=tuple(ports))
    return singles(config, view) + members(config, view, listening, http_port, ports)
