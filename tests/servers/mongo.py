"""A SecantusDB for tests: a server that speaks MongoDB's protocol, as a process of its own."""

import contextlib
import gc
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from tests.servers.machine import free_port, missing

START_BOUND_S = 30.0
STOP_BOUND_S = 15.0
DURABLE = "--sync-on-commit"
"""Argument with which what was acknowledged survives a kill; SecantusDB ignores `j: true`."""


def need_secantus() -> None:
    """Skip the test where SecantusDB is not installed; fail it where CI runs."""
    if find_spec("secantus") is None:
        missing("SecantusDB is not installed; make install-dev does it")


@contextlib.contextmanager
def lost_sockets_collected() -> Iterator[None]:
    """Have done with the sockets that PyMongo loses, before other tests hear of them.

    It does not close a socket whose connecting is cancelled, as by closing a client whose server
    is gone (`pymongo.pool_shared._async_create_connection`).
    """
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()


class MongoServer:
    """One server process over a folder; can be killed and started again on the same data."""

    command: tuple[str, ...] = (
        sys.executable,
        str(Path(__file__).with_name("wire_server.py")),
    )

    def __init__(self, folder: Path, *arguments: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet=secantus"

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def start(self) -> None:
        """Start the process and return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.command,
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *("--storage-path", str(self.folder / "data"), "--log-level", "WARNING"),
                    *("--cache-size", "128M"),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_BOUND_S
        while True:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), timeout=1),
            ):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"SecantusDB did not start: {self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        """What the server has written so far."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """End it at once (SIGKILL), and return when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> "MongoServer":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
