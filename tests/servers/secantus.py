"""SecantusDB: a server that speaks MongoDB's protocol as 8.2 does, for what `mongod` 6.0 lacks.

It has `bulkWrite`, in which the engine writes from MongoDB 8.0 on. What it is not asked about
here, and why: docs/decisions/009.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.servers.machine import free_port, missing

START_BOUND_S = 30.0


@contextlib.contextmanager
def secantus(folder: Path) -> Iterator[str]:
    """The address of a server over `folder`; the test is skipped, or fails, without the package."""
    if find_spec("secantus") is None:
        missing("SecantusDB is not installed; make install-dev does it")
    port = free_port()
    command = [
        *(sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str(folder / "data"), "--log-level", "WARNING", "--cache-size", "128M"),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_BOUND_S
        while not _answers(port):
            said = (folder / "log").read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"SecantusDB did not start: {said}"
            assert time.monotonic() < deadline, f"SecantusDB did not start: {said}"
            time.sleep(0.02)
        yield f"mongodb://127.0.0.1:{port}/?replicaSet=secantus"
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1),
    ):
        return True
    return False
