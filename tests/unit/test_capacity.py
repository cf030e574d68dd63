"""How many connections a process may hold."""

import os
import resource

from rookery.capacity import has_descriptors


def test_running_out_of_files_is_seen() -> None:
    """And that there are some again."""
    assert has_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        assert not has_descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert has_descriptors()
