"""What the controller needs to know of the actors; `rookery.compose.actors` implements it."""

from collections.abc import Mapping
from typing import Protocol

from rookery.actors.runtime import ActorSpec
from rookery.domain.placement import ClusterView, Members


class Cast(Protocol):
    """Which actors there are."""

    def singles(self, view: ClusterView, node: str | None = None) -> list[ActorSpec]:
        """Those that there is one of, to run on `node`."""
        ...

    def members(
        self, view: ClusterView, of: Members, live_ports: Mapping[str, int], node: str
    ) -> list[ActorSpec]:
        """Those of `of`, to run on `node`."""
        ...
