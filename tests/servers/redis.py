"""A real Redis of a test's own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.servers.machine import free_port, missing

START_S = 10.0
PROGRAM = "redis-server"


class RedisServer:
    """``redis-server`` on a port and in a folder of its own. `start` it, and `stop` it.

    All methods block. With `persistent` it has what it was told even after a SIGKILL.
    """

    def __init__(self, folder: Path, *, persistent: bool = False, settings: str = "") -> None:
        """`settings` are further lines of its configuration."""
        self.folder = folder
        self.port = free_port()
        self._persistent = persistent
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def start(self) -> None:
        """Start, also again after its end, and return when it answers.

        Raises:
            RuntimeError: it does not; the text has its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "redis.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.folder}",
            'save ""',
            f"appendonly {'yes' if self._persistent else 'no'}",
            "appendfsync always",
            self._settings,
        ]
        configuration.write_text("\n".join(lines) + "\n")
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests
            )
        until_s = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                said = (self.folder / "redis.log").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"redis-server did not start: {said[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                # It refuses while it loads its data, or wants a password; the latter is an answer.
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL it, and wait for its end."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP it: connections stay, answers do not come. Returns once it stands still."""
        self._send(signal.SIGSTOP)
        until_s = time.monotonic() + START_S
        while _state(self.pid) != "T":
            assert time.monotonic() < until_s, "redis-server does not stop"
            time.sleep(0.001)

    def resume(self) -> None:
        """SIGCONT it."""
        self._send(signal.SIGCONT)

    def restart(self) -> None:
        """SIGKILL it, and start it again at once."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it, whatever it is doing; nothing if it does not run."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


def _state(pid: int) -> str:
    """The state of a process (proc(5)): T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def required() -> None:
    """Skip the test where ``redis-server`` is missing; in CI, where it must not be, fail."""
    if shutil.which(PROGRAM) is None:
        missing("redis-server is missing; `make services` installs it")
