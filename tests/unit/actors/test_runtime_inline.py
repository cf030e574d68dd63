"""What is particular to the inline runtime; what it shares stands in `integration`."""

import asyncio

import pytest

from rookery.actors.runtime import Actor, ActorContext, ActorSpec
from rookery.actors.runtime_inline import InlineRuntime
from rookery.errors import ActorUnavailable, PortTaken


class Diary(Actor):
    """Writes down what happens to it."""

    def __init__(self, context: ActorContext, events: list[str]) -> None:
        super().__init__(context)
        self.events = events
        self.open = asyncio.Event()

    async def start(self) -> None:
        self.events.append(f"start {self.context.name}")
        self.spawn(self._live())

    async def stop(self) -> None:
        self.events.append(f"stop {self.context.name}")
        await super().stop()

    async def wait(self) -> str:
        await self.open.wait()
        self.events.append("waited")
        return "done"

    async def _live(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.events.append(f"end {self.context.name}")


class Refusing(Actor):
    async def start(self) -> None:
        await asyncio.sleep(0)
        raise PortTaken("port 80 is taken")


async def test_a_caller_that_is_cancelled_does_not_interrupt_the_actor() -> None:
    """As with a process: the call goes on."""
    events: list[str] = []
    runtime = InlineRuntime()
    await runtime.start(ActorSpec("a", Diary, (events,)))
    call = asyncio.create_task(runtime.ref("a").call("wait"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    actor = runtime.instance("a")
    assert isinstance(actor, Diary)
    actor.open.set()
    await asyncio.sleep(0)
    assert events[-1] == "waited"
    await runtime.stop()


async def test_restart_is_abrupt() -> None:
    """Background tasks end, `stop` is not called, and there is a new instance."""
    events: list[str] = []
    runtime = InlineRuntime()
    await runtime.start(ActorSpec("a", Diary, (events,)))
    await asyncio.sleep(0)
    old = runtime.instance("a")
    await runtime.restart("a")
    assert events == ["start a", "end a", "start a"]
    assert runtime.instance("a") is not old
    await runtime.stop()


async def test_graceful_restart_calls_stop() -> None:
    """For tests of an orderly end."""
    events: list[str] = []
    runtime = InlineRuntime()
    await runtime.start(ActorSpec("a", Diary, (events,)))
    await asyncio.sleep(0)
    await runtime.restart("a", graceful=True)
    assert events == ["start a", "stop a", "end a", "start a"]
    await runtime.stop()


async def test_a_refused_start_stops_the_actors_started_with_it() -> None:
    """Those of an earlier `start` stay, and the names can be used again."""
    events: list[str] = []
    runtime = InlineRuntime()
    await runtime.start(ActorSpec("first", Diary, (events,)))
    with pytest.raises(PortTaken):
        await runtime.start(ActorSpec("a", Diary, (events,)), ActorSpec("b", Refusing))
    assert "stop a" in events
    assert await runtime.ref("first").call("ping") == "first"
    with pytest.raises(ActorUnavailable):
        await runtime.ref("a").call("ping")
    await runtime.start(ActorSpec("a", Diary, (events,)))
    await runtime.stop()


async def test_names_are_unique() -> None:
    """Two actors of one name would take each other's calls."""
    runtime = InlineRuntime()
    with pytest.raises(ValueError, match="unique"):
        await runtime.start(ActorSpec("a", Actor), ActorSpec("a", Actor))
