"""What there is one of in a cluster: where it runs, and its way to another node."""

from collections.abc import Mapping, Sequence

from rookery.actors import names
from rookery.actors.runtime import ClusterRuntime
from rookery.cluster.cast import Cast
from rookery.domain.placement import ClusterView


class Singles:
    """Started together on one node, and moved together."""

    def __init__(self, cast: Cast, runtime: ClusterRuntime) -> None:
        self._cast = cast
        self._runtime = runtime
        self.on: str | None = None
        """The id of their node; None while they are not all there."""

    def names(self, view: ClusterView) -> list[str]:
        return [spec.name for spec in self._cast.singles(view)]

    async def start(self, view: ClusterView, where: str, found: Mapping[str, str]) -> None:
        """Start those on the node `where` that are not among `found` (nodes' ids by name)."""
        missing = [spec for spec in self._cast.singles(view, where) if spec.name not in found]
        await self._runtime.start(*missing)
        self.on = found.get(names.FANOUT_WORKER, where)

    async def move(self, view: ClusterView, allowed: Sequence[str]) -> None:
        """Move them to the first of the `allowed` nodes, unless they are on one of these."""
        if self.on in allowed:
            return
        self.on = None
        await self._runtime.end(self.names(view))
        await self.start(view, allowed[0], {})
