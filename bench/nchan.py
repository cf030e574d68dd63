"""The rival of a push: nginx with the nchan module, in one process.

Publisher and subscribers speak WebSocket: so an event costs nginx no parsing of a request.
"""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench.server import free_port

MODULE = "ngx_nchan_module.so"
START_S = 10.0
STOP_S = 10.0
LOG_LINES = 10
CONFIGURATION = """\
# One process against one connection server.
worker_processes 1;
load_module {module};
pid {folder}/pid;
# Neither events nor connections are logged.
error_log stderr warn;
# The clients of a turn, and those of the turn before, who may still be leaving.
worker_rlimit_nofile 8192;
events {{
    worker_connections 8192;
}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        # No event is kept: all who are to get it are there.
        nchan_store_messages off;
        # Everything else is off by default: Redis, compression, pings, hooks, limits.
        location ~ ^/subscribe/(.+)$ {{
            nchan_subscriber websocket;
            nchan_channel_id $1;
        }}
        location ~ ^/publish/(.+)$ {{
            nchan_publisher websocket;
            nchan_channel_id $1;
        }}
    }}
}}
"""


def missing() -> str | None:
    """Why there can be no comparison; None if there can."""
    if _nginx() is None:
        return "skipped: no nginx on the PATH"
    if _module() is None:
        return "skipped: nginx has no module nchan (Debian's libnginx-mod-nchan)"
    return None


def _nginx() -> str | None:
    # Debian's folder of servers is not on everyone's PATH.
    return shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))


@cache
def _module() -> Path | None:
    """The module's file, in the folder that this nginx was built to load modules from."""
    program = _nginx()
    assert program is not None, "who calls this knows that there is an nginx"
    built = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"--modules-path=(\S+)", built)
    file = Path(found[1]) / MODULE if found else None
    return file if file and file.exists() else None


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])


class Nchan:
    """An nginx on loopback, with what it writes in a temporary folder. An async context manager.

    `missing` must have been asked before.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._channels = 0
        self._temporary: tempfile.TemporaryDirectory[str]
        self._process: subprocess.Popen[bytes]

    async def __aenter__(self) -> "Nchan":
        """Start it.

        Raises:
            RuntimeError: it does not start; the text has the end of its log.
        """
        self._temporary = tempfile.TemporaryDirectory(prefix="rookery-bench-")
        folder = Path(self._temporary.name)
        file = folder / "nginx.conf"
        file.write_text(CONFIGURATION.format(module=_module(), folder=folder, port=self.port))
        command = [str(_nginx()), "-e", "stderr", "-p", str(folder), "-c", str(file)]
        with (folder / "log").open("wb") as log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [*command, "-g", "daemon off;"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on
            )
        try:
            await self._until_there(folder / "log")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _until_there(self, log: Path) -> None:
        deadline_s = monotonic() + START_S
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            if self._process.poll() is not None or monotonic() > deadline_s:
                raise RuntimeError(f"nginx with nchan did not start: {_end_of(log)}")
            await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._temporary.cleanup()

    @asynccontextmanager
    async def channel(self, clients: int, event_bytes: int) -> AsyncIterator["Channel"]:
        """A channel that nobody was on before, so that who is leaving another is no matter."""
        self._channels += 1
        async with connect(
            f"ws://127.0.0.1:{self.port}/publish/{self._channels}",
            compression=None,
            ping_interval=None,
            max_queue=None,
            additional_headers={"Accept": "text/json"},
        ) as publisher:
            yield Channel(publisher, f"/subscribe/{self._channels}", clients, event_bytes)


class _Published(msgspec.Struct):
    """Of what a publisher is told upon each event, for how many it was."""

    subscribers: int


class Channel:
    """Publishes events that are numbers from 0 on. `path` is where its subscribers connect to."""

    def __init__(
        self, publisher: ClientConnection, path: str, clients: int, event_bytes: int
    ) -> None:
        self.path = path
        self._publisher = publisher
        self._clients = clients
        self._event_bytes = event_bytes
        self._published = 0

    async def publish(self, events: int) -> None:
        """Publish so many at once.

        It does not wait for the answers: nginx leaves Nagle's algorithm on, so that the second
        would come only once the first is acknowledged, which takes 40 ms.
        """
        for number in range(self._published, self._published + events):
            await self._publisher.send(self._event(number))
        self._published += events

    async def check(self, payloads: Sequence[Sequence[bytes]]) -> None:
        """Compare what nchan said and what sessions got with what was published; once, at the end.

        Raises:
            AssertionError: an event was not for exactly the clients that there must be, or a
                session missed an event, or got it twice or out of order.
        """
        for _ in range(self._published):
            told = msgspec.json.decode(await self._publisher.recv(), type=_Published)
            if told.subscribers != self._clients:
                raise AssertionError(f"nchan had {told.subscribers} of {self._clients} clients")
        expected = [self._event(number) for number in range(self._published)]
        if not payloads or any(list(each) != expected for each in payloads):
            raise AssertionError("events of nchan were lost, doubled or put out of order")

    def _event(self, number: int) -> bytes:
        return b"%0*d" % (self._event_bytes, number)
