"""`rookery.permissions`: what is made, what is closed, and what is refused."""

import os
import stat
from pathlib import Path

import pytest

from rookery.errors import StartupError
from rookery.permissions import open_private, private_folder

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def usual_umask() -> object:
    former = os.umask(0o022)
    yield
    os.umask(former)


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask, with the folders above it."""
    private_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


def test_files_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """And closed where they are there already."""
    (tmp_path / "old").touch(0o666)
    for name in ("new", "old"):
        os.close(open_private(tmp_path / name, os.O_RDWR | os.O_CREAT))
        assert mode(tmp_path / name) == 0o600


def test_files_are_not_opened_through_links(tmp_path: Path) -> None:
    """Which might lead to anything that this user can write to."""
    (tmp_path / "target").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        open_private(tmp_path / "file", os.O_WRONLY | os.O_TRUNC | os.O_CREAT)
    assert (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("files", [[], ["rookery.sqlite", "rookery.sqlite-wal", "writer.lock"]])
def test_a_data_folder_that_is_open_is_closed(tmp_path: Path, files: list[str]) -> None:
    """With the files of the server in it."""
    folder = tmp_path / "data"
    folder.mkdir(0o755)
    for name in files:
        (folder / name).touch(0o644)
    private_folder(folder)
    assert mode(folder) == 0o700
    assert {mode(folder / name) for name in files} <= {0o600}


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Closing a home folder, or a project's, is not for a server to decide."""
    folder = tmp_path / "home"
    folder.mkdir(0o755)
    (folder / "thesis.txt").touch()
    with pytest.raises(StartupError, match="chmod 700"):
        private_folder(folder)
    assert mode(folder) == 0o755


def test_a_folder_that_all_users_share_is_never_closed(tmp_path: Path) -> None:
    """Such as /tmp, also where it is empty, or a server has run in it."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "rookery.sqlite").touch()
    with pytest.raises(StartupError, match="open to other users"):
        private_folder(folder)
    assert mode(folder) == 0o1777


def test_a_file_of_ours_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody may have put it there while the folder was open to them."""
    (tmp_path / "rookery.sqlite-wal").symlink_to("/etc/hostname")
    with pytest.raises(StartupError, match=r"rookery\.sqlite-wal is a link"):
        private_folder(tmp_path)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    """To a larger disk, say."""
    (tmp_path / "disk").mkdir(0o755)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    private_folder(tmp_path / "data")
    assert mode(tmp_path / "disk") == 0o700


def test_the_operator_can_have_modes_left_alone(tmp_path: Path) -> None:
    """For file systems without modes, and groups that may read."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o750)
    private_folder(folder, is_private=False)
    assert mode(folder) == 0o750


@as_root
def test_an_open_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Its owner could read and replace everything; and so could all others."""
    folder = tmp_path / "data"
    folder.mkdir(0o755)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(StartupError, match=f"belongs to user {NOBODY}"):
        private_folder(folder)
    assert mode(folder) == 0o755


@as_root
def test_a_file_that_another_user_has_put_there_is_refused(tmp_path: Path) -> None:
    """A store that is not ours may hold anybody's keys."""
    (tmp_path / "rookery.sqlite").touch()
    os.chown(tmp_path / "rookery.sqlite", NOBODY, NOBODY)
    with pytest.raises(StartupError, match="not a file of user"):
        private_folder(tmp_path)


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "rookery.sqlite.md"])
def test_a_project_with_a_lock_of_its_own_is_not_ours(tmp_path: Path, name: str) -> None:
    """Neither the folder nor the file is closed, or a server that is refused has changed them."""
    folder = tmp_path / "project"
    folder.mkdir(0o755)
    (folder / name).touch(0o644)
    with pytest.raises(StartupError, match="chmod 700"):
        private_folder(folder)
    assert (mode(folder), mode(folder / name)) == (0o755, 0o644)


@pytest.mark.parametrize("name", ["writer.lock", "server.lock", "control.json"])
def test_every_file_of_ours_tells_a_folder(tmp_path: Path, name: str) -> None:
    """Alone: a cluster's data folder has no store, and Ray's has nothing but its lock."""
    folder = tmp_path / "data"
    folder.mkdir(0o755)
    (folder / name).touch(0o644)
    private_folder(folder)
    assert (mode(folder), mode(folder / name)) == (0o700, 0o600)
