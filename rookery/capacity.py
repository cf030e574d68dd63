"""What this process may hold: connections, each a file descriptor, and memory. Leaf module."""

import ctypes
import errno
import os
import resource

MOST_FILES = 1 << 20
"""Linux's own limit (``fs.nr_open``) where there is no other."""
SPARE_FILES = 192
"""Kept for what a process opens later: files of the store, sockets to other parts."""

# mallopt(3), <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 1 << 20
"""Blocks from this size on have pages of their own, which go back to the kernel with them."""
_TRIM_BYTES = 4 << 20
"""So much may lie free at the heap's end, or it would be grown and cut all the time."""
_THRESHOLDS_SET = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables of the environment by which somebody else has set the thresholds."""


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


def return_freed_memory() -> bool:
    """Let large blocks go back to the kernel when they are freed; returns whether it is arranged.

    glibc raises its thresholds with the largest block that was ever freed, up to 32 MB: after a few
    large bodies everything of that size comes from the heap, where one small block that lives on
    keeps all below it (mallopt(3), "dynamic mmap threshold"). Thresholds that are set in the
    environment stand; the number of arenas, which actors are given there, is none.
    """
    if any(name in os.environ for name in _THRESHOLDS_SET):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # Not glibc.
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) and mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
    )
