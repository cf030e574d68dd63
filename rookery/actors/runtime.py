"""What an actor is, and what the two runtimes have in common.

An actor is a plain class with async methods and no knowledge of Ray. A `Runtime` makes it live:
`runtime_ray` as a process of its own, `runtime_inline` inside this process. Everyone else holds
an `ActorRef` and cannot tell the difference. Only `runtime_ray` imports ``ray``.
"""

import asyncio
import gc
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

import structlog

log = structlog.get_logger(__name__)


def collect_rarely() -> None:
    """Have this process look for unreachable cycles seldom; call it when all is loaded.

    Requests make many objects and hardly a cycle. With Python's defaults looking for them took a
    quarter of a post's processor time, and more the more was cached.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class ActorRef(Protocol):
    """A handle by which an actor is called, wherever it lives. Survives its restarts."""

    @property
    def name(self) -> str: ...

    async def call(self, method: str, /, *args: Any) -> Any:
        """Run an async method of the actor and return its result.

        Arguments and results are copied or shared: neither side may change them afterwards.
        Errors of `rookery.errors` arrive as they were raised.

        Raises:
            ActorUnavailable: the actor is dead, restarting, or died during the call; whether
                the call took effect is unknown.
        """
        ...


class Directory(Protocol):
    """Finds actors by name. The actor need not be alive, or exist yet, to be referred to."""

    def ref(self, name: str) -> ActorRef: ...


@dataclass(frozen=True)
class ActorContext:
    """What a runtime gives to each actor it makes; `host` is the address of its node."""

    name: str
    directory: Directory
    host: str = "127.0.0.1"


class Stage(IntEnum):
    """When an actor stops: the actors of one stage together, after those of all stages before."""

    SURFACE = 0
    """Takes clients, and lets them go first: from then on nobody asks for anything."""
    INNER = 1
    STORE = 2
    """Holds what must not be lost: stops when nobody writes or reads any more."""


class Actor:
    """Base of all actors: a life cycle, background tasks, and figures for the operator.

    A subclass takes an `ActorContext` first, then its own arguments. `start` runs before any
    other method, also after each restart; `stop` runs at an orderly end only, never at a kill,
    so nothing durable may depend on it. It has `stop_s` of its own, whatever others take, and is
    killed after that: a stop that was not clean.
    """

    stage: ClassVar[Stage] = Stage.INNER
    stop_s: ClassVar[float] = 3.0

    def __init__(self, context: ActorContext) -> None:
        self.context = context
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make ready to be called."""

    async def stop(self) -> None:
        """End the background tasks; subclasses close what they opened, then call this."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `coroutine` in the background until `stop`; an error that ends it is logged."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    @property
    def background(self) -> frozenset[asyncio.Task[None]]:
        """The tasks spawned and not yet ended; for runtimes."""
        return frozenset(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task failed", actor=self.context.name, exc_info=error)

    def figures(self) -> Mapping[str, float]:
        """Current figures by metric name (`queue_depth`, `warm_rows`, …); cheap, polled."""
        return {}

    async def figures_now(self) -> Mapping[str, float]:
        """The figures, for whoever asks from outside."""
        return dict(self.figures())

    async def ping(self) -> str:
        """Answer with the actor's name, to show that it is alive."""
        return self.context.name


@dataclass(frozen=True)
class ActorSpec:
    """One actor to be started: its unique name, class and arguments after the context.

    `node` is the id of the only node that it may run on, and it ends for good with that one.
    Else the runtime chooses.
    """

    name: str
    cls: type[Actor]
    args: tuple[Any, ...] = ()
    node: str | None = None


class Runtime(Directory, Protocol):
    """Starts, supervises and stops actors."""

    async def start(self, *specs: ActorSpec) -> None:
        """Start the actors, together, and return when each one's `start` is done.

        From then on each one that dies is restarted with the same arguments.

        Raises:
            StartupError: an actor's `start` refused (port taken, store locked, …).
        """
        ...

    async def stop(self) -> list[str]:
        """Stop all actors, stage after stage; each gets its `stop` and its own time for it.

        Returns what did not stop in order, a sentence each; it is logged as well.
        """
        ...

    def hurry(self) -> None:
        """End at once what `stop` has still to end; only the store gets its time all the same."""
        ...

    def restarts(self) -> Mapping[str, int]:
        """How often each actor has died and been started again."""
        ...


@dataclass(frozen=True)
class Node:
    """A machine that actors can run on; `labels` are what its operator said of it.

    While the head is away no actor can be started anywhere.
    """

    id: str
    host: str
    cpus: float
    labels: Mapping[str, str]
    is_head: bool = False


@runtime_checkable
class ClusterRuntime(Runtime, Protocol):
    """A runtime of several nodes, which come and go.

    Its actors outlive the process that started them, unless that stops in order; another one of the
    same build can take them over.
    """

    async def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        ...

    async def adopt(self) -> dict[str, str]:
        """Take over the actors that are there; the id of each one's node, by its name.

        Those of another build, and those that do not answer, are ended.
        """
        ...

    async def end(self, names: Collection[str]) -> None:
        """Stop these actors for good; those whose node is gone are forgotten."""
        ...

    def abandon(self) -> None:
        """Leave all actors to another process."""
        ...
