"""Gateways and connection servers as actors: life cycle and messages; what they do is composed.

The surfaces behind them (REST, WebSocket) stand in `rookery.http` and `rookery.connection`, which
actors do not import; `rookery.app` hands in a function that makes one.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from rookery.actors.runtime import Actor, ActorContext
from rookery.config import Config
from rookery.messages import Invalidation, Push


class Surface(Protocol):
    """Something clients connect to."""

    async def stop(self) -> None: ...

    def invalidate(self, change: Invalidation) -> None: ...

    def figures(self) -> Mapping[str, float]: ...


class LiveSurface(Surface, Protocol):
    """A surface that holds connections to be pushed to."""

    def push(self, batch: list[Push]) -> None: ...


S = TypeVar("S", bound=Surface)
Compose = Callable[[ActorContext, Config, int], Awaitable[S]]
"""Makes a running surface for an actor, which listens on the given port."""


class _SurfaceActor(Actor, Generic[S]):
    def __init__(
        self, context: ActorContext, config: Config, port: int, compose: Compose[S]
    ) -> None:
        super().__init__(context)
        self._config = config
        self._port = port
        self._compose = compose
        self._surface: S | None = None

    async def start(self) -> None:
        self._surface = await self._compose(self.context, self._config, self._port)

    async def stop(self) -> None:
        await super().stop()
        if self._surface is not None:
            await self._surface.stop()

    async def invalidate(self, changes: list[Invalidation]) -> None:
        """Forget what was cached of these. Idempotent."""
        if self._surface is not None:
            for change in changes:
                self._surface.invalidate(change)

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
