"""Starting, finding and leaving Ray, and the settings it must be started with.

With `runtime_ray` the only module that imports Ray; imported by nobody else.
"""

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
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
    # Ray's workers yield to everything else on the machine (niceness 15); ours are the service.
    "RAY_worker_niceness": "0",
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
    # Without the head a node goes on by itself for so long.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    # The C library keeps what a thread has freed for this thread and a few others. An actor's
    # thread that reads the store frees much: a third of a warm timeline's memory was that.
    "MALLOC_ARENA_MAX": "2",
}.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray._private import ray_constants  # noqa: E402
from ray.exceptions import RayError  # noqa: E402

from rookery.actors.runtime_ray_folder import SessionFolder  # noqa: E402
from rookery.errors import PortTaken, StartupError  # noqa: E402
from rookery.permissions import FILE_MODE, open_private  # noqa: E402

log = structlog.get_logger(__name__)

SHUTDOWN_S = 2.5
KEEP_HANDLER_S = 0.05
BREAK_OFF_S = 1.5
BREAK_OFF_LOOK_S = 0.05

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
    `directory`: where Ray keeps its sessions and logs (`session_latest/logs`), closed to other
        users; None is a folder that ends with the connection. Only for a Ray that is started here.
    `figures_every_s`: how often the actors' figures are exported; `log_level`: what they log;
        `security_log_file`: where they log what concerns security, empty for stderr.
    `build`: what another process must have been started with to take the actors over, should this
        one die; empty: they die with it.
    """

    address: str | None = None
    namespace: str = "rookery"
    num_cpus: int | None = None
    dashboard: bool = True
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 8265
    dashboard_token: bool = True
    metrics_port: int | None = None
    directory: Path | None = None
    object_store_bytes: int = 128 * 2**20
    figures_every_s: float = 5.0
    log_level: str = "info"
    security_log_file: str = ""
    build: str = ""


def connect(options: RayOptions) -> "RayConnection":
    """Connect this process to Ray, starting it unless `options.address` names one.

    Ray's processes die with the thread that calls this.

    Raises:
        PortTaken: something listens on the dashboard's port.
        StoreLocked: another server uses the directory.
        StartupError: Ray cannot be started or reached.
    """
    folder: SessionFolder | None = None
    if options.address is None:
        folder = _prepare(options)
        place = _started_here(options, folder)
    else:
        _warn_where_open()
        place = {"address": options.address}
    this = psutil.Process()
    others = set(this.children())
    # Ray puts its own handler in place, which would end the process without our orderly stop.
    in_main = threading.current_thread() is threading.main_thread()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**place, **_quiet(options))
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        if folder is not None:
            folder.close()
        raise StartupError(f"Ray does not start: {error}") from error
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, on_sigterm)
    if folder is not None:
        folder.name_session()
    return RayConnection([child for child in this.children() if child not in others], folder)


def _quiet(options: RayOptions) -> dict[str, Any]:
    """What `ray.init` is given wherever Ray runs: nothing of it is printed here."""
    return {
        "namespace": options.namespace,
        "logging_level": "CRITICAL",
        "log_to_driver": False,
    }


def _warn_where_open() -> None:
    if os.environ.get("RAY_AUTH_MODE") != "token":
        log.warning(
            "RAY_AUTH_MODE is not token: whoever reaches the ports of this Ray cluster can run"
            " code on its nodes; set it where Ray is started on each node, and here"
        )


def _prepare(options: RayOptions) -> SessionFolder:
    """Make sure that Ray can be started here; the folder of its sessions."""
    keep_to_loopback()
    _prepare_authentication(options.dashboard_token)
    if options.dashboard:
        _check_port(options.dashboard_host, options.dashboard_port)
    return SessionFolder(options.directory)


def _started_here(options: RayOptions, folder: SessionFolder) -> dict[str, Any]:
    """What `ray.init` is to start."""
    return {
        "address": "local",
        "num_cpus": options.num_cpus,
        "object_store_memory": options.object_store_bytes,
        "include_dashboard": options.dashboard,
        "dashboard_host": options.dashboard_host,
        "dashboard_port": options.dashboard_port if options.dashboard else None,
        "_metrics_export_port": options.metrics_port,
        "_temp_dir": str(folder.path),
    }


async def connect_in_background(options: RayOptions) -> "RayConnection":
    """As `connect`, while the event loop goes on. Cancelled, it ends all that was started for it.

    After that the process should end soon, and without Python's own farewell: Ray's start cannot
    be broken off, it goes on in its thread until it fails.
    """
    keeper = _Keeper(options)
    keeper.start()
    connecting = asyncio.wrap_future(keeper.outcome)
    try:
        while not connecting.done():
            await asyncio.wait([connecting], timeout=KEEP_HANDLER_S)
            _keep_sigterm_handler()
        return connecting.result()
    except asyncio.CancelledError:
        await asyncio.to_thread(keeper.break_off)
        raise


def _keep_sigterm_handler() -> None:
    """Put Python's handler of SIGTERM back in its place, which Ray's core takes when it starts.

    Ray's would print a stack trace and end the process three seconds later, whatever it is doing:
    closing the store, for example.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


class _Keeper(threading.Thread):
    """The thread that starts Ray. It lives on: Ray's processes die with it."""

    def __init__(self, options: RayOptions) -> None:
        super().__init__(name="ray-keeper", daemon=True)
        self._options = options
        self._before = set(psutil.Process().children(recursive=True))
        self.outcome: Future[RayConnection] = Future()

    def run(self) -> None:
        try:
            connection = connect(self._options)
        except BaseException as error:
            self.outcome.set_exception(error)
            return
        self.outcome.set_result(connection)
        threading.Event().wait()

    def break_off(self) -> None:
        """Kill what Ray has started, and what it still starts meanwhile."""
        atexit.unregister(ray.shutdown)  # would wait for what is dead
        until_s = time.monotonic() + BREAK_OFF_S
        while time.monotonic() < until_s:
            if self.outcome.done():
                if self.outcome.exception() is None:
                    self.outcome.result().close()
                return
            for process in set(psutil.Process().children(recursive=True)) - self._before:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(BREAK_OFF_LOOK_S)


class RayConnection:
    """This process's connection to Ray, and the processes that were started for it, if any."""

    def __init__(self, started: list[psutil.Process], folder: SessionFolder | None) -> None:
        self._started = started
        self._folder = folder
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
        if not finishes(ray.shutdown, SHUTDOWN_S):
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
        if self._folder is not None:
            self._folder.close()

    def _all(self) -> set[psutil.Process]:
        processes = set(self._started)
        for process in self._started:
            with suppress(psutil.Error):
                processes.update(process.children(recursive=True))
        return processes


def finishes(function: Callable[[], object], within_s: float) -> bool:
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


def keep_to_loopback() -> None:
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
    with suppress(FileExistsError), open(path, "x", opener=open_private) as file:
        file.write(token_hex(32))
    if path.stat().st_uid == os.geteuid():
        path.chmod(FILE_MODE)  # `ray get-auth-token --generate` leaves it readable by all


def dashboard_url() -> str:
    """The address of the dashboard of the Ray this process is connected to."""
    node: Any = ray._private.worker._global_node
    return f"http://{node.webui_url}"
