"""Each actor as a Ray actor: a process of its own, supervised, on one machine or a cluster.

The only module that imports Ray, and nobody imports it at module level, so that whoever runs
without Ray starts without its second of imports.

A plain `Actor` is wrapped in a shell with one method, through which every call goes as bytes
that we pickle ourselves: Ray's own serialisation of structured arguments costs four times as
much for a batch of a thousand, and its errors change class on the way.
"""

import asyncio
import atexit
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import structlog

# Ray reads its environment when it is imported, and its processes inherit it. What the operator
# has set wins.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; silences its announcement
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray prints to this terminal is in its logs as well
    # A dead node is noticed within 2.5 s instead of 16 s.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    # Batches up to 4 MiB travel within the call: above 100 KiB Ray's detour through the object
    # store doubles the time of a call.
    "RAY_max_direct_call_object_size": str(4 * 2**20),
    # A call under way when its actor dies fails within 0.9 s instead of 2 s.
    "RAY_timeout_ms_task_wait_for_death_info": "100",
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray._private import ray_constants  # noqa: E402
from ray.exceptions import ActorDiedError, RayError, RayTaskError  # noqa: E402

from rookery.actors.runtime import Actor, ActorContext, ActorRef, ActorSpec  # noqa: E402
from rookery.errors import ActorUnavailable, PortTaken, RookeryError, StartupError  # noqa: E402

log = structlog.get_logger(__name__)

# Calls at once in one actor; its callers coalesce, so that this is never the limit.
MAX_CONCURRENCY = 10_000
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 10.0
SHUTDOWN_S = 2.5

# Waits for the end of its input, which is our end, however it comes; then ends whatever of Ray's
# processes has not ended by itself.
GUARD = """
read -r _
sleep 2
for pid in "$@"; do grep -aqs '^ray' "/proc/$pid/cmdline" && kill -9 "$pid"; done
"""


@dataclass(frozen=True)
class RayOptions:
    """How to run or find Ray.

    `address`: of a cluster to join; None starts one on this machine, reachable from it only.
    `dashboard_token`: whether the dashboard and Ray's own ports ask for the token in
        `~/.ray/auth_token` (see `ray get-auth-token`). Without it every user of this machine
        can run code as this one. Only for a Ray that is started here; `RAY_AUTH_MODE` wins.
    `metrics_port`: where Prometheus scrapes this node; None lets Ray choose.
    `directory`: where Ray keeps its sessions and logs (`session_latest/logs`); at most 60
        characters, since sockets lie there too. None is Ray's default, `/tmp/ray`.
    `stop_s`: how long all actors together may take to stop in order.
    """

    address: str | None = None
    namespace: str = "rookery"
    num_cpus: int | None = None
    dashboard: bool = True
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 8265
    dashboard_token: bool = True
    metrics_port: int | None = None
    directory: str | None = None
    object_store_bytes: int = 128 * 2**20
    figures_every_s: float = 5.0
    stop_s: float = 2.0


class _Shell:
    """The Ray actor around an `Actor`; subclassed once per actor class, for its name."""

    # Signature fixed by Ray: an async __init__ is awaited on the actor's loop.
    async def __init__(self, spec: ActorSpec, namespace: str, figures_every_s: float) -> None:  # type: ignore[misc]
        self._spec = spec
        self._context = ActorContext(spec.name, RayDirectory(namespace))
        self._actor: Actor | None = None
        self._refusal: BaseException | None = None
        self._figures_every_s = figures_every_s
        if _is_restart():
            await self._start_again()
        else:
            try:
                await self._start()
            except Exception as error:  # reported by `begin` to who started it
                self._refusal = error
        self._reporter = asyncio.get_running_loop().create_task(self._report())

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
        return _encode_error(self._refusal) if self._refusal else _encode(None)

    async def call(self, request: bytes) -> bytes:
        actor = self._actor
        if actor is None:
            return _encode_error(ActorUnavailable())
        try:
            method, args = pickle.loads(request)
            return _encode(await getattr(actor, method)(*args))
        except RookeryError as error:
            return _encode_error(error)
        except Exception as error:
            log.exception("call failed", actor=self._spec.name)
            return _encode_error(error)

    async def stop(self) -> None:
        self._reporter.cancel()
        if self._actor is not None:
            actor, self._actor = self._actor, None
            await actor.stop()

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


def _encode(result: object) -> bytes:
    return pickle.dumps((True, result), 5)


def _encode_error(error: BaseException) -> bytes:
    try:
        encoded = pickle.dumps((False, error), 5)
        pickle.loads(encoded)  # many an exception can be pickled but not unpickled
    except Exception:
        return pickle.dumps((False, RookeryError(f"An actor failed: {type(error).__name__}")), 5)
    return encoded


def _decode(reply: bytes) -> Any:
    succeeded, value = pickle.loads(reply)
    if succeeded:
        return value
    raise value


class RayRef:
    """A handle to a named Ray actor, looked up at the first call and after a final death."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._handle: Any = None

    @property
    def name(self) -> str:
        return self._name

    async def call(self, method: str, /, *args: Any) -> Any:
        handle = self._handle
        try:
            if handle is None:
                handle = self._handle = await asyncio.to_thread(
                    ray.get_actor, self._name, namespace=self._namespace
                )
            reply = await handle.call.remote(pickle.dumps((method, args), 5))
        except ActorDiedError as error:
            if self._handle is handle:
                self._handle = None
            raise ActorUnavailable() from error
        except RayTaskError as error:
            raise error.cause from error
        except (RayError, ValueError) as error:  # ValueError: no actor of this name
            raise ActorUnavailable() from error
        return _decode(reply)

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


class RayRuntime:
    """A `Runtime` whose actors are processes.

    If this process is connected to Ray already, that connection is used and left alone at `stop`.
    """

    def __init__(self, options: RayOptions | None = None) -> None:
        self._options = options or RayOptions()
        self._directory = RayDirectory(self._options.namespace)
        self._handles: dict[str, Any] = {}  # in the order of their start
        self._connection: RayConnection | None = None

    async def start(self, *specs: ActorSpec) -> None:
        """Start actors, together; may be called again with more of them.

        The first time this connects to Ray, which blocks the event loop for some seconds.

        Raises:
            StartupError (or whatever an actor's `start` raised): those of this call are ended.
            ValueError: an actor of this name is alive.
        """
        if not ray.is_initialized():
            self._connection = connect(self._options)
        new: dict[str, Any] = {}
        try:
            for spec in specs:
                new[spec.name] = self._create(spec)
            begun = (_begin(handle) for handle in new.values())
            done = await asyncio.gather(*begun, return_exceptions=True)
            for outcome in done:
                if isinstance(outcome, BaseException):
                    raise outcome
        except BaseException:
            await self._end(new)
            raise
        self._handles.update(new)

    async def stop(self) -> None:
        """Stop all actors, the last started first, and Ray itself if `start` started it."""
        handles, self._handles = self._handles, {}
        await self._end(handles)
        if self._connection is not None:
            await asyncio.to_thread(self._connection.close)
            self._connection = None

    def ref(self, name: str) -> ActorRef:
        return self._directory.ref(name)

    def _create(self, spec: ActorSpec) -> Any:
        shell = type(spec.cls.__name__, (_Shell,), {"__module__": spec.cls.__module__})
        cpus = {**spec.resources}
        options: dict[str, Any] = {
            "name": spec.name,
            "namespace": self._options.namespace,
            "num_cpus": cpus.pop("CPU", 0),
            "resources": cpus,
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": MAX_CONCURRENCY,
        }
        actor_class: Any = ray.remote(shell)
        return actor_class.options(**options).remote(
            spec, self._options.namespace, self._options.figures_every_s
        )

    async def _end(self, handles: dict[str, Any]) -> None:
        """Let each stop in order, the last started first, and kill them all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.stop_s):
                for name, handle in reversed(handles.items()):
                    try:
                        await handle.stop.remote()
                    except RayError as error:
                        log.warning("actor did not stop in order", actor=name, exc_info=error)
        await asyncio.to_thread(_finishes, lambda: _kill(handles.values()), self._options.stop_s)


def _kill(handles: Iterable[Any]) -> None:
    for handle in handles:
        ray.kill(handle, no_restart=True)


async def _begin(handle: Any) -> None:
    try:
        reply = await handle.begin.remote()
    except RayError as error:
        raise StartupError("An actor's process could not be started; see Ray's logs") from error
    _decode(reply)


def connect(options: RayOptions) -> "RayConnection":
    """Connect this process to Ray, starting it unless `options.address` names one.

    Must run in the main thread: Ray's processes die with the thread that started them.

    Raises:
        PortTaken: something listens on the dashboard's port.
        StartupError: Ray cannot be started or reached.
    """
    common: dict[str, Any] = {
        "namespace": options.namespace,
        "logging_level": "CRITICAL",
        "log_to_driver": False,
    }
    if options.address is not None:
        place: dict[str, Any] = {"address": options.address}
    else:
        _keep_to_loopback()
        _prepare_authentication(options.dashboard_token)
        if options.dashboard:
            _check_port(options.dashboard_host, options.dashboard_port)
        place = {
            "address": "local",
            "num_cpus": options.num_cpus,
            "object_store_memory": options.object_store_bytes,
            "include_dashboard": options.dashboard,
            "dashboard_host": options.dashboard_host,
            "dashboard_port": options.dashboard_port,
            "_metrics_export_port": options.metrics_port,
            "_temp_dir": options.directory,
        }
    # Ray puts its own handler in place, which would end the process without our orderly stop.
    this = psutil.Process()
    others = set(this.children())
    in_main = threading.current_thread() is threading.main_thread()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**place, **common)
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise StartupError(f"Ray does not start: {error}") from error
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, on_sigterm)
    return RayConnection([child for child in this.children() if child not in others])


class RayConnection:
    """This process's connection to Ray, and the processes that were started for it, if any."""

    def __init__(self, started: list[psutil.Process]) -> None:
        self._started = started
        # Should this process be killed, the kernel ends the processes it started, but their
        # agents would live on for a minute: something else has to outlive us and end them.
        self._guard: subprocess.Popen[bytes] | None = None
        agents = [str(process.pid) for process in self._all() - set(started)]
        if agents and sys.platform == "linux":
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "rookery-guard", *agents],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def close(self) -> None:
        """End the connection and what was started for it; returns when all of it is gone.

        Bounded in time also where Ray's own shutdown is not: once its control process is dead (a
        service manager may send SIGTERM to the whole group), that waits for it for a minute.
        """
        processes = self._all()
        if not _finishes(ray.shutdown, SHUTDOWN_S):
            log.warning("ray does not shut down in order")
            atexit.unregister(ray.shutdown)
        # Ray leaves it to the dashboard's own children to notice that their parent is gone.
        for process in filter(_is_alive, processes):
            with suppress(psutil.Error):
                process.kill()
        until = time.monotonic() + 1.0
        while any(map(_is_alive, processes)) and time.monotonic() < until:
            time.sleep(0.02)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()

    def _all(self) -> set[psutil.Process]:
        processes = set(self._started)
        for process in self._started:
            with suppress(psutil.Error):
                processes.update(process.children(recursive=True))
        return processes


def _finishes(function: Callable[[], object], within_s: float) -> bool:
    """Run `function` in a thread that may be left behind; whether it came to an end in time."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(within_s)
    return not thread.is_alive()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Ray's dashboard cannot listen on {host}:{port} ({error.strerror});"
                " choose another port for it"
            ) from error


def _keep_to_loopback() -> None:
    """Let Ray's processes listen on 127.0.0.1 only.

    Ray replaces a loopback `_node_ip_address` by the machine's outer address, and listens on all
    interfaces, unless clusters are off, which this switch does on Linux as well.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"  # for the processes it starts
    ray_constants.ENABLE_RAY_CLUSTER = False  # for this one, which has read it already


def _prepare_authentication(token: bool) -> None:
    """Turn Ray's authentication on or off; the token file is readable by its owner only."""
    if not token:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        return
    # Left unset, Ray turns it on for a cluster it starts, but makes the file readable by all.
    if os.environ.keys() & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        return
    path = Path.home() / ".ray" / "auth_token"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), open(path, "x", opener=_private) as file:
        file.write(token_hex(32))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def dashboard_url() -> str:
    """The address of the dashboard of the Ray this process is connected to."""
    node: Any = ray._private.worker._global_node
    return f"http://{node.webui_url}"
