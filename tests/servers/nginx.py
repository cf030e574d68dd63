"""A real nginx of a test's own, with the configuration that is deployed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.servers.machine import missing

START_S = 10.0
PROGRAM = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """``nginx`` with everything it writes in a folder of its own. Both methods block."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: str) -> None:
        """Start with the text of a configuration that listens on the port.

        Raises:
            RuntimeError: it does not start; the text has what it says.
        """
        temporary = "\n".join(f"    {name}_temp_path {self._folder};" for name in FOLDERS)
        assert PROGRAM is not None, "required() comes first"
        file = self._folder / "nginx.conf"
        file.write_text(configuration.replace("http {\n", f"http {{\n{temporary}\n"))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-e", "stderr", "-p", self._folder, "-c", file, "-g", "daemon off;"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                self.stop()
                raise RuntimeError(f"nginx did not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it and its workers; nothing if it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(START_S)


def required() -> None:
    """Skip the test where ``nginx`` is missing; in CI, where it must not be, fail."""
    if PROGRAM is None:
        missing("nginx is missing; `make services` installs it")
