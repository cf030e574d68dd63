"""No other user of the machine can read anything that a server writes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
START_S = 120.0

READ_ALL = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in sys.stdin.read().split("\\0"):
    try:
        os.listdir(name) if name.endswith("/") else open(name, "rb").read(1)
        print(name)
    except OSError:
        pass
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="rk-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def readable_to_others(folder: Path) -> list[str]:
    """What another user can read, by trying."""
    names = [str(folder)] + [
        os.path.join(each, name) + "/" * (name in folders)
        for each, folders, files in os.walk(folder)
        for name in (*folders, *files)
    ]
    names[0] += "/"
    found = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input="\0".join(names),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(names) >= 3
    return found.stdout.splitlines()


def serve(data: Path, runtime: str) -> "subprocess.Popen[bytes]":
    """A server under the usual umask, once it answers."""
    port_of = {"inline": 23100, "ray": 23200}[runtime]
    process = subprocess.Popen(
        [sys.executable, "-c", "from rookery.cli import main; main()", "serve"],
        umask=0o022,
        env={
            **os.environ,
            "ROOKERY_SERVER_DATA_DIR": str(data),
            "ROOKERY_SERVER_RUNTIME": runtime,
            "ROOKERY_HTTP_PORT": str(port_of),
            "ROOKERY_LIVE_PORT": str(port_of + 1),
            "ROOKERY_RAY_DASHBOARD_PORT": str(port_of + 2),
        },
    )
    until = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port_of}/api/v1/ready", timeout=2):
                return process
        except OSError:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.2)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("runtime", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_nobody_else_reads_what_a_server_writes(place: Path, runtime: str) -> None:
    """Store, log, locks, control channel, Ray's sockets and logs; while it runs and afterwards."""
    data = place / "data"
    server = serve(data, runtime)
    try:
        assert readable_to_others(data) == []
        if runtime == "ray":
            session = data / "ray" / "session_latest"
            assert (session / "sockets" / "raylet").is_socket()
            assert any((session / "logs").glob("worker-*"))
    finally:
        server.terminate()
        server.wait(30)
    assert readable_to_others(data) == []


def test_a_store_of_before_is_closed_at_start(place: Path) -> None:
    """With all files that are there already."""
    data = place / "data"
    data.mkdir(0o755)
    data.chmod(0o755)
    server = serve(data, "inline")
    server.terminate()
    server.wait(30)
    data.chmod(0o755)
    for file in data.iterdir():
        file.chmod(0o644)
    assert readable_to_others(data)
    server = serve(data, "inline")
    try:
        data.chmod(0o755)  # so that the files' own modes count
        assert readable_to_others(data) == [f"{data}/"]
    finally:
        server.terminate()
        server.wait(30)
