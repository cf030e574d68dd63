"""A server of one's own, started as its operators start it: ``rookery serve`` on its defaults."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

from rookery.config import PREFIX
from rookery.control import Control
from tests.strangers.sampling import family

ROOT = Path(__file__).parents[2]
START_S = 120.0
STOP_S = 60.0
PORTS = range(28_000, 29_000)
"""Below those that Linux gives to connections."""


class Server:
    """An async context manager. Settings are the defaults but for `settings`, as variables."""

    def __init__(
        self,
        folder: Path,
        runtime: str,
        build: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._runtime = runtime
        self._build = build
        self._settings = settings or {}
        self.data_dir = folder / "data"
        self.http_port, self.live_port = _free_ports(2)
        self.stderr = folder / "server.log"
        """Where Ray keeps its logs."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    async def __aenter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        build = ["--build", self._build] if self._build else []
        with self.stderr.open("ab") as log, (self._folder / "server.out").open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.strangers.program", *build, "serve"),
                *("--runtime", self._runtime, "--data", str(self.data_dir)),
                *("--http-port", str(self.http_port), "--live-port", str(self.live_port)),
                cwd=self._folder,
                env={**kept, "PYTHONPATH": str(ROOT), **self._settings},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        try:
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _until_ready(self) -> None:
        until_s = time.monotonic() + START_S
        async with aiohttp.ClientSession() as http:
            while time.monotonic() < until_s:
                if self._process.returncode is not None:
                    break
                try:
                    async with http.get(f"{self.url}/api/v1/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)
        raise RuntimeError(f"the server did not start: {self.stderr.read_text()[-2000:]}")

    async def stop(self) -> list[str]:
        """Stop it as systemd does; what was wrong with its end. A second time does nothing."""
        if self._process.returncode is not None:
            return []
        members = family(self.process)
        self._process.send_signal(signal.SIGTERM)
        found: list[str] = []
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            found.append(f"it did not end within {STOP_S:.0f} s of SIGTERM")
            self._process.kill()
            await self._process.wait()
        else:
            if self._process.returncode != 0:
                found.append(f"its exit status is {self._process.returncode}")
        left = [each for each in members if _is_alive(each)]
        if left:
            _, left = await asyncio.to_thread(psutil.wait_procs, left, 5.0)
        for each in left:
            found.append(f"its process {each.pid} outlived it")
            each.kill()
        return found

    async def fsck(self) -> tuple[int, list[dict[str, Any]]]:
        """How many warm timelines an audit looks at, and what it finds wrong."""
        found: list[dict[str, Any]] = []
        total = 0
        async with Control(self.data_dir) as control:
            await control.call("settle")
            async for progress in control.stream("fsck", repair=False):
                found += progress["findings"]
                total = progress["total"]
        return total, found

    def logs(self) -> list[Path]:
        """All files that it logs to, Ray's processes included."""
        found = [self.stderr, self._folder / "server.out"]
        ray = self.data_dir / "ray" / "session_latest" / "logs"
        found += sorted(each for each in ray.rglob("*") if each.is_file())
        found += sorted(self.data_dir.glob("*.log"))
        return found


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, and that no outgoing connection of an attacker is given."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
