"""Each actor as a Ray actor: a process of its own, supervised, on one machine or a cluster.

With `runtime_ray_cluster` the only module that imports Ray, and nobody imports it at module
level, so that whoever runs
without Ray starts without its second of imports.

A plain `Actor` is wrapped in a shell with one method, through which every call goes as bytes
(`rookery.actors.calls`): Ray's own serialisation of structured arguments costs four times as much
for a batch of a thousand, and its errors change class on the way. Ray itself pickles what it
carries, so that whoever may call it can run code: `RAY_AUTH_MODE=token` says who may.
"""

import asyncio
import importlib
import sys
import warnings
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any

import ray
import structlog
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    RayError,
    RayTaskError,
)
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rookery import security_log
from rookery.actors.calls import (
    methods_of,
    read_answer,
    read_request,
    write_error,
    write_request,
    write_result,
)
from rookery.actors.channel import MAX_FRAME_BYTES, Address, Channel, ChannelServer
from rookery.actors.runtime import (
    Actor,
    ActorContext,
    ActorRef,
    ActorSpec,
    Node,
    Stage,
    collect_rarely,
)
from rookery.actors.runtime_ray_cluster import (
    RayConnection,
    RayOptions,
    connect,
    connect_in_background,
    finishes,
)
from rookery.actors.stopping import Hurry, stop_in_time
from rookery.capacity import return_freed_memory
from rookery.errors import ActorUnavailable, RookeryError, StartupError
from rookery.logs import configure
from rookery.permissions import keep_private

__all__ = ["RayDirectory", "RayOptions", "RayRef", "RayRuntime", "connect"]

log = structlog.get_logger(__name__)

# Calls at once in one actor; its callers coalesce, so that this is never the limit.
MAX_CONCURRENCY = 10_000
SWITCH_INTERVAL_S = 0.0005
FOUND_WITHIN_S = 6.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0
KILLED_WITHIN_S = 1.0
REASON_CHARS = 500


_lookups = ThreadPoolExecutor(thread_name_prefix="lookup")
"""Of their own: while Ray's head is away a look-up takes a minute."""


class _Shell:
    """The Ray actor around an `Actor`; subclassed once per actor class, for its name."""

    # Signature fixed by Ray: an async __init__ is awaited on the actor's loop.
    async def __init__(self, spec: ActorSpec, options: RayOptions) -> None:  # type: ignore[misc]
        keep_private()  # on other nodes it was not this program that started Ray
        return_freed_memory()
        configure(options.log_level)
        security_log.configure(options.security_log_file)
        # Ray takes each call in on a thread of its own, which must win Python's lock from a loop
        # that may be busy; by default that takes up to 5 ms.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._spec = spec
        directory = RayDirectory(options.namespace)
        host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        self._context = ActorContext(spec.name, directory, host)
        self._actor: Actor | None = None
        self._refusal: BaseException | None = None
        self._channel = ChannelServer(self.call)
        self._address = await self._channel.start()
        self._figures_every_s = options.figures_every_s
        self._build = options.build
        if _is_restart():
            await self._start_again()
        else:
            try:
                await self._start()
            except Exception as error:  # reported by `begin` to who started it
                self._refusal = error
        self._reporter = asyncio.get_running_loop().create_task(self._report())
        collect_rarely()

    def __repr__(self) -> str:
        return self._spec.name  # what Ray's logs and dashboard show

    async def _start(self) -> None:
        self._actor = None
        actor = self._spec.cls(self._context, *self._spec.args)
        await actor.start()
        self._actor = actor

    async def _start_again(self) -> None:
        """Start after a death, for as long as it takes: Ray would give up at the first refusal."""
        delay_s = FIRST_RETRY_S
        while self._actor is None:
            try:
                await self._start()
            except Exception:
                log.exception("actor does not start again", actor=self._spec.name)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LONGEST_RETRY_S)
        log.warning("actor restarted", actor=self._spec.name)

    async def begin(self) -> bytes:
        """The outcome of the first start."""
        return write_error(self._refusal) if self._refusal else write_result(self._spec.name)

    async def contact(self) -> tuple[str, str, Address]:
        """Module and name of the actor's class, and where processes of the same machine reach it
        without Ray."""
        cls = self._spec.cls
        return cls.__module__, cls.__qualname__, self._address

    async def origin(self) -> tuple[str, str, type[Actor]]:
        """The build it was started with, the id of its node, and what it is."""
        return self._build, str(ray.get_runtime_context().get_node_id()), self._spec.cls

    async def until_death(self) -> None:
        """Never answers: that this call fails tells at once that the process has died."""
        await asyncio.Event().wait()

    async def call(self, request: bytes) -> bytes:
        actor = self._actor
        if actor is None:
            return write_error(ActorUnavailable())
        try:
            method, args = read_request(type(actor), request)
            answer = write_result(await getattr(actor, method)(*args))
            if len(answer) > MAX_FRAME_BYTES:
                raise ValueError(f"the answer of {method} has {len(answer)} bytes: too many")
            return answer
        except RookeryError as error:
            return write_error(error)
        except Exception as error:
            log.exception("call failed", actor=self._spec.name)
            return write_error(error)

    async def stop(self) -> None:
        self._reporter.cancel()
        if self._actor is not None:
            actor, self._actor = self._actor, None
            await actor.stop()
        await self._channel.stop()

    async def _report(self) -> None:
        """Export the actor's figures as gauges `ray_rookery_<figure>{actor="<name>"}`."""
        from ray.util.metrics import Gauge

        gauges: dict[str, Gauge] = {}
        while True:
            try:
                figures = self._actor.figures() if self._actor is not None else {}
                for figure, value in figures.items():
                    gauge = gauges.get(figure)
                    if gauge is None:
                        gauge = gauges[figure] = Gauge(f"rookery_{figure}", tag_keys=("actor",))
                    gauge.set(value, {"actor": self._spec.name})
            except Exception:
                log.exception("figures failed", actor=self._spec.name)
            await asyncio.sleep(self._figures_every_s)


def _is_restart() -> bool:
    with warnings.catch_warnings():  # Ray deprecates what it calls itself here
        warnings.simplefilter("ignore", DeprecationWarning)
        return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _actor_class(module: str, name: str) -> type[Actor]:
    """The class by whose hints an actor's answers are read."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, Actor)):
        raise TypeError(f"{module}.{name} is no class of actors")
    methods_of(found)  # now rather than within the first call
    return found


class RayRef:
    """A handle to a named Ray actor, looked up at the first call and after a final death.

    Calls of actors on the same machine go through a channel, others through Ray.
    """

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._handle: Any = None
        self._class: type[Actor] = Actor
        self._channel: Channel | None = None
        self._is_far = False
        self._opening: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._name

    async def call(self, method: str, /, *args: Any) -> Any:
        request = write_request(method, args)
        if len(request) > MAX_FRAME_BYTES:
            raise RookeryError(f"{self._name}.{method}: {len(request)} bytes are too many")
        handle = self._handle
        try:
            if handle is None or not (self._is_far or self._is_connected):
                await self._open()
                handle = self._handle
            if self._is_far:
                reply = await handle.call.remote(request)
            else:
                assert self._channel is not None
                reply = await self._channel.call(request)
        except (ActorDiedError, ActorUnschedulableError) as error:
            if self._handle is handle:  # the next actor of this name is another one
                self._handle = None
            raise ActorUnavailable() from error
        except RayTaskError as error:
            raise error.cause from error
        except (RayError, OSError, ValueError) as error:  # ValueError: no actor of this name
            raise ActorUnavailable() from error
        return read_answer(self._class, method, reply)

    @property
    def _is_connected(self) -> bool:
        return self._channel is not None and self._channel.is_usable

    async def _open(self) -> None:
        """Find the actor, and connect to it if it is on this machine; once for all who wait."""
        opening = self._opening
        if opening is None or opening.get_loop() is not asyncio.get_running_loop():
            opening = self._opening = asyncio.create_task(self._find())
            opening.add_done_callback(self._opened)
        await asyncio.shield(opening)

    async def _find(self) -> None:
        handle = self._handle
        if handle is None:
            handle = await asyncio.get_running_loop().run_in_executor(
                _lookups, ray.get_actor, self._name, self._namespace
            )
        module, name, address = await handle.contact.remote()
        self._class = _actor_class(module, name)
        self._channel = await Channel.open(address)
        self._is_far = self._channel is None
        self._handle = handle

    def _opened(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled():
            opening.exception()  # those who wait have it
        if self._opening is opening:
            self._opening = None

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def __repr__(self) -> str:
        return f"RayRef({self._name!r})"


class RayDirectory:
    """Finds named actors of one namespace from any process that Ray knows."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._refs: dict[str, RayRef] = {}

    def ref(self, name: str) -> ActorRef:
        ref = self._refs.get(name)
        if ref is None:
            ref = self._refs[name] = RayRef(name, self._namespace)
        return ref

    def close(self) -> None:
        """Break the connections to all actors."""
        for ref in self._refs.values():
            ref.close()


class _Supervised:
    """An actor that this runtime started or took over; its deaths are logged while it is watched.

    Ray restarts it; this only tells of it, in the log of whoever runs the server.
    """

    def __init__(self, name: str, cls: type[Actor], handle: Any) -> None:
        self.name = name
        self.cls = cls
        self.handle = handle
        self.restarts = 0
        self._watching: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Tell of its deaths from now on."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def let_go(self) -> None:
        """Tell of nothing more: its end is wanted."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            try:
                await self.handle.until_death.remote()
            except ActorUnschedulableError:
                log.warning("actor ended with its node", actor=self.name)
                return
            except ActorDiedError as error:
                log.error("actor died for good", actor=self.name, reason=_reason(error))
                return
            except RayError as error:
                began_s = monotonic()
                log.warning(
                    "actor died", actor=self.name, reason=_reason(error), next="Ray restarts it"
                )
                if not await self._until_back():
                    continue
                self.restarts += 1
                took_s = round(monotonic() - began_s, 1)
                log.warning(
                    "actor restarted", actor=self.name, after_s=took_s, restarts=self.restarts
                )

    async def _until_back(self) -> bool:
        """Return when its process is there again (True), or has ended for good."""
        while True:
            try:
                await self.handle.contact.remote()
                return True
            except (ActorDiedError, ActorUnschedulableError):
                return False
            except RayError:
                await asyncio.sleep(FIRST_RETRY_S)

    async def stop(self, hurry: Hurry) -> str | None:
        """Have it stop in its time; what went wrong, if anything did."""

        async def stop() -> None:
            try:
                await self.handle.stop.remote()
            except RayTaskError as error:
                raise error.cause from error
            except (ActorDiedError, ActorUnschedulableError):
                if self.cls.stage is Stage.STORE:
                    raise
                # Its node is gone, and nothing that it held is lost.

        return await stop_in_time(self.name, stop, self.cls.stage, self.cls.stop_s, hurry)


def _reason(error: BaseException) -> str:
    """Ray's reason for a death, in one line of bounded length."""
    return " ".join(str(error).split())[:REASON_CHARS]


class RayRuntime:
    """A `Runtime` whose actors are processes.

    If this process is connected to Ray already, that connection is used and left alone at `stop`.
    """

    def __init__(self, options: RayOptions | None = None) -> None:
        self._options = options or RayOptions()
        self._directory = RayDirectory(self._options.namespace)
        self._actors: dict[str, _Supervised] = {}  # in the order of their start
        self._connection: RayConnection | None = None
        self._connecting = asyncio.Lock()
        self._hurry = Hurry()
        self._faults: list[str] = []  # of starts that were broken off

    async def start(self, *specs: ActorSpec) -> None:
        """Start actors, together; may be called again with more of them.

        The first time this connects to Ray, which takes some seconds; it can be cancelled.

        Raises:
            StartupError (or whatever an actor's `start` raised): those of this call are ended.
            ValueError: an actor of this name is alive.
        """
        async with self._connecting:
            if not ray.is_initialized():
                self._connection = await connect_in_background(self._options)
        new: dict[str, _Supervised] = {}
        try:
            for spec in specs:
                new[spec.name] = _Supervised(spec.name, spec.cls, self._create(spec))
            # The first refusal ends all: the others may be waiting for just that actor.
            async with asyncio.TaskGroup() as group:
                for actor in new.values():
                    group.create_task(_begin(actor.handle))
        except BaseExceptionGroup as refusals:
            self._faults += await self._end(new)
            raise refusals.exceptions[0] from refusals
        except BaseException:
            hurry = Hurry()  # of these alone: nobody waits for those that have not begun
            hurry.set()
            self._faults += await self._end(new, hurry)
            raise
        self._actors.update(new)
        for actor in new.values():
            actor.watch()

    async def stop(self) -> list[str]:
        """See `Runtime.stop`; ends Ray itself, too, if `start` started it."""
        actors, self._actors = self._actors, {}
        faults = self._faults + await self._end(actors)
        self._directory.close()
        if self._connection is not None:
            await asyncio.to_thread(self._connection.close)
            self._connection = None
        return faults

    def hurry(self) -> None:
        """See `Runtime.hurry`."""
        self._hurry.set()

    def restarts(self) -> dict[str, int]:
        """How often each actor has been started again after a death."""
        return {name: actor.restarts for name, actor in self._actors.items()}

    def ref(self, name: str) -> ActorRef:
        return self._directory.ref(name)

    async def nodes(self) -> list[Node]:
        """See `ClusterRuntime`."""
        return [
            Node(
                id=node["NodeID"],
                host=node["NodeManagerAddress"],
                cpus=node["Resources"].get("CPU", 0.0),
                labels=node.get("Labels") or {},
                is_head=HEAD_NODE_RESOURCE_NAME in node["Resources"],
            )
            for node in await asyncio.to_thread(ray.nodes)
            if node["Alive"]
        ]

    async def adopt(self) -> dict[str, str]:
        """See `ClusterRuntime`. Waits a little for those that Ray is just restarting."""
        everywhere: list[dict[str, str]] = await asyncio.to_thread(list_named_actors, True)
        namespace = self._options.namespace
        names = [each["name"] for each in everywhere if each["namespace"] == namespace]
        found = await asyncio.gather(*map(self._adopt, names))
        return {name: node for name, node in zip(names, found, strict=True) if node is not None}

    async def _adopt(self, name: str) -> str | None:
        """Take over an actor, or end it; the id of its node."""
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, self._options.namespace)
        except ValueError:
            return None  # dead by now
        until_s = asyncio.get_running_loop().time() + FOUND_WITHIN_S
        while asyncio.get_running_loop().time() < until_s:
            try:
                async with asyncio.timeout(FOUND_WITHIN_S):
                    build, node, cls = await handle.origin.remote()
            except ActorUnavailableError:
                await asyncio.sleep(FIRST_RETRY_S)
            except (RayError, TimeoutError):
                break
            else:
                if build != self._options.build:
                    break
                actor = self._actors[name] = _Supervised(name, cls, handle)
                actor.watch()
                return str(node)
        log.warning("actor of another start ended", actor=name)
        await asyncio.to_thread(_kill, [handle])
        return None

    async def end(self, names: Collection[str]) -> None:
        """See `ClusterRuntime`."""
        await self._end({name: self._actors.pop(name) for name in names if name in self._actors})

    def abandon(self) -> None:
        """See `ClusterRuntime`."""
        for actor in self._actors.values():
            actor.let_go()
        self._actors.clear()

    def _create(self, spec: ActorSpec) -> Any:
        shell = type(spec.cls.__name__, (_Shell,), {"__module__": spec.cls.__module__})
        options: dict[str, Any] = {
            "name": spec.name,
            "namespace": self._options.namespace,
            "num_cpus": 0,  # so that operators need not budget for them
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": MAX_CONCURRENCY,
            "lifetime": "detached" if self._options.build else None,
        }
        if spec.node is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(spec.node, soft=False)
        actor_class: Any = ray.remote(shell)
        return actor_class.options(**options).remote(spec, self._options)

    async def _end(self, actors: dict[str, _Supervised], hurry: Hurry | None = None) -> list[str]:
        """Let each stop in order, stage after stage, and kill it; what went wrong."""
        hurry = self._hurry if hurry is None else hurry
        for actor in actors.values():
            actor.let_go()
        faults: list[str | None] = []
        for stage in Stage:
            of_stage = [actor for actor in reversed(actors.values()) if actor.cls.stage is stage]
            faults += await asyncio.gather(*(actor.stop(hurry) for actor in of_stage))
            handles = [actor.handle for actor in of_stage]
            await asyncio.to_thread(finishes, partial(_kill, handles), KILLED_WITHIN_S)
        return [fault for fault in faults if fault is not None]


def _kill(handles: Iterable[Any]) -> None:
    for handle in handles:
        ray.kill(handle, no_restart=True)


async def _begin(handle: Any) -> None:
    try:
        reply = await handle.begin.remote()
    except RayError as error:
        raise StartupError("An actor's process could not be started; see Ray's logs") from error
    read_answer(Actor, "ping", reply)
