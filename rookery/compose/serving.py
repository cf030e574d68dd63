"""Runs a server: reserves ports, starts the runtime, answers the command line, stops in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import structlog

from rookery import __version__, security_log
from rookery.actors import names
from rookery.actors.runtime import ActorContext, ClusterRuntime, Node, Runtime
from rookery.actors.runtime_inline import InlineRuntime
from rookery.actors.shards import until_available
from rookery.actors.writer import group_writer
from rookery.authority import authority, reachable
from rookery.bulk.migrating import check_is_whole
from rookery.bulk.replaying import Posted, posted_by
from rookery.cluster.controller import Controller
from rookery.cluster.topology import Topology, fixed_view
from rookery.compose.actors import singles, specs
from rookery.compose.backend import Backend, Upkeep
from rookery.compose.listening import reserve_port
from rookery.config import Config
from rookery.control import Command, ControlServer, audited, single
from rookery.domain.placement import ClusterView
from rookery.errors import PortTaken, RookeryError, StartupError
from rookery.models import Identity, Tweet
from rookery.security_log import Event, record
from rookery.services.accounts.accounts import SignUp
from rookery.services.accounts.tokens import KEEP_UP_S
from rookery.services.checking.audit import Audit
from rookery.services.checking.references import References
from rookery.services.tweets.tweets import NewTweet
from rookery.services.use_cases import UseCases
from rookery.store import StoreParts, open_reader, prepare_store
from rookery.store.records.cluster import ClusterRepository
from rookery.store.redis.connection import check_redis

log = structlog.get_logger(__name__)

FIGURES_WITHIN_S = 2.0
KEYS_WITHIN_S = 5.0
POSTING_S = 60.0
PART_STOP_S = 2.0


def _audited(name: str, command: Command, *told: str) -> Command:
    """`command` with these of its arguments in the security log."""
    return audited(
        name,
        command,
        lambda arguments: {each: arguments[each] for each in told if arguments.get(each)},
    )


def make_runtime(config: Config) -> Runtime:
    """The configured runtime. Ray is imported only where it is used."""
    if config.server.runtime == "inline":
        return InlineRuntime()
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    return RayRuntime(
        RayOptions(
            address=config.ray.address or None,
            directory=Path(config.server.data_dir) / "ray",
            dashboard_port=config.ray.dashboard_port,
            figures_every_s=config.ray.figures_s,
            log_level=config.server.log_level,
            security_log_file=security_log.file_of(config.auth.security_log_file),
            build=build_of(config),
        )
    )


def build_of(config: Config) -> str:
    """What two processes have in common that may go on with each other's actors.

    None may where each start chooses another port.
    """
    if not config.is_clustered or not config.http.port:
        return ""
    settings = blake2b(msgspec.json.encode(config), digest_size=16)
    return f"{__version__} {settings.hexdigest()}"


async def was_left_behind(config: Config) -> bool:
    """Whether a controller has died, whose actors may still be there."""
    reader = open_reader(config)
    try:
        lease = await ClusterRepository(reader).lease()
    finally:
        await reader.close()
    return lease is not None and bool(lease.holder)


def _refuse_several(nodes: Sequence[Node], config: Config) -> None:
    if len(nodes) > 1:
        raise StartupError(
            f"the Ray cluster at {config.ray.address} has {len(nodes)} nodes, but the store is an "
            "SQLite file, which the processes of one machine can share only: set store.engine = "
            "mongo, or leave ray.address empty to run on this machine alone"
        )


class Cluster:
    """The controller of a cluster, with the store it needs for itself."""

    def __init__(self, config: Config, runtime: Runtime, http_port: int) -> None:
        assert isinstance(runtime, ClusterRuntime), "checked with the settings"
        self._runtime = runtime
        self._reader = open_reader(config)
        self._writer = group_writer(runtime, config)
        store = StoreParts(self._reader, self._writer)
        self.controller = Controller(config, self._runtime, store, http_port)
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> ClusterView:
        """Start the actors of all nodes; the view with which they began."""
        await self._runtime.start()  # connects
        return await self.controller.start()

    def follow(self, topology: Topology) -> None:
        """Keep up with the nodes from now on, `topology` too."""
        self.controller.told = topology.install
        self._following = asyncio.create_task(self.controller.run())

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.controller.stop()
        await self._writer.close()
        await self._reader.close()


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
        self._cluster: Cluster | None = None
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
    def cluster(self) -> Cluster | None:
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
        config = self.config
        # Asking first saves a start of everything that would fail.
        security_log.check_file(config.auth.security_log_file)
        await prepare_store(config)
        await check_is_whole(open_reader(config))
        await check_redis(config.redis)
        self.http_port = await self._reserve_http_port()
        self.live_ports = [
            reserve_port(
                config.live.host,
                config.live.port and config.live.port + number,
                "live.port or ROOKERY_LIVE_PORT",
            )
            for number in range(0 if config.is_clustered else config.live.servers)
        ]
        try:
            context = ActorContext("Control", self.runtime)
            if config.is_clustered:
                self._cluster = Cluster(config, self.runtime, self.http_port)
                view = await self._cluster.start()
            else:
                await self._start_actors()
                view = fixed_view(config)
            self._backend = Backend(context, config, view)
            self._use_cases = UseCases(self._backend.ground, config)
            self._upkeep = Upkeep(self._backend, self._use_cases)
            if self._cluster is not None:
                self._cluster.follow(self._backend.topology)
            await self._upkeep.open()
            data_dir = Path(config.server.data_dir)
            self._control = ControlServer(data_dir, Commands(self).by_name)
            await self._control.start()
            _record_start(config)
        except BaseException:
            await self.stop()
            raise

    async def _reserve_http_port(self) -> int:
        http = self.config.http
        try:
            return reserve_port(http.host, http.port, "http.port or ROOKERY_HTTP_PORT")
        except PortTaken:
            if not self.config.is_clustered or not await was_left_behind(self.config):
                raise
            return http.port  # a gateway listens there, which will be taken over

    async def _start_actors(self) -> None:
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


SHOWN_TEXTS = frozenset({"http.host", "http.trusted_proxies", "live.host"})
"""Settings whose text the security log shows; others may hold passwords, or paths."""


def _record_start(config: Config) -> None:
    """Log with which settings the server runs: those that are not the defaults."""
    changed = {}
    default = Config()
    for section in config.__struct_fields__:
        mine, usual = getattr(config, section), getattr(default, section)
        for name in mine.__struct_fields__:
            value, path = getattr(mine, name), f"{section}.{name}"
            if value != getattr(usual, name):
                is_hidden = isinstance(value, str) and path not in SHOWN_TEXTS
                changed[path] = "(set)" if is_hidden else value
    record(
        Event.STARTED,
        "success",
        operator=security_log.operator(),
        version=__version__,
        runtime=config.server.runtime,
        store=config.store.engine,
        settings=changed,
    )


class Commands:
    """What the command line may ask of a running server."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._posted_s = -POSTING_S
        self.by_name = {
            "address": single(self._address),
            "status": single(self._status),
            "token": _audited("token", single(self._token), "username"),
            "rotate-keys": _audited("rotate-keys", single(self._rotate_keys), "revoke"),
            "sign-up": _audited("sign-up", single(self._sign_up), "username"),
            "post": single(self._post),
            "posted-by": single(self._posted_by),
            "warm": single(self._warm),
            "home": single(self._home),
            "settle": single(self._settle),
            "delivered": single(self._delivered),
            "requeue-dead": _audited("requeue-dead", single(self._requeue_dead)),
            "fsck": _audited("fsck", self._fsck, "repair"),
            "fsck-references": _audited("fsck-references", self._fsck_references, "repair"),
            "drain": _audited("drain", single(self._drain), "node"),
            "undrain": _audited("undrain", single(self._undrain), "node"),
        }

    async def _address(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        return {"http": self._server.http_url}

    async def _status(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        server = self._server
        return {
            "http": server.http_url,
            "live": server.live_urls,
            "runtime": server.config.server.runtime,
            "version": server.view.version,
            "nodes": await self._nodes(),
        }

    async def _nodes(self) -> list[dict[str, Any]]:
        """Each node with its actors and their figures; None for an actor that does not answer."""
        server = self._server
        alone = [spec.name for spec in singles(server.config, server.view)]
        if server.cluster is None:
            everything = (*alone, *server.view.present.all)
            return [await self._node("", "localhost", "serving", everything)]
        nodes = [await self._node("", "", "anywhere", alone)]
        for placed in server.cluster.controller.placed.values():
            node, actors = placed.node, placed.actors.all
            nodes.append(await self._node(node.id, node.host, placed.state, actors))
        return nodes

    async def _node(self, id_: str, host: str, state: str, actors: Sequence[str]) -> dict[str, Any]:
        found = await asyncio.gather(*map(self._figures, actors))
        figures = dict(zip(actors, found, strict=True))
        return {"id": id_, "host": host, "state": state, "actors": figures}

    async def _figures(self, name: str) -> dict[str, float] | None:
        try:
            async with asyncio.timeout(FIGURES_WITHIN_S):
                figures = dict(await self._server.runtime.ref(name).call("figures_now"))
        except (RookeryError, TimeoutError):
            return None
        if restarts := self._server.runtime.restarts().get(name, 0):
            figures["restarts"] = float(restarts)
        return figures

    async def _drain(self, arguments: Mapping[str, Any]) -> str:
        return await self._controller().drain(arguments["node"])

    async def _undrain(self, arguments: Mapping[str, Any]) -> str:
        return await self._controller().undrain(arguments["node"])

    def _controller(self) -> Controller:
        if self._server.cluster is None:
            raise StartupError(
                "this server runs on one machine; nodes can be drained in a cluster only "
                "(ray.address and store.engine = mongo)"
            )
        return self._server.cluster.controller

    async def _token(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        session = await self._server.use_cases.accounts.issue_for(arguments["username"])
        return {
            "userId": str(session.user.id),
            "username": session.user.username,
            "deviceId": session.device.device_id,
            "token": session.access_token,
            "refreshToken": session.refresh_token,
            "expiresIn": session.expires_in_s,
        }

    async def _sign_up(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Sign somebody up without counting it for an address; for load on one's own server."""
        asked = {name: arguments[name] for name in ("email", "username", "password", "name")}
        session = await self._server.use_cases.accounts.signup(SignUp(**asked))
        return {
            "userId": str(session.user.id),
            "token": session.access_token,
            "refreshToken": session.refresh_token,
            "expiresIn": session.expires_in_s,
        }

    async def _rotate_keys(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Sign with a new key; which processes have taken it in, and which did not answer."""
        server = self._server
        kid = await server.use_cases.keys.rotate(revoke=bool(arguments.get("revoke")))
        processes = sorted(server.view.present.surfaces)
        told = await asyncio.gather(*map(self._reload_keys, processes))
        missed = [name for name, took in zip(processes, told, strict=True) if not took]
        return {
            "key": kid,
            "processes": len(processes) - len(missed),
            "missed": missed,
            "withinS": KEEP_UP_S,
        }

    async def _reload_keys(self, name: str) -> bool:
        try:
            async with asyncio.timeout(KEYS_WITHIN_S):
                await self._server.runtime.ref(name).call("reload_keys")
        except (RookeryError, TimeoutError):
            return False
        return True

    async def _post(self, arguments: Mapping[str, Any]) -> list[int]:
        """Post tweets of the given authors; their ids, in the order given.

        Ids are made in that order too, so that timelines have it.
        """
        self._record_posting(arguments)
        use_cases = self._server.use_cases
        next_id = self._server.backend.lease.next_id
        # All are waited for, also after a failure: who asks again must find what was posted.
        posted = await asyncio.gather(
            *(
                use_cases.tweets.create(
                    Identity(author_id, "", "control"),
                    NewTweet(text=text, reply_to_id=reply_to, retweet_of_id=retweet_of),
                    tweet_id=next_id(),
                )
                for author_id, text, reply_to, retweet_of in arguments["posts"]
            ),
            return_exceptions=True,
        )
        for outcome in posted:
            if isinstance(outcome, BaseException):
                raise outcome
        return [tweet.id for tweet in posted if isinstance(tweet, Tweet)]

    def _record_posting(self, arguments: Mapping[str, Any]) -> None:
        """Log that an operator posts in others' names: once for a replay, which calls often."""
        now_s = time.monotonic()
        if now_s - self._posted_s > POSTING_S:
            who = arguments.get("operator", "")
            record(Event.OPERATOR, "success", act="post", operator=who)
        self._posted_s = now_s

    async def _posted_by(self, arguments: Mapping[str, Any]) -> list[Posted]:
        reader = self._server.backend.reader
        return await posted_by(reader, arguments["author_ids"])

    async def _warm(self, arguments: Mapping[str, Any]) -> int:
        shards = self._server.backend.shards
        user_ids = arguments["user_ids"]
        await asyncio.gather(*(shards.read(user_id, 0, 1, 0) for user_id in user_ids))
        return len(user_ids)

    async def _home(self, arguments: Mapping[str, Any]) -> list[list[int]]:
        """The whole home timelines of users, newest first, read page by page as a client would."""
        return list(
            await asyncio.gather(*(self._whole_home(user) for user in arguments["user_ids"]))
        )

    async def _whole_home(self, user_id: int) -> list[int]:
        timelines = self._server.use_cases.timelines
        identity = Identity(user_id, "", "control")
        ids, position = await timelines.home(identity, 0, 100)
        whole = list(ids)
        while position:
            ids, position = await timelines.home(identity, position, 100)
            whole += ids
        return whole

    async def _settle(self, arguments: Mapping[str, Any]) -> None:
        await self._server.settle()

    async def _delivered(self, arguments: Mapping[str, Any]) -> dict[str, float]:
        """Entries of the queue and rows reached since the worker's start."""
        worker = self._server.runtime.ref(names.FANOUT_WORKER)
        return dict(await worker.call("delivered"))

    async def _requeue_dead(self, arguments: Mapping[str, Any]) -> int:
        """Deliver again what was put aside because it could not be delivered; how many."""
        worker = self._server.runtime.ref(names.FANOUT_WORKER)
        count: int = await worker.call("requeue_dead")
        return count

    async def _fsck(self, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        backend = self._server.backend
        audit = Audit(backend.store, backend.shards, self._server.settle)
        async for progress in audit.run(repair=bool(arguments.get("repair"))):
            yield progress

    async def _fsck_references(self, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        server = self._server
        references = References(server.backend.store, server.use_cases.tweets.removals)
        async for progress in references.run(repair=bool(arguments.get("repair"))):
            yield progress
