"""How many connections this process may hold: each takes a file descriptor. Leaf module."""

import errno
import os
import resource

MOST_FILES = 1 << 20
"""Linux's own limit (``fs.nr_open``) where there is no other."""
SPARE_FILES = 192
"""Kept for what a process opens later: files of the store, sockets to other parts."""


def raise_file_limit() -> int:
    """Let this process have as many open files as it may; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            return soft
    return wanted


def possible_connections() -> int:
    """How many connections the open files of this process leave room for; at least a few."""
    most = raise_file_limit()
    spare = min(SPARE_FILES, most // 4)
    return max(most - _open_files() - spare, 16)


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:  # Not Linux.
        return SPARE_FILES


def has_descriptors() -> bool:
    """Whether this process may open another file: where not, connections are lost unseen.

    libuv closes what it cannot take without a word; asyncio's own loop stops taking for a second.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True
