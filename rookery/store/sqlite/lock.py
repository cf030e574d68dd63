"""The lock that lets one process write to a data folder.

Leaf of this package: imports no driver. The kernel drops a ``flock`` with the process that holds
it, however it ends, so a lock is never stale and nobody has to remove the file.
"""

import fcntl
import os
from pathlib import Path

import msgspec

from rookery.errors import StartupError, StoreLocked
from rookery.permissions import open_private, private_folder

LOCK_FILE = "writer.lock"


class LockHolder(msgspec.Struct, frozen=True):
    """What the lock file says about its holder; for people, the lock itself is the kernel's."""

    pid: int
    started_ms: int


class WriterLock:
    """Holds the exclusive lock of a data folder from construction until `close`.

    The folder is made if it is missing, and closed to other users, unless `is_private` is False.

    Raises:
        StoreLocked: another process, or another writer of this one, holds it.
        StartupError: the folder cannot be made or written to, or others can enter it.
    """

    def __init__(self, folder: Path, *, now_ms: int, is_private: bool = True) -> None:
        path = folder / LOCK_FILE
        try:
            private_folder(folder, is_private=is_private)
            self._fd = open_private(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StartupError(_unusable(folder, error)) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, msgspec.json.encode(LockHolder(os.getpid(), now_ms)), 0)
        except BlockingIOError as error:
            message = _held(folder, os.pread(self._fd, 4096, 0))
            os.close(self._fd)
            raise StoreLocked(message) from error
        except OSError as error:
            os.close(self._fd)
            raise StartupError(_unusable(folder, error)) from error

    def close(self) -> None:
        """Release the lock. The file stays: removing it could unlock a folder twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _held(folder: Path, content: bytes) -> str:
    try:
        holder = f"process {msgspec.json.decode(content, type=LockHolder).pid}"
    except (msgspec.DecodeError, UnicodeDecodeError):
        holder = "another process"
    return (
        f"The data folder {folder} is in use by {holder}. Stop that process, "
        "or give this one a data folder of its own."
    )


def _unusable(folder: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if folder.exists() and not folder.is_dir():
        return f"The data folder {folder} is not a folder. Name a folder in the settings."
    if isinstance(error, PermissionError):
        return (
            f"The data folder {folder} may not be written to by user {os.geteuid()} ({reason}). "
            "Change its owner, or name another folder in the settings."
        )
    return (
        f"The data folder {folder} cannot be used ({reason}). Free some space or mend the disk, "
        "or name another folder in the settings."
    )
