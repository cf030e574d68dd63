"""Runs a server: reserves ports, starts the runtime, answers the command line, stops in order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from rookery import security_log
from rookery.actors import names
from rookery.actors.runtime import ActorContext, ClusterRuntime, Node, Runtime
from rookery.actors.shards import until_available
from rookery.authority import authority, reachable
from rookery.bulk.migrating import check_is_whole
from rookery.cluster.running import RunningCluster, was_left_behind
from rookery.cluster.topology import fixed_view
from rookery.compose.actors import Cast, specs
from rookery.compose.backend import Backend, Upkeep
from rookery.compose.commands.all import commands_of
from rookery.compose.commands.served import Served
from rookery.compose.listening import reserve_port
from rookery.compose.runtimes import make_runtime
from rookery.compose.started import record_start
from rookery.config import Config
from rookery.control import ControlServer
from rookery.domain.placement import ClusterView
from rookery.errors import PortTaken, StartupError
from rookery.services.use_cases import UseCases
from rookery.store import open_reader, prepare_store
from rookery.store.redis.connection import check_redis

log = structlog.get_logger(__name__)

PART_STOP_S = 2.0


def _refuse_several(nodes: Sequence[Node], config: Config) -> None:
    if len(nodes) > 1:
        raise StartupError(
            f"the Ray cluster at {config.ray.address} has {len(nodes)} nodes, but the store is an "
            "SQLite file, which the processes of one machine can share only: set store.engine = "
            "mongo, or leave ray.address empty to run on this machine alone"
        )


async def _stopped(name: str, stop: Callable[[], Awaitable[None]]) -> list[str]:
    """Stop a part of this process; what went wrong. Nothing of it keeps others from stopping."""
    try:
        async with asyncio.timeout(PART_STOP_S):
            await stop()
    except Exception as error:
        log.warning("not stopped in order", part=name, reason=repr(error))
        return [f"{name} did not stop in order: {error!r}"]
    return []


class RunningServer:
    """A whole server. `start` it, and `stop` it whatever happens in between."""

    def __init__(self, config: Config, runtime: Runtime | None = None) -> None:
        self.config = config
        self.runtime = runtime or make_runtime(config)
        self._control: ControlServer | None = None
        self._backend: Backend | None = None
        self._use_cases: UseCases | None = None
        self._upkeep: Upkeep | None = None
        self._cluster: RunningCluster | None = None
        self.faults: list[str] = []
        """After `stop`: what did not stop in order."""

    @property
    def is_store_closed(self) -> bool:
        """After `stop`: whether the store's file alone is the whole store."""
        return not any(fault.startswith(names.STORE_WRITER) for fault in self.faults)

    @property
    def http_url(self) -> str:
        """For clients on this machine."""
        return f"http://{authority(reachable(self.config.http.host), self.http_port)}"

    @property
    def live_urls(self) -> list[str]:
        """Of the connection servers of this machine; empty in a cluster, whose nodes differ."""
        host = reachable(self.config.live.host)
        return [f"ws://{authority(host, port)}/stream" for port in self.live_ports]

    @property
    def use_cases(self) -> UseCases:
        """The services, in this process."""
        assert self._use_cases is not None, "start() comes first"
        return self._use_cases

    @property
    def backend(self) -> Backend:
        """What the services stand on, in this process."""
        assert self._backend is not None, "start() comes first"
        return self._backend

    @property
    def cluster(self) -> RunningCluster | None:
        """What keeps several nodes in line; None on one machine."""
        return self._cluster

    @property
    def view(self) -> ClusterView:
        """Who takes part."""
        return self.backend.topology.view

    async def start(self) -> None:
        """Start everything, and return when it can be used.

        Raises:
            StartupError: something stands in the way; the text says what to do.
        """
        await self._check()
        await self._reserve_ports()
        try:
            view = await self._start_actors()
            await self._open_services(view)
            await self._answer_commands()
            record_start(self.config)
        except BaseException:
            await self.stop()
            raise

    async def _check(self) -> None:
        """Ask first: that saves a start of everything that would fail."""
        config = self.config
        security_log.check_file(config.auth.security_log_file)
        await prepare_store(config)
        await check_is_whole(open_reader(config))
        await check_redis(config.redis)

    async def _reserve_ports(self) -> None:
        live, is_clustered = self.config.live, self.config.is_clustered
        self.http_port = await self._reserve_http_port()
        self.live_ports = [
            reserve_port(
                live.host, live.port and live.port + number, "live.port or ROOKERY_LIVE_PORT"
            )
            for number in range(0 if is_clustered else live.servers)
        ]

    async def _reserve_http_port(self) -> int:
        http = self.config.http
        try:
            return reserve_port(http.host, http.port, "http.port or ROOKERY_HTTP_PORT")
        except PortTaken:
            if not self.config.is_clustered or not await was_left_behind(self.config):
                raise
            return http.port  # a gateway listens there, which will be taken over

    async def _start_actors(self) -> ClusterView:
        """Start the actors of all nodes, or of this machine; the view that they begin with."""
        config = self.config
        if not config.is_clustered:
            await self._start_alone()
            return fixed_view(config)
        assert isinstance(self.runtime, ClusterRuntime), "checked with the settings"
        cast = Cast(config, self.http_port)
        self._cluster = RunningCluster(config, self.runtime, cast)
        return await self._cluster.start()

    async def _open_services(self, view: ClusterView) -> None:
        context = ActorContext("Control", self.runtime)
        self._backend = Backend(context, self.config, view)
        self._use_cases = UseCases(self._backend.ground, self.config)
        self._upkeep = Upkeep(self._backend, self._use_cases)
        if self._cluster is not None:
            self._cluster.follow(self._backend.topology)
        await self._upkeep.open()

    async def _answer_commands(self) -> None:
        served = Served(
            config=self.config,
            runtime=self.runtime,
            backend=self.backend,
            use_cases=self.use_cases,
            controller=None if self._cluster is None else self._cluster.controller,
            http_url=self.http_url,
            live_urls=self.live_urls,
            settle=self.settle,
        )
        data_dir = Path(self.config.server.data_dir)
        self._control = ControlServer(data_dir, commands_of(served))
        await self._control.start()

    async def _start_alone(self) -> None:
        """Start all together; if the store's writer refuses, the others do not wait for it."""
        if self.config.ray.address and isinstance(self.runtime, ClusterRuntime):
            await self.runtime.start()  # connects
            _refuse_several(await self.runtime.nodes(), self.config)
        writer, *others = specs(self.config, self.http_port, self.live_ports)
        starting = [
            asyncio.create_task(self.runtime.start(writer)),
            asyncio.create_task(self.runtime.start(*others)),
        ]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            raise

    async def stop(self) -> list[str]:
        """Stop in order, the store's writer last; what did not, a sentence each.

        Returns within `STOP_BOUND_S` whatever hangs.
        """
        parts: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._control is not None:
            parts["the channel of the command line"] = self._control.stop
        if self._cluster is not None:
            parts["the controller"] = self._cluster.stop
        if self._upkeep is not None:
            parts["the services of this process"] = self._upkeep.close
        self._control = self._cluster = self._upkeep = None
        for name, stop in parts.items():
            self.faults += await _stopped(name, stop)
        self.faults += await self.runtime.stop()
        return self.faults

    def hurry(self) -> None:
        """End at once what is still stopping; only the store is still closed in order."""
        self.runtime.hurry()

    async def settle(self) -> None:
        """Return when everything committed before has been delivered, and what deletions left
        is cleared.

        Waits for the fan-out worker where it has died and is started again.
        """
        worker = self.runtime.ref(names.FANOUT_WORKER)
        await until_available(lambda: worker.call("settle"))
        await until_available(self.use_cases.tweets.removals.settle)
