"""All actors inside this process: small servers, debugging, fast tests.

Keeps the promises of `runtime` as a process per actor would: a call goes on
when its caller is cancelled, and a caller learns nothing of a dead actor but `ActorUnavailable`.
The one difference is that arguments and results are shared, not copied.
"""

import asyncio
from typing import Any

import structlog

from rookery.actors.runtime import Actor, ActorContext, ActorRef, ActorSpec, Stage
from rookery.actors.stopping import Hurry, stop_in_time
from rookery.errors import ActorUnavailable

log = structlog.get_logger(__name__)

KILLED_WITHIN_S = 2.0


class _Incarnation:
    """One life of an actor: its object and the calls under way on it."""

    def __init__(self, spec: ActorSpec, runtime: "InlineRuntime") -> None:
        self.spec = spec
        self.actor: Actor = spec.cls(ActorContext(spec.name, runtime), *spec.args)
        self.alive = False
        self.calls: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        try:
            await self.actor.start()
        except BaseException:
            await self.kill()
            raise
        self.alive = True

    async def stop(self, hurry: Hurry) -> str | None:
        """End in order, by its `stop`, and then whatever still runs; what went wrong, if so."""
        actor = self.actor
        fault = await stop_in_time(self.spec.name, actor.stop, actor.stage, actor.stop_s, hurry)
        await self.kill()
        return fault

    async def kill(self) -> None:
        """End at once: calls under way fail, background tasks are cancelled."""
        self.alive = False
        tasks = {*self.calls, *self.actor.background} - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=KILLED_WITHIN_S)


class InlineRef:
    """A handle to an actor of an `InlineRuntime`, found by name at each call."""

    def __init__(self, name: str, incarnations: dict[str, _Incarnation]) -> None:
        self._name = name
        self._incarnations = incarnations

    @property
    def name(self) -> str:
        return self._name

    async def call(self, method: str, /, *args: Any) -> Any:
        incarnation = self._incarnations.get(self._name)
        if incarnation is None or not incarnation.alive:
            raise ActorUnavailable()
        # A task of its own, so that the fates of caller and actor stay separate.
        task = asyncio.ensure_future(getattr(incarnation.actor, method)(*args))
        incarnation.calls.add(task)
        task.add_done_callback(incarnation.calls.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not incarnation.alive:
                raise ActorUnavailable() from None
            raise

    def __repr__(self) -> str:
        return f"InlineRef({self._name!r})"


class InlineRuntime:
    """A `Runtime` without processes. Belongs to the event loop on which it is started."""

    def __init__(self) -> None:
        self._incarnations: dict[str, _Incarnation] = {}  # in the order of their start
        self._hurry = Hurry()
        self._faults: list[str] = []  # of starts that were broken off

    async def start(self, *specs: ActorSpec) -> None:
        """Start actors, together; may be called again with more of them.

        Raises:
            StartupError (or whatever an actor's `start` raised): those of this call that had
                started are stopped again.
            ValueError: two actors of one name.
        """
        names = [*self._incarnations, *(spec.name for spec in specs)]
        if len(set(names)) != len(names):
            raise ValueError("actor names must be unique")
        new = [_Incarnation(spec, self) for spec in specs]
        self._incarnations.update((each.spec.name, each) for each in new)
        try:
            # The first refusal ends all: the others may be waiting for just that actor.
            async with asyncio.TaskGroup() as group:
                for each in new:
                    group.create_task(each.start())
        except BaseExceptionGroup as refusals:
            self._faults += await self._end(new)
            raise refusals.exceptions[0] from refusals
        except BaseException:
            self._faults += await self._end(new)
            raise

    async def stop(self) -> list[str]:
        """See `Runtime.stop`; calls to what has stopped raise `ActorUnavailable`."""
        return self._faults + await self._end(list(self._incarnations.values()))

    def hurry(self) -> None:
        """See `Runtime.hurry`."""
        self._hurry.set()

    def restarts(self) -> dict[str, int]:
        """See `Runtime.restarts`; nothing is restarted here."""
        return {}

    async def _end(self, ending: list[_Incarnation]) -> list[str]:
        faults: list[str | None] = []
        for stage in Stage:
            of_stage = [
                each for each in reversed(ending) if each.actor.stage is stage and each.alive
            ]
            faults += await asyncio.gather(*(each.stop(self._hurry) for each in of_stage))
        for each in ending:
            self._incarnations.pop(each.spec.name, None)
        return [fault for fault in faults if fault is not None]

    async def restart(self, name: str, graceful: bool = False) -> None:
        """End an actor and start it anew with the same arguments; others keep their handles.

        Unless `graceful`, its `stop` is not called, as if its process had been killed: what it
        opened (sockets, files) is left to the garbage collector.

        Raises:
            KeyError: no such actor.
            Whatever `start` raised; the actor then stays dead, and may be restarted again.
        """
        old = self._incarnations[name]
        await (old.stop(self._hurry) if graceful else old.kill())
        new = self._incarnations[name] = _Incarnation(old.spec, self)
        await new.start()

    def ref(self, name: str) -> ActorRef:
        return InlineRef(name, self._incarnations)

    def instance(self, name: str) -> Actor:
        """The actor's object as it is now, for tests and debugging.

        Raises:
            KeyError: no such actor.
        """
        return self._incarnations[name].actor
