"""Folders and files that nobody but the server's own user may enter or read.

Leaf module. Folders are made with mode 0700, files with 0600, whatever the umask. What is there
already and too open is closed where it is ours; where it cannot be, the start is refused.
"""

import os
import stat
from pathlib import Path

import structlog

from rookery.errors import StartupError

log = structlog.get_logger(__name__)

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o077
"""Whatever users other than the owner may do."""

OURS = ("rookery.sqlite", "rookery.sqlite-*", "writer.lock", "server.lock", "control.json")
"""The files by which a folder of ours is known, and which must be nobody else's.

All of them, and no pattern that others' files have: a project's folder has locks, too.
"""


def keep_private() -> None:
    """Let this process, and those it starts, make files that its own user alone can open."""
    os.umask(os.umask(OTHERS) | OTHERS)


def private_folder(folder: Path, *, is_private: bool = True) -> None:
    """Make sure that `folder` is there, and that only its owner can enter it.

    A link in the folder's own place is followed: where it leads is the operator's choice. Files of
    ours in it are closed as well. With `is_private` False what is there is left as it is.

    Raises:
        StartupError: other users can enter it, and that cannot or must not be changed from here;
            or somebody else has put files of our names into it. The text says what to do.
        OSError: it cannot be made or looked at.
    """
    if not folder.exists():
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        os.chmod(folder, FOLDER_MODE)  # a umask may have taken bits away, a parent's ACL added some
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    if not is_private:
        return
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & OTHERS:
        _close(folder, found)
    if found.st_uid != os.geteuid():
        log.warning(
            "the data folder belongs to another user, who can read and replace all that is in it",
            folder=str(folder),
            owner=found.st_uid,
            user=os.geteuid(),
        )
        return
    for pattern in OURS:
        for path in folder.glob(pattern):
            _close_file(path)
    if mode & OTHERS:
        log.warning(
            "the data folder was open to other users of this machine, and is now closed to them;"
            " if they are not trusted, change the keys: rookery admin rotate-keys",
            folder=str(folder),
            mode=f"{mode:04o}",
        )


def _close(folder: Path, found: os.stat_result) -> None:
    """Take others' rights away, if that cannot hurt anybody."""
    if found.st_uid == os.geteuid() and _is_a_data_folder(folder, found):
        try:
            os.chmod(folder, FOLDER_MODE)
        except OSError as error:
            raise StartupError(_open_folder(folder, found)) from error
        if not folder.stat().st_mode & OTHERS:  # some file systems know no modes
            return
    raise StartupError(_open_folder(folder, found))


def _is_a_data_folder(folder: Path, found: os.stat_result) -> bool:
    """Whether it is ours by what is in it; never so for folders that all users share."""
    if found.st_mode & stat.S_ISVTX:
        return False
    return not any(folder.iterdir()) or any(any(folder.glob(pattern)) for pattern in OURS)


def _open_folder(folder: Path, found: os.stat_result) -> str:
    mode = stat.S_IMODE(found.st_mode)
    user = os.geteuid()
    why = (
        f"and belongs to user {found.st_uid}, not to this one ({user})"
        if found.st_uid != user
        else "and holds other things than Rookery's, or cannot be changed"
    )
    return (
        f"The data folder {folder} is open to other users of this machine (mode {mode:04o}), {why}."
        f" It would show them keys and passwords' hashes. Close it (chown {user} {folder}; chmod"
        f" 700 {folder}), or name a folder of its own, or, if those users may read all, set"
        " server.private_data = false"
    )


def _close_file(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        what = "a link" if stat.S_ISLNK(found.st_mode) else f"not a file of user {os.geteuid()}"
        raise StartupError(
            f"{path} is {what}. Put the file itself there (the data folder may be a link to where"
            " it is), or remove what others have put into the data folder"
        )
    if stat.S_IMODE(found.st_mode) & OTHERS:
        os.chmod(path, FILE_MODE)


def open_private(path: str | Path, flags: int) -> int:
    """Open a file of ours, which is made for its owner alone, and never through a link.

    What is no regular file (a pipe, a terminal) is opened as it is. To be used as an `opener` of
    `open`, too.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) and stat.S_IMODE(mode) & OTHERS:
            os.fchmod(descriptor, FILE_MODE)
    except PermissionError:
        pass  # another user's, whose mode is not ours to change
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
