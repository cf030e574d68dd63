"""The cluster's view as its controller publishes it: stored first, then told to everyone."""

from collections.abc import Callable, Iterable

from rookery.actors import names
from rookery.actors.runtime import Directory
from rookery.actors.shards import until_available
from rookery.cluster.topology import tell
from rookery.domain.placement import ClusterView
from rookery.errors import Unavailable
from rookery.store.engine import ConditionFailed, Writer
from rookery.store.records.cluster import ClusterRepository

TOLD_WITHIN_S = 3.0
"""So long a view waits for those who need not know it before others act on it."""
RELIED_ON_WITHIN_S = 15.0
"""So long it waits for those who must: who delivers, and who lists celebrities' tweets."""


class PublishedView:
    """The newest view of the cluster, by whose versions writers exclude each other."""

    def __init__(self, repository: ClusterRepository, writer: Writer, directory: Directory) -> None:
        self._repository = repository
        self._writer = writer
        self._directory = directory
        self.current: ClusterView
        self.is_overtaken = False
        """Whether somebody else has stored a view since: the controller must begin again."""
        self.told: Callable[[ClusterView], object] = lambda _: None
        """Is called with each view that is published."""

    async def begin(self, former: ClusterView | None, view: ClusterView) -> None:
        """Store the view that all actors are about to begin with; there is nobody to tell yet."""
        await self._repository.replace(self._writer, former, view)
        self.current, self.is_overtaken = view, False

    async def publish(self, view: ClusterView, *, has_singles: bool = True) -> None:
        """Store a view, then tell everyone; who is not reached finds it in the store.

        `has_singles`: whether those are there who are relied on.

        Raises:
            Unavailable: somebody else has stored one, because our lease stood still.
        """
        try:
            await until_available(
                lambda: self._repository.replace(self._writer, self.current, view)
            )
        except ConditionFailed as error:
            self.is_overtaken = True
            raise Unavailable("The cluster has changed by itself; try again") from error
        self.current, self.is_overtaken = view, False
        self.told(view)
        relied_on = names.RELIED_ON if has_singles else ()
        await self._tell((*relied_on, *view.present.all), TOLD_WITHIN_S)

    async def tell_relied_on(self) -> list[str]:
        """Have those that are relied on take the view; who has not in time."""
        return await self._tell(names.RELIED_ON, RELIED_ON_WITHIN_S)

    async def _tell(self, whom: Iterable[str], within_s: float) -> list[str]:
        return await tell(self._directory, whom, self.current, within_s)
