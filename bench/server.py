"""A whole server as a process of its own, as an operator starts it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, Any

import psutil

from rookery.config import Limits
from rookery.control import Control, find

START_S = 90.0
STOP_S = 30.0
SERVE = "from rookery.cli import main; main()"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """``rookery serve`` on a data folder and ports of its own. An async context manager.

    At the end it gets SIGINT, and it is an error if any of its processes outlives that.
    """

    def __init__(
        self, data_dir: Path, runtime: str, settings: Mapping[str, object] | None = None
    ) -> None:
        """`settings` are environment variables without their ``ROOKERY_``."""
        self._data_dir = data_dir
        self._runtime = runtime
        self._settings = settings or {}
        self._log: IO[bytes]
        self._process: subprocess.Popen[bytes]
        self.http_port = 0
        self.stream_ports: list[int] = []

    async def __aenter__(self) -> "Server":
        environment = {
            **os.environ,
            "ROOKERY_SERVER_LOG_LEVEL": "warning",
            "ROOKERY_RAY_DASHBOARD_PORT": str(free_port()),
            **{f"ROOKERY_LIMITS_{name}".upper(): "0" for name in Limits.__struct_fields__},
            **{f"ROOKERY_{name}": str(value) for name, value in self._settings.items()},
        }
        command = [sys.executable, "-c", SERVE, "serve", "--runtime", self._runtime]
        command += ["--http-port", "0", "--live-port", "0", "--data", str(self._data_dir)]
        self._log = (self._data_dir / "server.log").open("w+b")
        self._process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on
        )
        try:
            await self._until_ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _until_ready(self) -> None:
        deadline_s = monotonic() + START_S
        while find(self._data_dir) is None:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server did not start: {self._logged()}")
            if monotonic() > deadline_s:
                raise RuntimeError(f"the server is not ready after {START_S} s: {self._logged()}")
            await asyncio.sleep(0.05)
        status = await self.control("status")
        self.http_port = int(status["http"].rpartition(":")[2])
        self.stream_ports = [
            int(url.rpartition(":")[2].partition("/")[0]) for url in status["live"]
        ]

    def _logged(self) -> str:
        self._log.seek(0)
        return self._log.read()[-4000:].decode(errors="replace")

    async def control(self, command: str, **arguments: Any) -> Any:
        """What the server answers to a command of its control channel."""
        async with Control(self._data_dir) as control:
            return await control.call(command, **arguments)

    async def warm(self, user_ids: list[int]) -> None:
        """Have the timelines of these users built."""
        for first in range(0, len(user_ids), 1000):
            await self.control("warm", user_ids=user_ids[first : first + 1000])

    def processes(self) -> list[psutil.Process]:
        """Everything that this server runs, its first process first."""
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def actor_processes(self, actor: str) -> list[psutil.Process]:
        """The processes of one class of actors; the only one there is without Ray."""
        everything = self.processes()
        named = [each for each in everything if f"ray::{actor}" in " ".join(_command(each))]
        return everything[:1] if self._runtime == "inline" else named

    def cpu_s(self) -> dict[str, float]:
        """See `cpu_s_of`."""
        return cpu_s_of(self.processes())

    async def __aexit__(self, *_: object) -> None:
        processes = self.processes() if self._process.poll() is None else []
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(self._process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        left = [each for each in processes if _is_alive(each)]
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        logged = self._logged()
        self._log.close()
        if left:
            raise RuntimeError(f"{len(left)} processes outlived the server: {left}; {logged}")


def name_of(process: psutil.Process) -> str:
    """The class of actors that a process runs, or its program."""
    command = _command(process)
    if command and command[0].startswith("ray::"):
        return command[0].removeprefix("ray::").partition(".")[0]
    return process.name()


def cpu_s_of(processes: Iterable[psutil.Process]) -> dict[str, float]:
    """The processor time that these used so far, by class of actors (or by program)."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[name_of(process)] += times.user + times.system
    return used


def cpu_us_each(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    """Processor time for each of `count` things, in microseconds, by what used it.

    Unlike times by the clock, it hardly depends on what else the machine does.
    """
    each = {name: (after[name] - before.get(name, 0.0)) / count * 1e6 for name in after}
    return {name: each[name] for name in sorted(each, key=each.__getitem__, reverse=True)[:6]}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
