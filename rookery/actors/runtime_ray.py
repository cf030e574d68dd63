"""Each actor as a Ray actor: a process of its own, supervised, on one machine or a cluster.

With the other `runtime_ray_` modules the only one that imports Ray, and nobody imports them at
module level, so that whoever runs without Ray starts without its second of imports.

A plain `Actor` is wrapped in a shell with one method, through which every call goes as bytes
(`rookery.actors.calls`): Ray's own serialisation of structured arguments costs four times as much
for a batch of a thousand, and its errors change class on the way. Ray itself pickles what it
carries, so that whoever may call it can run code: `RAY_AUTH_MODE=token` says who may.
"""

import asyncio
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

import ray
import structlog
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.exceptions import ActorUnavailableError, RayError
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rookery.actors.calls import read_answer
from rookery.actors.runtime import Actor, ActorRef, ActorSpec, Node, Stage
from rookery.actors.runtime_ray_cluster import (
    RayConnection,
    RayOptions,
    connect,
    connect_in_background,
    finishes,
)
from rookery.actors.runtime_ray_refs import RayDirectory
from rookery.actors.runtime_ray_shell import Shell
from rookery.actors.runtime_ray_supervised import LOOK_AGAIN_S, Supervised
from rookery.actors.stopping import Hurry
from rookery.errors import StartupError

__all__ = ["RayDirectory", "RayOptions", "RayRuntime", "connect"]

log = structlog.get_logger(__name__)

# Calls at once in one actor; its callers coalesce, so that this is never the limit.
MAX_CONCURRENCY = 10_000
FOUND_WITHIN_S = 6.0
KILLED_WITHIN_S = 1.0


class RayRuntime:
    """A `Runtime` whose actors are processes.

    If this process is connected to Ray already, that connection is used and left alone at `stop`.
    """

    def __init__(self, options: RayOptions | None = None) -> None:
        self._options = options or RayOptions()
        self._directory = RayDirectory(self._options.namespace)
        self._actors: dict[str, Supervised] = {}  # in the order of their start
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
        new: dict[str, Supervised] = {}
        try:
            for spec in specs:
                new[spec.name] = Supervised(spec.name, spec.cls, self._create(spec))
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
                await asyncio.sleep(LOOK_AGAIN_S)
            except (RayError, TimeoutError):
                break
            else:
                if build != self._options.build:
                    break
                actor = self._actors[name] = Supervised(name, cls, handle)
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
        shell = type(spec.cls.__name__, (Shell,), {"__module__": spec.cls.__module__})
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

    async def _end(self, actors: dict[str, Supervised], hurry: Hurry | None = None) -> list[str]:
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
