"""What one process knows of who takes part in the cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import structlog

from rookery.actors import names
from rookery.actors.runtime import Directory
from rookery.config import Config
from rookery.domain.placement import ClusterView, Members
from rookery.errors import RookeryError
from rookery.store.engine import Reader
from rookery.store.records.cluster import ClusterRepository

log = structlog.get_logger(__name__)

POLL_S = 2.0
ANSWER_S = 1.0
TELL_PAUSE_S = 0.1


def fixed_view(config: Config) -> ClusterView:
    """The view of a server on one machine, where nobody comes or goes."""
    return ClusterView.of(
        Members(
            shards=tuple(names.timeline_shard(n) for n in range(config.shards)),
            gateways=tuple(names.gateway(n) for n in range(config.gateways)),
            connection_servers=tuple(
                names.connection_server(n) for n in range(config.live.servers)
            ),
        )
    )


class Topology:
    """The newest `ClusterView` this process has heard of.

    A server on one machine has the one it began with. In a cluster the controller stores each
    view and then tells everyone; whoever missed that finds it in the store.
    """

    def __init__(
        self, view: ClusterView, fetch: Callable[[], Awaitable[ClusterView | None]] | None = None
    ) -> None:
        self.view = view
        self._fetch = fetch
        self._refreshing: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[ClusterView], None]] = []
        self._changed = asyncio.Event()
        self.met: set[str] = set()
        """Who takes part and has answered this process before."""

    @classmethod
    def opened(cls, config: Config, view: ClusterView, reader: Reader) -> "Topology":
        """The topology of a process that reads the store by `reader`."""
        return cls(view, ClusterRepository(reader).view if config.is_clustered else None)

    @property
    def may_change(self) -> bool:
        return self._fetch is not None

    def listen(self, listener: Callable[[ClusterView], None]) -> None:
        """Call `listener` with each newer view, and with the present one now."""
        self._listeners.append(listener)
        listener(self.view)

    def install(self, view: ClusterView) -> bool:
        """Take over a view if it is newer than the one known."""
        if view.version <= self.view.version:
            return False
        self.view = view
        self._changed.set()
        for listener in self._listeners:
            listener(view)
        return True

    async def refresh(self) -> None:
        """Look in the store for a newer view. Callers at the same time share one look.

        Raises:
            Unavailable: the store does not answer.
        """
        if self._fetch is None:
            return
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._look(self._fetch))
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    async def _look(self, fetch: Callable[[], Awaitable[ClusterView | None]]) -> None:
        view = await fetch()
        if view is not None:
            self.install(view)

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # told to those who waited, if any still did

    async def follow(self, directory: Directory) -> None:
        """Look for newer views every now and then, for ever; nothing where none can come.

        Calls everybody once, too: whom a process has never called it cannot find while Ray's head
        is away.
        """
        while self.may_change:
            self._changed.clear()
            present = {names.CONNECTION_MANAGER, *names.RELIED_ON, *self.view.present.all}
            self.met &= present
            self.met |= await answering(directory, present - self.met)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()
            try:
                await self.refresh()
            except RookeryError as error:
                log.warning("cluster view not read", error=str(error))


async def answering(
    directory: Directory, whom: Iterable[str], within_s: float = ANSWER_S
) -> set[str]:
    """Which of these actors answer in time."""

    async def ping(name: str) -> str | None:
        try:
            async with asyncio.timeout(within_s):
                await directory.ref(name).call("ping")
        except (RookeryError, TimeoutError):
            return None
        return name

    return {name for name in await asyncio.gather(*map(ping, whom)) if name is not None}


async def tell(
    directory: Directory, whom: Iterable[str], view: ClusterView, within_s: float
) -> list[str]:
    """Tell actors a view; who has not taken it in time."""
    telling = {asyncio.create_task(_tell_one(directory, name, view)): name for name in whom}
    _, late = await asyncio.wait(telling, timeout=within_s)
    for task in late:
        task.cancel()
    return [telling[task] for task in late]


async def _tell_one(directory: Directory, name: str, view: ClusterView) -> None:
    ref = directory.ref(name)
    while True:
        try:
            await ref.call("view_changed", view)
            return
        except RookeryError:
            await asyncio.sleep(TELL_PAUSE_S)
