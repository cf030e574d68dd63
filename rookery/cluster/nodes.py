"""Which actors are to run on which node, and how far each node has come.

Pure: says what is to be, and starts nothing.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from rookery.actors import names
from rookery.actors.runtime import Node
from rookery.config import Config, pairs_of
from rookery.domain.placement import Members
from rookery.errors import NotFound, StartupError

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


def live_ports(config: Config, of: Members) -> dict[str, int]:
    """The port of each connection server; 0 leaves it to the system."""
    base = config.live.port
    return {name: base and base + names.number_of(name) for name in of.connection_servers}


def members_of(nodes: Iterable[Placed]) -> Members:
    """The actors of all these nodes."""
    return sum((each.actors for each in nodes), Members())


class Nodes:
    """The nodes that something is placed on, by id."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.placed: dict[str, Placed] = {}

    def clear(self) -> None:
        self.placed.clear()

    def place(self, node: Node) -> Placed:
        """Give a node its share of actors, by the first names that are free.

        Raises:
            StartupError: as `wanted`.
        """
        taken = set(members_of(self.placed.values()).all)
        shards, gateways, connection_servers = wanted(self._config, node)
        actors = Members(
            shards=_fresh(shards, names.timeline_shard, taken),
            gateways=_fresh(gateways, names.gateway, taken),
            connection_servers=_fresh(connection_servers, names.connection_server, taken),
        )
        placed = self.placed[node.id] = Placed(node, actors)
        return placed

    def adopt(self, node: Node, former: Members, present: Collection[str]) -> bool:
        """Place a node that serves already, if all that it wants of `former` is `present` there."""
        actors = former.without(set(former.all) - set(present))
        is_whole = bool(present) and actors.counts == wanted(self._config, node)
        if is_whole:
            self.placed[node.id] = Placed(node, actors, "serving")
        return is_whole

    def drop(self, node_id: str) -> None:
        self.placed.pop(node_id, None)

    def gone(self, alive: Collection[str]) -> list[Placed]:
        """Those whose node is not among the ids of those that are alive."""
        return [each for node_id, each in self.placed.items() if node_id not in alive]

    def in_state(self, state: str) -> list[Placed]:
        return [each for each in self.placed.values() if each.state == state]

    def find(self, name: str) -> Placed:
        """The node whose id begins so, or that has this address.

        Raises:
            NotFound: there is none, or there are several.
        """
        found = [
            each
            for each in self.placed.values()
            if each.node.id.startswith(name) or each.node.host == name
        ]
        if len(found) != 1 or not name:
            known = ", ".join(each.node.id[:8] for each in self.placed.values())
            what = "several nodes are" if len(found) > 1 else "no node is"
            raise NotFound(f"{what} called {name!r}; there are {known}")
        return found[0]

    @property
    def for_singles(self) -> list[str]:
        """The ids of the nodes that serve, but not Ray's head if there is another one.

        What ends with the head can be started again only when that is back.
        """
        serving = [each.node for each in self.in_state("serving")]
        others = [node for node in serving if not node.is_head]
        return [node.id for node in others or serving]


def _fresh(count: int, name: Callable[[int], str], taken: Collection[str]) -> tuple[str, ...]:
    """The first `count` names that are not taken."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        if name(number) not in taken:
            found.append(name(number))
        number += 1
    return tuple(found)
