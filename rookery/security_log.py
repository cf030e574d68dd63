"""The security log: who did what, from where, and how it ended. One JSON object a line.

Leaf module. Events are of the kind ``security``: on the ordinary log's stderr, or in a file of
their own that can be shipped apart. They are written whatever the log's level is. What is logged
are names, ids, addresses and reasons that this program chose. Of what a stranger typed there is
the name of an account that exists, and the request's id, which clients may choose (`X-Request-Id`,
up to 128 visible ASCII characters); never a password, token, ticket or e-mail address.
docs/operations.md has the table of events.
"""

import asyncio
import errno
import json
import os
import pwd
import stat
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from rookery.errors import StartupError
from rookery.permissions import open_private

KIND = "security"
MAX_TEXT_CHARS = 200
SUMMARY_S = 60.0
MAX_SOURCES = 100
"""Sources of refusals told apart in one summary; the rest is counted together."""

Outcome: TypeAlias = Literal["success", "failure", "refused"]


class Event(StrEnum):
    """What is logged; docs/operations.md says when."""

    SIGN_UP = "sign_up"
    LOG_IN = "log_in"
    LOG_OUT = "log_out"
    DEVICE_REVOKED = "device_revoked"
    DEVICE_DISPLACED = "device_displaced"
    SIGN_IN_ENDED = "sign_in_ended"
    TOKEN_REUSED = "refresh_token_reused"
    REFUSED = "refused"
    REFUSED_MANY = "refused_many"
    OPERATOR = "operator_act"
    STARTED = "server_started"


class Origin(msgspec.Struct, frozen=True):
    """Where a request came from.

    `address` is the client's, as far as trusted proxies tell; `key` what it counts by (an IPv4
    address, an IPv6 network of 64 bits). `user_agent` is whatever the client says.
    """

    address: str = ""
    key: str = ""
    request_id: str = ""
    user_agent: str = ""


NOWHERE = Origin()
"""Of what no client asked for over the network."""


_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK
"""Of opening the log's file. A pipe that nobody reads must not hold a server up."""


class _OwnFile:
    """Appends to a file that only its owner may read, and that may be renamed under it.

    One that is there already is closed to all others; one that is a link is not written to.

    Each event is one write at the file's end, so several processes may share it. Nothing is
    buffered: what a full disk did not take must not pile up here.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_cut = False

    def append(self, line: bytes) -> None:
        """
        Raises:
            OSError: it cannot be written.
        """
        descriptor = self._current()
        data = b"\n" + line if self._is_cut else line
        written = os.write(descriptor, data)
        self._is_cut = written < len(data)
        if self._is_cut:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _current(self) -> int:
        """The descriptor of the file that has the path now; opened anew where that is another."""
        if self._descriptor is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):
                    return self._descriptor
            self.close()
        self._descriptor = open_private(self._path, _FLAGS | os.O_CREAT)
        return self._descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._is_cut = False


_file: _OwnFile | None = None


def configure(path: str) -> None:
    """Write to the file `path` from now on, in this process; to stderr if it is empty."""
    global _file
    if _file is not None:
        _file.close()
    _file = _OwnFile(path) if path else None


def check_file(setting: str) -> None:
    """See whether the file in the settings can be written to; it is not made by that.

    Raises:
        StartupError: it cannot, or is a link or another user's; the text says what to do.
    """
    if not setting:
        return
    path = Path(file_of(setting))
    try:
        if not os.path.lexists(path):
            _check_folder(path.parent)
            return
        if path.is_symlink():
            raise StartupError(
                f"{_SETTING} ({path}) is a link: name the file itself, or remove what others have"
                " put there"
            )
        descriptor = open_private(path, _FLAGS)
        try:
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StartupError(
            f"{_SETTING} ({path}) cannot be written: {error.strerror}; correct it, give user"
            f" {os.geteuid()} the right to, or leave it empty to log on stderr"
        ) from error
    if stat.S_ISREG(found.st_mode) and found.st_uid != os.geteuid():
        raise StartupError(
            f"{_SETTING} ({path}) is not a file of user {os.geteuid()}, and its owner can read"
            f" and change it: chown {os.geteuid()} {path}, or name another file"
        )


_SETTING = "auth.security_log_file"


def _check_folder(folder: Path) -> None:
    """
    Raises:
        OSError: no file can be made in it.
    """
    if not folder.is_dir():
        code = errno.ENOTDIR if folder.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def file_of(setting: str) -> str:
    """The path of the file in the settings, for processes that stand in other folders."""
    return str(Path(setting).absolute()) if setting else ""


def record(
    event: Event,
    outcome: Outcome,
    *,
    origin: Origin = NOWHERE,
    reason: str = "",
    user_id: int | None = None,
    username: str = "",
    device_id: str = "",
    **facts: Any,
) -> None:
    """Log one event. Raises nothing: what cannot be written is lost, and no request fails."""
    line: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "kind": KIND,
        "event": event.value,
        "outcome": outcome,
    }
    given = {
        "reason": reason,
        "user_id": None if user_id is None else str(user_id),
        "username": username,
        "device_id": device_id,
        "address": origin.address,
        "request_id": origin.request_id,
        **facts,
    }
    line |= {name: _bounded(value) for name, value in given.items() if value not in (None, "")}
    _write(json.dumps(line))  # ASCII: whatever a name holds, it ends no line


def _bounded(value: Any) -> Any:
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else value


def _write(line: str) -> None:
    if _file is not None:
        with suppress(OSError):
            _file.append(line.encode("ascii") + b"\n")
            return
    with suppress(OSError, ValueError):  # ValueError: closed
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def operator() -> str:
    """The account of the operating system that this process runs as; its number if it has no name.

    Whatever the environment says, which is whatever an operator likes.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


class Refusals:
    """Logs refused requests without letting a flood of them fill a disk.

    The first of a source and reason in a minute is logged as it is. Further ones are counted, and
    told as one line each when the minute ends; of sources beyond `MAX_SOURCES` only a sum.
    """

    def __init__(self, summary_s: float = SUMMARY_S) -> None:
        self._summary_s = summary_s
        self._further: Counter[tuple[str, str, str]] = Counter()
        self._unnamed: Counter[tuple[str, str]] = Counter()
        self._ending: asyncio.TimerHandle | None = None

    def refused(
        self, reason: str, origin: Callable[[], Origin], limit: str = "", **who: Any
    ) -> None:
        """One more was refused; call it in an event loop. `origin` is asked at most once.

        `limit` names the limit that was reached, where one was.
        """
        source = origin()
        key = (source.key or source.address, reason, limit)
        if self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(self._summary_s, self.summarise)
        if key in self._further:
            self._further[key] += 1
        elif len(self._further) >= MAX_SOURCES:
            self._unnamed[reason, limit] += 1
        else:
            self._further[key] = 0
            record(Event.REFUSED, "refused", origin=source, reason=reason, limit=limit, **who)

    def summarise(self) -> None:
        """End the minute: tell what was counted, and begin anew."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        for (address, reason, limit), count in self._further.items():
            if count:
                of: dict[str, Any] = {"reason": reason, "limit": limit, "count": count}
                record(Event.REFUSED_MANY, "refused", origin=Origin(address), **of)
        for (reason, limit), count in self._unnamed.items():
            of = {"reason": reason, "limit": limit, "count": count}
            record(Event.REFUSED_MANY, "refused", sources="further", **of)
        self._further.clear()
        self._unnamed.clear()
