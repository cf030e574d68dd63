"""The Ray actor around an `Actor`, in that actor's process."""

import asyncio
import sys
import warnings

import ray
import structlog

from rookery import security_log
from rookery.actors.calls import read_request, write_error, write_result
from rookery.actors.channel import MAX_FRAME_BYTES, Address, ChannelServer
from rookery.actors.runtime import Actor, ActorContext, ActorSpec, collect_rarely
from rookery.actors.runtime_ray_cluster import RayOptions
from rookery.actors.runtime_ray_refs import RayDirectory
from rookery.capacity import return_freed_memory
from rookery.errors import ActorUnavailable, RookeryError
from rookery.logs import configure
from rookery.permissions import keep_private

log = structlog.get_logger(__name__)

SWITCH_INTERVAL_S = 0.0005
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0


class Shell:
    """Starts, calls and stops one `Actor`. Subclassed once per actor class, for its name."""

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
