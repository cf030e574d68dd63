"""Gateways and connection servers as actors: life cycle and messages; what they do is composed.

The surfaces behind them (REST, WebSocket) stand in `rookery.http` and `rookery.connection`, which
actors do not import; `rookery.compose.actors` hands in a function that makes one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Generic, Protocol, TypeVar

import structlog

from rookery.actors.runtime import Actor, ActorContext, Stage
from rookery.actors.shards import until_available
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.errors import PortTaken
from rookery.messages import Invalidation, Push

log = structlog.get_logger(__name__)

DRAIN_S = 20.0
LISTEN_AGAIN_S = 2.0


class Surface(Protocol):
    """Something clients connect to."""

    @property
    def topology(self) -> Topology: ...

    async def listen(self) -> None:
        """Begin to take clients.

        Raises:
            PortTaken: somebody else listens there; a later attempt may succeed.
        """
        ...

    async def drain(self) -> None:
        """Take no new clients, and return when those that are there have left."""
        ...

    async def stop(self) -> None: ...

    def invalidate(self, change: Invalidation) -> None: ...

    async def reload_keys(self) -> None:
        """Take in the signing keys as they are stored now, and end what revoked ones signed."""
        ...

    def figures(self) -> Mapping[str, float]: ...


class LiveSurface(Surface, Protocol):
    """A surface that holds connections to be pushed to."""

    def push(self, batch: list[Push]) -> None: ...


S = TypeVar("S", bound=Surface)
Compose = Callable[[ActorContext, Config, ClusterView, int], Awaitable[S]]
"""Makes a surface for an actor, ready to listen on the given port."""


class _SurfaceActor(Actor, Generic[S]):
    """Takes clients while the view of the cluster says that it serves; then lets them go."""

    stage: ClassVar[Stage] = Stage.SURFACE
    stop_s: ClassVar[float] = 8.0  # requests under way 4 s, then what the services have open

    def __init__(
        self,
        context: ActorContext,
        config: Config,
        view: ClusterView,
        port: int,
        compose: Compose[S],
    ) -> None:
        super().__init__(context)
        self._config = config
        self._view = view
        self._port = port
        self._compose = compose
        self._surface: S | None = None
        self._listens = False
        self._draining: asyncio.Task[None] | None = None

    async def start(self) -> None:
        surface = self._surface = await self._compose(
            self.context, self._config, self._view, self._port
        )
        await until_available(surface.topology.refresh)
        if self._serves(surface.topology.view):
            await self._listen(surface)
        surface.topology.listen(self._view_changed)
        self.spawn(surface.topology.follow(self.context.directory))

    async def stop(self) -> None:
        await super().stop()
        if self._surface is not None:
            await self._surface.stop()

    def _serves(self, view: ClusterView) -> bool:
        return self.context.name in view.serving.surfaces

    async def _listen(self, surface: S) -> None:
        if not self._listens:
            self._listens = True
            try:
                await surface.listen()
            except BaseException:
                self._listens = False
                raise

    async def _listen_at_last(self, surface: S) -> None:
        """Listen on a node that joined, where the port may still be somebody else's."""
        while self._serves(surface.topology.view):
            try:
                await self._listen(surface)
                return
            except (PortTaken, OSError) as error:
                log.error("does not listen yet", actor=self.context.name, error=str(error))
                await asyncio.sleep(LISTEN_AGAIN_S)

    def _view_changed(self, view: ClusterView) -> None:
        surface = self._surface
        if surface is None:
            return
        if self._serves(view):
            self.spawn(self._listen_at_last(surface))
        elif self._listens and self._draining is None:
            self._draining = self.spawn(surface.drain())

    async def view_changed(self, view: ClusterView) -> None:
        """Take over a view of the cluster."""
        if self._surface is not None:
            self._surface.topology.install(view)

    async def drained(self) -> bool:
        """Wait until all clients have left that no longer belong here; False if some have not."""
        if self._draining is not None:
            await asyncio.wait([self._draining], timeout=DRAIN_S)
        return self._draining is None or self._draining.done()

    async def invalidate(self, changes: list[Invalidation]) -> None:
        """Forget what was cached of these. Idempotent."""
        if self._surface is not None:
            for change in changes:
                self._surface.invalidate(change)

    async def reload_keys(self) -> None:
        """See `Surface.reload_keys`. Idempotent."""
        if self._surface is not None:
            await self._surface.reload_keys()

    def figures(self) -> Mapping[str, float]:
        return {} if self._surface is None else self._surface.figures()


class Gateway(_SurfaceActor[Surface]):
    """Serves REST, sharing its port with the other gateways of the machine.

    Durable: nothing. Rebuilt: caches, by use. Clients may retry reads, and posts that carry an
    `Idempotency-Key`.
    """


class ConnectionServer(_SurfaceActor[LiveSurface]):
    """Holds the WebSocket sessions.

    Durable: nothing. Rebuilt: clients reconnect and resume from the shards' event logs.
    """

    async def push(self, batch: list[Push]) -> None:
        """Send events to users connected here. What is lost shows as a gap and is fetched."""
        if self._surface is not None:
            self._surface.push(batch)
