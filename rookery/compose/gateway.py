"""What stands behind a gateway: the REST surface over the use-cases."""

from collections.abc import Mapping, Sequence

from rookery.actors import names
from rookery.actors.manager import StreamDirectory
from rookery.actors.runtime import ActorContext
from rookery.cluster.topology import Topology, answering
from rookery.compose.backend import Backend, Upkeep
from rookery.compose.listening import connections_for
from rookery.compose.surfaces import application_of
from rookery.config import Config
from rookery.domain.placement import ClusterView
from rookery.http.native.services import Services
from rookery.http.protocol.server import Server, ServerLimits, serve
from rookery.messages import Invalidation
from rookery.services.limits import Limits
from rookery.services.limits_redis import RedisCounts
from rookery.services.readiness import Readiness, WriteCheck
from rookery.store import clock_ms
from rookery.store.leases import steady_ms

READY_WITHIN_S = 2.0
DRAIN_S = 10.0


def _readiness(backend: Backend) -> Readiness:
    """Whether everything answers that a gateway over `backend` needs."""
    alone = [names.STORE_WRITER] if backend.config.has_store_writer else []

    def needed() -> list[str]:
        return [*alone, names.CONNECTION_MANAGER, *backend.topology.view.serving.shards]

    async def answer(whom: Sequence[str]) -> set[str]:
        return await answering(backend.context.directory, whom, READY_WITHIN_S)

    writing = WriteCheck(backend.lease, backend.refused_s, within_s=READY_WITHIN_S)
    return Readiness(backend.reader, writing, needed, answer, within_s=READY_WITHIN_S)


class GatewaySurface:
    """REST over the use-cases."""

    def __init__(self, context: ActorContext, config: Config, view: ClusterView, port: int) -> None:
        self._config = config
        self._port = port
        backend = self._backend = Backend(context, config, view)
        shared = RedisCounts(config.redis, steady_ms) if config.redis.url else None
        self._services = Services(
            backend.ground,
            config,
            stream=StreamDirectory(context.directory),
            ready=_readiness(backend).look,
            limits=Limits(config.limits, clock_ms, shared),
        )
        self._upkeep = Upkeep(backend, self._services)
        self._server: Server | None = None

    @property
    def topology(self) -> Topology:
        return self._backend.topology

    async def open(self) -> None:
        """Make ready to listen."""
        services = self._services
        await self._upkeep.open()
        self._backend.follow_revocations(services.invalidate, services.authenticator.forget_all)

    async def listen(self) -> None:
        http, services = self._config.http, self._services
        application = application_of(services, http.allowed_origins)
        self._server = await serve(
            application.respond,
            http.host,
            self._port,
            reuse_port=self._config.server.runtime == "ray",
            limits=ServerLimits(
                min(http.max_connections, connections_for(self._config, "http")),
                http.max_connections_per_address,
                http.max_held_bytes,
            ),
            place_of=services.addresses.place_of,
            bounds_of=application.bounds_of,
        )

    async def drain(self) -> None:
        if self._server is not None:
            await self._server.drain(DRAIN_S)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
        self._services.refusals.summarise()
        await self._services.limits.close()
        await self._upkeep.close()

    def invalidate(self, change: Invalidation) -> None:
        self._services.invalidate(change)

    async def reload_keys(self) -> None:
        await self._services.keys.load()

    def figures(self) -> Mapping[str, float]:
        backend = self._backend
        return {
            **self._services.figures(),
            **({} if self._server is None else self._server.figures()),
            **{f"write_{name}": value for name, value in backend.writer.figures().items()},
            **backend.cache_figures(),
            **backend.shards.figures(),
        }


async def compose_gateway(
    context: ActorContext, config: Config, view: ClusterView, port: int
) -> GatewaySurface:
    """A REST surface that is ready to listen on `port`."""
    surface = GatewaySurface(context, config, view, port)
    await surface.open()
    return surface
