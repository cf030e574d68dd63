"""No other user of the machine can read anything that a server writes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
START_S = 120.0
SECRET = "s3cr3tword"

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
    assert len(names) >= 3
    return try_to_read(names)


def try_to_read(names: list[str]) -> list[str]:
    """Those that another user can read."""
    found = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input="\0".join(names),
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.splitlines()


def serve(data: Path, runtime: str, **environ: str) -> "subprocess.Popen[bytes]":
    """A server under the usual umask, once it answers."""
    port_of = {"inline": 23100, "ray": 23200}[runtime]
    process = subprocess.Popen(
        [sys.executable, "-c", "from rookery.cli import main; main()", "serve"],
        umask=0o022,
        env={
            **os.environ,
            **environ,
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


def stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    server.wait(30)


def test_nobody_else_reads_what_a_server_writes(place: Path) -> None:
    """Store, log, locks, control channel; while it runs and afterwards."""
    data = place / "data"
    server = serve(data, "inline")
    try:
        assert readable_to_others(data) == []
    finally:
        stop(server)
    assert readable_to_others(data) == []


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Path]:
    """The data folder of a server that runs; too long a name for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="rk-"))
    folder.chmod(0o755)
    data = folder / "a name as long as they are on some machines" / "data"
    data.parent.mkdir(0o755)
    server = serve(data, "ray", ROOKERY_STORE_MONGO_URI=f"mongodb://me:{SECRET}@host/")
    yield data
    stop(server)
    shutil.rmtree(folder)


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_nobody_else_reads_what_ray_writes(on_ray: Path) -> None:
    """Sockets and logs: in the data folder, and behind the short way to them."""
    session = on_ray / "ray" / "session_latest"
    assert (session / "sockets" / "raylet").is_socket()
    assert any((session / "logs").glob("worker-*"))
    assert readable_to_others(on_ray) == []
    short = (on_ray / "ray" / "short").readlink()
    assert short.is_dir() and not try_to_read([f"{short}/", f"{short}/ray/"])


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_no_password_of_the_settings_is_in_what_ray_writes(on_ray: Path) -> None:
    """Though actors get the settings."""
    logs = [each for each in (on_ray / "ray").rglob("*") if each.is_file()]
    assert logs
    assert [each for each in logs if SECRET.encode() in each.read_bytes()] == []


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_no_password_of_the_settings_is_shown_by_ray(on_ray: Path) -> None:
    """Its dashboard asks for the token, and tells nothing of the settings then, either."""
    token = (Path.home() / ".ray" / "auth_token").read_text()
    for path in ("api/v0/actors?detail=1", "api/v0/tasks?detail=1", "logical/actors"):
        request = urllib.request.Request(f"http://127.0.0.1:23202/{path}")
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(request)
        refused.value.close()
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request) as answer:
            shown = answer.read()
        assert b"StoreWriter" in shown and SECRET.encode() not in shown


def test_a_store_of_before_is_closed_at_start(place: Path) -> None:
    """With all files that are there already."""
    data = place / "data"
    data.mkdir(0o755)
    data.chmod(0o755)
    server = serve(data, "inline")
    stop(server)
    data.chmod(0o755)
    for file in data.iterdir():
        file.chmod(0o644)
    assert readable_to_others(data)
    server = serve(data, "inline")
    try:
        data.chmod(0o755)  # so that the files' own modes count
        assert readable_to_others(data) == [f"{data}/"]
    finally:
        stop(server)


def test_commands_of_another_user_are_told_whose_the_folder_is(place: Path) -> None:
    """Not that there is no server."""
    data = place / "data"
    data.mkdir(0o700)
    program = (
        "import os, sys, pathlib; from rookery.control import Control; os.setuid(65534)\n"
        "try: Control(pathlib.Path(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True
    )
    assert "closed to user 65534" in said.stdout
