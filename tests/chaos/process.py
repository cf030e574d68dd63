"""Servers as processes of their own, which a test may kill."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from rookery.config import Config

START_S = 120.0
ANSWER_S = 60.0
STOP_S = 15.0


class ServerProcess:
    """``tests.chaos.driver`` with these settings: an async context manager.

    `build` names one of `tests.chaos.broken.BUILDS`; with `raylets` it runs on a Ray cluster of
    so many nodes.
    """

    def __init__(
        self, config: Config, log: Path, build: str | None = None, raylets: int = 0
    ) -> None:
        self.config = config
        self._options = [f"--raylets={raylets}"]
        if build is not None:
            self._options.append(f"--build={build}")
        self.http_url = ""
        self._log = log
        self._answering = asyncio.Lock()

    async def __aenter__(self) -> Self:
        settings = json.dumps(msgspec.to_builtins(self.config))
        with self._log.open("ab") as log:
            self._process: Process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.driver", settings, *self._options),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
            )
        facts = await self._answer(START_S)
        self.http_url = facts["http"]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def _answer(self, within_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            async for line in self._process.stdout:
                if line.startswith(b"{"):  # Ray prints its own between
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        raise RuntimeError(f"the server ended: {self._log.read_text()[-2000:]}")

    async def tell(self, command: str) -> Mapping[str, Any]:
        """Give the driver a command; its answer."""
        async with self._answering:
            assert self._process.stdin is not None
            self._process.stdin.write(command.encode() + b"\n")
            return await self._answer(ANSWER_S)

    async def pids(self) -> Mapping[str, int]:
        """The processes of the actors that are alive, by their names."""
        return await self.tell("pids")

    @property
    def process(self) -> psutil.Process:
        """The driver."""
        return psutil.Process(self._process.pid)

    async def kill(self) -> int:
        """Kill the driver as nobody can refuse; its return code."""
        self._process.send_signal(signal.SIGKILL)
        return await self._process.wait()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
