"""``rookery …`` as a process of its own, as people run it; and a client that stops reading."""

import asyncio
import base64
import os
import secrets
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from tests.integration.server.world import until
from tests.servers.machine import free_port

READY_S = 100.0
STOP_S = 30.0
MARK = "ROOKERY_TEST_MARK"


class Command:
    """A run of the command line: an async context manager."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self._log = folder / "log"
        self._mark = secrets.token_hex(8)
        self._arguments = arguments
        self._environment = environment
        self._process: Process

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from rookery.cli import main; main()", *self._arguments),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment, MARK: self._mark},
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    @property
    def said(self) -> str:
        return self._log.read_text()

    async def until_said(self, text: str, within_s: float = READY_S) -> None:
        async def is_said() -> bool:
            assert self._process.returncode is None, self.said
            return text in self.said

        await until(is_said, within_s=within_s, what=text)

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def status(self) -> int:
        """The exit status, once it has ended."""
        return await asyncio.wait_for(self._process.wait(), STOP_S)

    async def until_nothing_is_left(self) -> None:
        """Return when no process lives that was started by this one, however indirectly."""

        async def none_left() -> bool:
            return not self._left()

        await until(none_left, what="the end of all processes")

    def _left(self) -> list[psutil.Process]:
        left = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_ours = process.environ().get(MARK) == self._mark
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(process)
        return left


class Server(Command):
    """``rookery serve`` with small settings, on ports of its own."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self.http_port, self.live_port = free_port(), free_port()
        super().__init__(
            folder,
            *("serve", "--runtime", runtime, "--data", str(folder / "data")),
            *("--http-port", str(self.http_port), "--live-port", str(self.live_port)),
            ROOKERY_RAY_DASHBOARD_PORT=str(free_port()),
            ROOKERY_AUTH_ARGON2_TIME_COST="1",
            ROOKERY_AUTH_ARGON2_MEMORY_KIB="8",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def files(self) -> list[str]:
        """What is in the data folder and belongs to the store."""
        return sorted(each.name for each in (self.folder / "data").glob("rookery.sqlite*"))


async def deaf(port: int, token: str) -> asyncio.StreamWriter:
    """A WebSocket whose client has subscribed and never reads again."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    writer.write(
        (
            "GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: rookery.v1.json\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
    )
    await writer.drain()
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    return writer
