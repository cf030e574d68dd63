"""Does to a deployment what a schedule says, and sees that it took effect."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Protocol

import msgspec
import psutil

from tests.chaos.process import is_alive
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Injection
from tests.integration.server.world import until

FOUND_WITHIN_S = 20.0
"""An actor that was killed just before is back by then."""
REPLACED_WITHIN_S = 30.0
GONE_WITHIN_S = 5.0
AFTERMATH_S = 1.0
"""So long after a harm others may not know yet that it is over."""


class Site(Protocol):
    """What can be harmed."""

    async def pids(self) -> Mapping[str, int]:
        """The processes that are there now, by the names that schedules use."""
        ...

    def revivable(self, name: str) -> Callable[[], Awaitable[None]] | None:
        """How to start again what nobody else does; None where the server sees to it."""
        ...

    async def restart(self, name: str, *, at_work: bool = False) -> bool:
        """Let an actor that has no process of its own die; whether there is another one.

        `at_work`: after it has done something, and before it acknowledges that.
        """
        ...

    def proxy(self, name: str) -> Proxy: ...

    async def flush(self, name: str) -> int:
        """Make a service lose what it holds; how much that was."""
        ...

    async def kill_node(self) -> str:
        """Kill a whole node, and see it gone; what it was."""
        ...

    async def add_node(self) -> str:
        """Bring in another one, and see it serve; what it is."""
        ...


class Outcome(msgspec.Struct):
    """What an injection came to. Times are `time.monotonic`."""

    injection: Injection
    began_s: float
    ended_s: float = 0.0
    """When the harm was over: the process was gone, went on, or there was room again."""
    over_s: float = inf
    """When all was as before: another process was in place, too."""
    effect: str = ""
    took_effect: bool = False
    replaced_s: float | None = None


class Injector:
    """`refusals` counts posts that were refused for want of room (of a prober that asks on)."""

    def __init__(self, site: Site, refusals: Callable[[], int]) -> None:
        self._site = site
        self._refusals = refusals
        self._outcomes: list[Outcome] = []
        self._acts = {
            "kill": self._kill,
            "restart": self._restart,
            "interrupt": self._interrupt,
            "pause": self._pause,
            "fill disk of": self._fill_disk,
            "refuse": self._refuse,
            "hang": self._hang,
            "flush": self._flush,
            "lose": self._lose,
        }

    async def carry_out(self, injection: Injection) -> Outcome:
        """Do it, and return when it is over and what was killed is back.

        Raises nothing: what did not take effect says so.
        """
        outcome = Outcome(injection, time.monotonic())
        self._outcomes.append(outcome)
        try:
            await self._acts[injection.kind](injection, outcome)
        except (AssertionError, OSError, psutil.Error) as error:
            outcome.effect = f"no effect: {error!r}"
            outcome.took_effect = False
        outcome.over_s = time.monotonic()
        outcome.ended_s = outcome.ended_s or outcome.over_s
        return outcome

    def was_calm(self, from_s: float, to_s: float) -> bool:
        """Whether nothing was harmed, nor recovering, at any time from `from_s` to `to_s`."""
        return not any(
            each.began_s <= to_s and each.over_s + AFTERMATH_S > from_s for each in self._outcomes
        )

    async def _victim(self, name: str) -> psutil.Process:
        found: list[int] = []

        async def is_there() -> bool:
            pid = (await self._site.pids()).get(name)
            found[:] = [] if pid is None else [pid]
            return pid is not None

        await until(is_there, within_s=FOUND_WITHIN_S, what=f"a process of {name}")
        return psutil.Process(found[0])

    async def _kill(self, injection: Injection, outcome: Outcome) -> None:
        name = injection.target
        victim = await self._victim(name)
        before = {**await self._site.pids(), name: victim.pid}
        outcome.began_s = time.monotonic()
        victim.kill()
        await until(_is(lambda: not is_alive(victim)), within_s=GONE_WITHIN_S, what="its death")
        outcome.effect, outcome.took_effect = f"pid {victim.pid} gone", True
        revive = self._site.revivable(name)
        if revive is not None:
            await asyncio.sleep(injection.lasts_s)
            await revive()
        outcome.ended_s = time.monotonic()

        await until(
            lambda: self._successor(name, before),
            within_s=REPLACED_WITHIN_S,
            what=f"another {name}",
        )
        outcome.replaced_s = time.monotonic()
        outcome.effect += f", pid {await self._successor(name, before)} in its place"

    async def _successor(self, name: str, before: Mapping[str, int]) -> int | None:
        """The process that does the work of a dead one.

        If a node died too, that may be another one of its kind.
        """
        present = await self._site.pids()
        if name in before and name in present:
            return present[name] if present[name] != before[name] else None
        kind = name.partition("-")[0]
        new = [pid for each, pid in present.items() if each.startswith(kind)]
        return next((pid for pid in new if pid not in before.values()), None)

    async def _interrupt(self, injection: Injection, outcome: Outcome) -> None:
        await self._restart(injection, outcome, at_work=True)

    async def _restart(
        self, injection: Injection, outcome: Outcome, *, at_work: bool = False
    ) -> None:
        outcome.took_effect = await self._site.restart(injection.target, at_work=at_work)
        outcome.effect = "another in its place"
        outcome.ended_s = outcome.replaced_s = time.monotonic()

    async def _pause(self, injection: Injection, outcome: Outcome) -> None:
        victim = await self._victim(injection.target)
        outcome.began_s = time.monotonic()
        victim.suspend()
        try:
            is_stopped = _is(lambda: victim.status() == psutil.STATUS_STOPPED)
            await until(is_stopped, within_s=1.0, what="state T")
            outcome.effect, outcome.took_effect = f"pid {victim.pid} in state T", True
            await asyncio.sleep(injection.lasts_s)
        finally:
            with suppress(psutil.NoSuchProcess):  # it may be killed while it pauses
                victim.resume()
            outcome.ended_s = time.monotonic()

    async def _fill_disk(self, injection: Injection, outcome: Outcome) -> None:
        """No file of the process may grow any more, which it cannot tell from a full disk."""
        victim = await self._victim(injection.target)
        before = self._refusals()
        outcome.began_s = time.monotonic()
        async with _no_room(victim.pid):
            await asyncio.sleep(injection.lasts_s)
            refused = _is(lambda: self._refusals() > before)
            await until(refused, within_s=GONE_WITHIN_S, what="a refused post")
        outcome.ended_s = time.monotonic()
        outcome.took_effect = True
        outcome.effect = f"{self._refusals() - before} posts refused for want of room"

    async def _refuse(self, injection: Injection, outcome: Outcome) -> None:
        proxy = self._site.proxy(injection.target)
        before = proxy.refused
        proxy.refuse()
        await self._impaired(proxy, injection, lambda: proxy.refused - before)
        outcome.ended_s = time.monotonic()
        outcome.took_effect = True
        outcome.effect = f"{proxy.refused - before} connections refused"

    async def _hang(self, injection: Injection, outcome: Outcome) -> None:
        proxy = self._site.proxy(injection.target)
        before = proxy.held_bytes
        proxy.hang()
        await self._impaired(proxy, injection, lambda: proxy.held_bytes - before)
        outcome.ended_s = time.monotonic()
        outcome.took_effect = True
        outcome.effect = f"{proxy.held_bytes - before} bytes held back"

    async def _impaired(
        self, proxy: Proxy, injection: Injection, effect: Callable[[], int]
    ) -> None:
        try:
            await asyncio.sleep(injection.lasts_s)
            await until(_is(effect), within_s=GONE_WITHIN_S, what="a connection that notices")
        finally:
            proxy.restore()

    async def _flush(self, injection: Injection, outcome: Outcome) -> None:
        held = await self._site.flush(injection.target)
        outcome.took_effect = held > 0
        outcome.effect = f"{held} keys lost"

    async def _lose(self, injection: Injection, outcome: Outcome) -> None:
        """A whole node."""
        outcome.effect = f"{await self._site.kill_node()} gone"
        outcome.took_effect = True
        outcome.ended_s = time.monotonic()
        await asyncio.sleep(injection.lasts_s)
        outcome.effect += f", {await self._site.add_node()} in its place"
        outcome.replaced_s = time.monotonic()


@asynccontextmanager
async def _no_room(pid: int) -> AsyncIterator[None]:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def _is(condition: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def asked() -> object:
        return condition()

    return asked
