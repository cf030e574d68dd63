"""What the commands of the control channel may use of the server they are given to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rookery.actors.runtime import Runtime
from rookery.cluster.controller import Controller
from rookery.compose.backend import Backend
from rookery.config import Config
from rookery.control import Command, audited
from rookery.domain.placement import ClusterView
from rookery.services.use_cases import UseCases


@dataclass(frozen=True)
class Served:
    """A running server. `controller` keeps several nodes in line; None on one machine.

    `settle` returns when everything committed before has been delivered, and what deletions left
    is cleared.
    """

    config: Config
    runtime: Runtime
    backend: Backend
    use_cases: UseCases
    controller: Controller | None
    http_url: str
    live_urls: Sequence[str]
    settle: Callable[[], Awaitable[None]]

    @property
    def view(self) -> ClusterView:
        """Who takes part."""
        return self.backend.topology.view


def telling(name: str, command: Command, *told: str) -> Command:
    """`command` as one that the security log hears of, with these of its arguments."""

    def facts(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {each: arguments[each] for each in told if arguments.get(each)}

    return audited(name, command, facts)
