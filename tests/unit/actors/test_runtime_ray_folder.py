"""`rookery.actors.runtime_ray_folder`: where Ray's sessions lie, and what stays of former ones."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rookery.actors.runtime_ray_folder import LONGEST_BYTES, SessionFolder
from rookery.errors import StoreLocked


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    folder = Path(f"/tmp/rk{os.getpid()}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def session(folder: SessionFolder, name: str) -> Path:
    """A session as Ray makes it."""
    made = folder.path / f"session_{name}"
    for each in (made, made / "sockets", made / "logs"):
        each.mkdir()
        each.chmod(0o777)
    (made / "logs" / "raylet.out").touch()
    folder.path.chmod(0o777)
    return made


def test_nobody_else_reaches_what_ray_opens_to_all(near: Path) -> None:
    """Ray's folders are of mode 0777, so they lie in one of mode 0700."""
    folder = SessionFolder(near)
    session(folder, "1")
    assert folder.path == near / "sessions"
    assert stat.S_IMODE(near.stat().st_mode) == 0o700
    folder.close()


def test_a_long_way_is_made_short_for_sockets(tmp_path: Path) -> None:
    """Names of sockets have 107 bytes at the most; the short way ends with the server."""
    far = tmp_path / "a rather long name" / "ray"
    folder = SessionFolder(far)
    made = session(folder, "1")
    folder.name_session()
    assert len(os.fsencode(folder.path)) <= LONGEST_BYTES
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    assert (far / "sessions" / made.name).is_dir()
    folder.close()
    assert not folder.path.parent.exists()
    assert (far / "session_latest" / "logs" / "raylet.out").exists()


def test_of_former_sessions_the_last_ones_logs_stay(near: Path) -> None:
    """A server that was killed removes nothing; the next one does."""
    former = SessionFolder(near)
    oldest, last = session(former, "1"), session(former, "2")
    former.close()
    folder = SessionFolder(near)
    assert not oldest.exists()
    assert [each.name for each in last.iterdir()] == ["logs"]
    folder.close()


def test_the_short_way_of_a_killed_server_is_removed(tmp_path: Path) -> None:
    """It is known by a link beside the sessions."""
    far = tmp_path / "a rather long name" / "ray"
    killed = SessionFolder(far)
    os.close(killed._lock)  # which the kernel does for it
    assert killed.path.parent.exists()
    folder = SessionFolder(far)
    assert not killed.path.parent.exists()
    folder.close()


def test_a_folder_in_use_is_not_cleared(near: Path) -> None:
    """Another server's sessions are alive."""
    first = SessionFolder(near)
    made = session(first, "1")
    with pytest.raises(StoreLocked, match="Another server"):
        SessionFolder(near)
    assert (made / "sockets").exists()
    first.close()


def test_a_folder_for_once_ends_with_its_ray() -> None:
    """Where nobody names one."""
    folder = SessionFolder(None)
    session(folder, "1")
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    folder.close()
    assert not folder.path.parent.exists()
