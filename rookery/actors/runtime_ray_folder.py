"""Where a Ray that is started here keeps its sessions: sockets, logs, metrics.

Ray makes its folders open to everybody, whatever the umask, and does so again and again. They lie
in one that others cannot enter. Imports no Ray.

    FOLDER/                 of mode 0700
    ├── session_latest      link to the present session, or the last one
    ├── sessions/           what Ray is given
    │   └── session_…/      sockets/ logs/ …
    ├── server.lock         held while the Ray runs
    └── short               link to the short way to it, where there is one
"""

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from rookery.errors import StartupError, StoreLocked
from rookery.permissions import FOLDER_MODE, open_private, private_folder

LONGEST_BYTES = 30
"""Of the path that Ray is given. For its sockets it adds up to 71 to it
(`/session_2026-01-31_23-59-59_999999_4194304/sockets/dash_TaskEventsHead`), and their names have
107 at the most (unix(7))."""

SHORT_PREFIX = "rookery-"
SESSIONS = "sessions"
LINK = "ray"
LATEST = "session_latest"


class SessionFolder:
    """The folder of one Ray, from construction until `close`.

    `path` is what Ray is given: `sessions`, or, where that is too long for sockets, a link to it
    from a private folder in the system's temporary one. Of former sessions only the logs of the
    last one stay.
    """

    def __init__(self, folder: Path | None) -> None:
        """`folder` is kept, `None` is one that ends with this object.

        Raises:
            StoreLocked: another process uses it.
            StartupError: it cannot be used; the text says why.
        """
        self._short: Path | None = None
        self._lock = -1
        try:
            if folder is None:
                self._short = _short_folder()
                self.path = self._short / LINK
                self.path.mkdir(FOLDER_MODE)
                return
            private_folder(folder)
            self._take(folder.absolute())
        except OSError as error:
            self.close()
            raise StartupError(f"Ray's folder cannot be made: {error}") from error
        except BaseException:
            self.close()
            raise

    def _take(self, folder: Path) -> None:
        self._lock = open_private(folder / "server.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreLocked(
                f"Another server runs its Ray in {folder}. Stop it, or give this one a data folder"
                " of its own"
            ) from error
        self.path = folder / SESSIONS
        self.path.mkdir(FOLDER_MODE, exist_ok=True)
        _remove_short(folder / "short")
        _clear(self.path)
        if len(os.fsencode(self.path)) > LONGEST_BYTES:
            self._short = _short_folder()
            (folder / "short").symlink_to(self._short)
            (self._short / LINK).symlink_to(self.path)
            self.path = self._short / LINK

    def name_session(self) -> None:
        """Show which session is the present one; to be called when Ray has begun it.

        Ray does so, too, but by a path that may end with it.
        """
        folder = self.path.resolve()
        latest = folder.parent / LATEST
        latest.unlink(missing_ok=True)
        if sessions := _sessions(folder):
            latest.symlink_to(f"{folder.name}/{sessions[-1].name}")

    def close(self) -> None:
        """Remove what is needed only while Ray runs; once it has ended."""
        short, self._short = self._short, None
        if short is not None:
            link = short / LINK
            if link.is_symlink():
                _remove_short(link.resolve().parent / "short")
            else:
                shutil.rmtree(short, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _short_folder() -> Path:
    for place in (tempfile.gettempdir(), "/tmp"):
        short = Path(tempfile.mkdtemp(prefix=SHORT_PREFIX, dir=place))
        if len(os.fsencode(short / LINK)) <= LONGEST_BYTES:
            return short
        short.rmdir()
    raise StartupError(
        "The path of the data folder is too long for Ray's sockets, and so is that of the folder"
        " for temporary files; name a shorter one in TMPDIR"
    )


def _remove_short(note: Path) -> None:
    """Remove the short way to a folder, which a server that was killed may have left behind."""
    if not note.is_symlink():
        return
    short = Path(os.readlink(note))
    with suppress(OSError):
        found = short.lstat()
        is_ours = found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode)
        if is_ours and short.name.startswith(SHORT_PREFIX) and (short / LINK).is_symlink():
            (short / LINK).unlink()
            short.rmdir()
    note.unlink()


def _sessions(folder: Path) -> list[Path]:
    """The sessions in a folder, the oldest first, as their names begin with the time."""
    return sorted(each for each in folder.glob("session_*") if not each.is_symlink())


def _clear(folder: Path) -> None:
    """Remove former sessions, but for the logs of the last one, which may tell why it ended."""
    *old, last = _sessions(folder) or [folder / "session_"]
    for session in old:
        shutil.rmtree(session, ignore_errors=True)
    for each in last.iterdir() if last.exists() else ():
        if each.is_dir() and not each.is_symlink():
            if each.name != "logs":
                shutil.rmtree(each, ignore_errors=True)
        else:
            with suppress(OSError):
                each.unlink()
