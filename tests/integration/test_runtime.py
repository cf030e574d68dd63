"""What every runtime promises, over both of them, and what is particular to Ray."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
from structlog.testing import capture_logs

from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Actor, ActorContext, ActorSpec, Runtime, Stage
from rookery.actors.runtime_inline import InlineRuntime
from rookery.errors import ActorUnavailable, InvalidText, PortTaken, RookeryError, StoreUnavailable

WITHIN_S = 15.0


class Counter(Actor):
    """Counts, waits, fails, and knows others by name."""

    def __init__(self, context: ActorContext, diary: Path | None = None) -> None:
        super().__init__(context)
        self.diary = diary
        self.count = 0
        self.open = asyncio.Event()

    async def stop(self) -> None:
        if self.diary is not None:
            with self.diary.open("a") as file:
                file.write(f"{self.context.name}\n")
        await super().stop()

    def figures(self) -> Mapping[str, float]:
        return {"counted": float(self.count)}

    async def add(self, numbers: list[int]) -> list[int]:
        self.count += len(numbers)
        return [number * 10 for number in numbers]

    async def counted(self) -> int:
        return self.count

    async def wait(self) -> str:
        await self.open.wait()
        return "waited"

    async def release(self) -> None:
        self.open.set()

    async def ping_other(self, name: str) -> str:
        answer: str = await self.context.directory.ref(name).call("ping")
        return answer

    async def fail(self, kind: str) -> None:
        if kind == "text":
            raise InvalidText("too long", "text_too_long")
        if kind == "foreign":
            raise KeyError(kind)
        raise Unpicklable(socket.socket())

    async def pid(self) -> int:
        return os.getpid()


class Showing(Counter):
    stage = Stage.SURFACE


class Keeping(Counter):
    stage = Stage.STORE


class Stuck(Counter):
    """Never stops by itself."""

    stage = Stage.SURFACE
    stop_s = 0.3

    async def stop(self) -> None:
        await asyncio.Event().wait()


class Unclosable(Actor):
    stage = Stage.STORE

    async def stop(self) -> None:
        raise StoreUnavailable("the log stays")


class Unpicklable(Exception):
    """Holds something that cannot leave its process."""


class Refusing(Actor):
    async def start(self) -> None:
        raise PortTaken("port 80 is taken")


class Reluctant(Actor):
    """Refuses to start as often as a file has lines."""

    def __init__(self, context: ActorContext, refusals: Path) -> None:
        super().__init__(context)
        self.refusals = refusals

    async def start(self) -> None:
        if left := self.refusals.read_text().splitlines():
            self.refusals.write_text("\n".join(left[1:]))
            raise PortTaken("port 80 is still taken")

    async def pid(self) -> int:
        return os.getpid()


class World:
    """A runtime, and how to kill one of its actors."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._kills: set[asyncio.Task[None]] = set()

    async def kill(self, name: str) -> None:
        """Kill an actor; returns before it is back."""
        if isinstance(self.runtime, InlineRuntime):
            self._kills.add(asyncio.create_task(self.runtime.restart(name)))
            await asyncio.sleep(0)
        else:
            os.kill(await self.runtime.ref(name).call("pid"), signal.SIGKILL)


@pytest.fixture(params=["inline", pytest.param("ray", marks=pytest.mark.ray)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    runtime: Runtime = InlineRuntime()
    if request.param == "ray":
        request.getfixturevalue("ray_session")
        from rookery.actors.runtime_ray import RayOptions, RayRuntime

        runtime = RayRuntime(RayOptions(figures_every_s=0.2))
    yield World(runtime)
    await runtime.stop()


async def eventually(condition: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result of `condition`, which may raise `ActorUnavailable` until then."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        with suppress(ActorUnavailable):
            if result := await condition():
                return result
        await asyncio.sleep(0.02)
    raise AssertionError("did not come true in time")


async def test_calls_run_concurrently_and_errors_keep_their_class(world: World) -> None:
    """A call that waits holds up no other; an error arrives as it was raised."""
    await world.runtime.start(ActorSpec("counter", Counter))
    ref = world.runtime.ref("counter")
    waiting = asyncio.create_task(ref.call("wait"))
    assert await ref.call("add", [1, 2]) == [10, 20]
    await ref.call("release")
    assert await waiting == "waited"
    with pytest.raises(InvalidText) as text:
        await ref.call("fail", "text")
    assert (type(text.value), text.value.code, str(text.value)) == (
        InvalidText,
        "text_too_long",
        "too long",
    )
    with pytest.raises(KeyError) as foreign:
        await ref.call("fail", "foreign")
    assert type(foreign.value) is KeyError


async def test_an_actor_that_does_not_exist_is_unavailable(world: World) -> None:
    """A reference needs no actor; a call does."""
    await world.runtime.start()
    with pytest.raises(ActorUnavailable):
        await world.runtime.ref("nobody").call("ping")


async def test_actors_find_each_other_by_name(world: World) -> None:
    """The directory in an actor's context is as good as the runtime."""
    await world.runtime.start(ActorSpec("one", Counter), ActorSpec("two", Counter))
    assert await world.runtime.ref("one").call("ping_other", "two") == "two"
    with pytest.raises(ActorUnavailable):
        await world.runtime.ref("one").call("ping_other", "three")


async def test_a_killed_actor_comes_back_and_its_calls_are_told(world: World) -> None:
    """A call under way fails as `ActorUnavailable`; the next life starts from nothing."""
    await world.runtime.start(ActorSpec("counter", Counter))
    ref = world.runtime.ref("counter")
    await ref.call("add", [1])
    waiting = asyncio.create_task(ref.call("wait"))
    assert await ref.call("counted") == 1  # by now the call before it has begun
    await world.kill("counter")
    with pytest.raises(ActorUnavailable):
        async with asyncio.timeout(WITHIN_S):
            await waiting
    assert await eventually(lambda: ref.call("ping")) == "counter"
    assert await ref.call("counted") == 0


async def test_a_retrying_coalescer_rides_out_a_restart(world: World) -> None:
    """Whoever submits to an actor that is killed notices nothing but the delay."""
    await world.runtime.start(ActorSpec("counter", Counter))
    ref = world.runtime.ref("counter")

    kills = 0

    async def call(numbers: list[int]) -> list[int]:
        nonlocal kills
        if numbers == [5] and not kills:
            kills += 1
            await world.kill("counter")
        results: list[int] = await ref.call("add", numbers)
        return results

    coalescer: Coalescer[int, int] = Coalescer(call, name="t", deadline_s=WITHIN_S, retry=True)
    for number in range(10):
        assert await coalescer.submit(number) == number * 10
    assert kills == 1
    assert await ref.call("counted") < 10  # it did begin anew
    await coalescer.aclose()


async def test_a_refused_start_arrives_as_it_was_raised(world: World) -> None:
    """The program ends with the reason, and none of the actors started with it is left."""
    with pytest.raises(PortTaken, match="port 80 is taken"):
        await world.runtime.start(ActorSpec("good", Counter), ActorSpec("bad", Refusing))
    for name in ("good", "bad"):
        with pytest.raises(ActorUnavailable):
            await world.runtime.ref(name).call("ping")


async def test_stop_goes_stage_by_stage(world: World, tmp_path: Path) -> None:
    """Surfaces stop before the rest, the store last, and calls are refused after it."""
    diary = tmp_path / "diary"
    await world.runtime.start(ActorSpec("store", Keeping, (diary,)))
    await world.runtime.start(
        ActorSpec("inner", Counter, (diary,)), ActorSpec("surface", Showing, (diary,))
    )
    ref = world.runtime.ref("inner")
    assert await ref.call("ping") == "inner"
    assert await world.runtime.stop() == []
    assert diary.read_text().split() == ["surface", "inner", "store"]
    with pytest.raises(ActorUnavailable):
        await ref.call("ping")


async def test_a_slow_actor_uses_up_no_other_ones_time(world: World, tmp_path: Path) -> None:
    """It is killed when its own time is over, which is told; the store still stops in order."""
    diary = tmp_path / "diary"
    await world.runtime.start(ActorSpec("store", Keeping, (diary,)))
    await world.runtime.start(*(ActorSpec(f"stuck-{n}", Stuck, (diary,)) for n in range(3)))
    faults = await world.runtime.stop()
    assert diary.read_text().split() == ["store"]
    assert sorted(fault.split()[0] for fault in faults) == ["stuck-0", "stuck-1", "stuck-2"]


async def test_a_store_that_does_not_close_in_order_is_told(world: World) -> None:
    """Whoever stops the server learns why, and can say so."""
    await world.runtime.start(ActorSpec("store", Unclosable))
    (fault,) = await world.runtime.stop()
    assert fault == "store did not stop in order: the log stays"


async def test_a_name_is_usable_again_after_stop(world: World) -> None:
    """A handle finds the new actor of its name."""
    await world.runtime.start(ActorSpec("counter", Counter))
    ref = world.runtime.ref("counter")
    await ref.call("add", [1])
    await world.runtime.stop()
    await world.runtime.start(ActorSpec("counter", Counter))
    assert await eventually(lambda: ref.call("ping")) == "counter"
    assert await ref.call("counted") == 0


@pytest.mark.ray
async def test_an_error_that_cannot_be_pickled_is_a_fault_of_ours(ray_session: None) -> None:
    """It names the class of what went wrong, and does not take the actor with it."""
    from rookery.actors.runtime_ray import RayRuntime

    runtime = RayRuntime()
    await runtime.start(ActorSpec("counter", Counter))
    with pytest.raises(RookeryError, match="Unpicklable"):
        await runtime.ref("counter").call("fail", "unpicklable")
    assert await runtime.ref("counter").call("ping") == "counter"
    await runtime.stop()


@pytest.mark.ray
async def test_a_refusal_after_a_restart_is_tried_again(ray_session: None, tmp_path: Path) -> None:
    """Ray would give an actor up whose constructor raises once."""
    from rookery.actors.runtime_ray import RayRuntime

    refusals = tmp_path / "refusals"
    refusals.write_text("")
    runtime = RayRuntime()
    await runtime.start(ActorSpec("reluctant", Reluctant, (refusals,)))
    ref = runtime.ref("reluctant")
    refusals.write_text("once")
    os.kill(await ref.call("pid"), signal.SIGKILL)

    async def is_back() -> bool:
        return await ref.call("ping") == "reluctant" and not refusals.read_text()

    await eventually(is_back)
    await runtime.stop()


@pytest.mark.ray
async def test_another_process_of_the_same_build_takes_actors_over(ray_session: None) -> None:
    """They have lost nothing, live on its account from then on, and end with its stop."""
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    former, later = (RayRuntime(RayOptions(namespace="heirs", build="one")) for _ in range(2))
    await former.start(ActorSpec("a", Counter))
    await former.ref("a").call("add", [1, 2])
    former.abandon()
    await former.stop()
    (node,) = await later.nodes()
    assert await later.adopt() == {"a": node.id}
    assert await later.ref("a").call("counted") == 2
    await later.stop()
    assert await later.adopt() == {}


@pytest.mark.ray
async def test_actors_of_another_build_are_ended(ray_session: None) -> None:
    """Their names are free then; those of other namespaces are left alone."""
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    former = RayRuntime(RayOptions(namespace="heirs", build="one"))
    stranger = RayRuntime(RayOptions(namespace="strangers", build="one"))
    await former.start(ActorSpec("a", Counter))
    await stranger.start(ActorSpec("a", Counter))
    await former.ref("a").call("add", [1, 2])
    former.abandon()
    later = RayRuntime(RayOptions(namespace="heirs", build="two"))
    assert await later.adopt() == {}
    await later.start(ActorSpec("a", Counter))
    assert await later.ref("a").call("counted") == 0
    assert await stranger.ref("a").call("ping") == "a"
    for runtime in (later, stranger):
        await runtime.stop()


@pytest.mark.ray
async def test_figures_are_exported_as_metrics(ray_session: None) -> None:
    """Ray's endpoint for Prometheus has a gauge per figure, with the actor's name."""
    import ray

    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    runtime = RayRuntime(RayOptions(figures_every_s=0.2))
    await runtime.start(ActorSpec("Counter-7", Counter))
    await runtime.ref("Counter-7").call("add", [1, 2, 3])
    (node,) = ray.nodes()  # type: ignore[no-untyped-call]
    url = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"

    def is_exported() -> bool:
        with urllib.request.urlopen(url) as response:
            lines = response.read().decode().splitlines()
        return any(
            line.startswith("ray_rookery_counted{")
            and 'actor="Counter-7"' in line
            and line.endswith(" 3.0")
            for line in lines
        )

    await eventually(lambda: asyncio.to_thread(is_exported))
    await runtime.stop()


class Program:
    """A program with a Ray of its own, in a process group of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        script = Path(__file__).with_name("interruptible_program.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(port)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pids = self.read()["pids"]
        self.others = [psutil.Process(pid) for pid in self.pids]

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()

    def wait_until_all_are_gone(self) -> None:
        until = time.monotonic() + WITHIN_S
        while left := [each for each in self.others if _is_alive(each)]:
            assert time.monotonic() < until, left
            time.sleep(0.02)


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.ray
def test_an_interrupt_reaches_only_the_program_and_its_stop_leaves_nothing() -> None:
    """Ctrl-C goes to the whole process group; the actors live on until they are stopped."""
    with Program() as program:
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.read() == {"ping": "actor"}
        stopped = program.read()
        assert stopped["stop_s"] < 5.0
        assert stopped["alive"] == []
        assert program.process.wait(WITHIN_S) == 0
        program.wait_until_all_are_gone()


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_program_takes_ray_with_it() -> None:
    """No process of a program that was killed lives on."""
    with Program() as program:
        program.process.kill()
        program.process.wait(WITHIN_S)
        program.wait_until_all_are_gone()


@pytest.mark.ray
async def test_a_death_and_a_restart_are_in_the_log(ray_session: None) -> None:
    """By name, with the reason and what happens next; and they are counted."""
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    runtime = RayRuntime(RayOptions(namespace="deaths"))
    with capture_logs() as logs:
        await runtime.start(ActorSpec("counter", Counter), ActorSpec("other", Counter))
        os.kill(await runtime.ref("counter").call("pid"), signal.SIGKILL)

        async def is_counted() -> bool:
            return runtime.restarts() == {"counter": 1, "other": 0}

        await eventually(is_counted)
        await runtime.stop()
    died, restarted = logs
    assert (died["event"], died["actor"], died["log_level"]) == ("actor died", "counter", "warning")
    assert died["reason"] and died["next"] == "Ray restarts it"
    assert (restarted["event"], restarted["actor"]) == ("actor restarted", "counter")
