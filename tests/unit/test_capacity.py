"""How many connections a process may hold."""

import os
import resource
import subprocess
import sys

import pytest

from rookery.capacity import has_descriptors

PROGRAM = """
import resource
from rookery.capacity import possible_connections
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(possible_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "least", "most"), [(64, 1000, 780, 806), (100, 100, 16, 75), (20, 20, 16, 16)]
)
def test_connections_are_what_the_open_files_leave(
    soft: int, hard: int, least: int, most: int
) -> None:
    """The soft limit is raised as far as it may be; some are left for all else."""
    program = PROGRAM.format(soft=soft, hard=hard)
    told = subprocess.check_output([sys.executable, "-c", program], text=True)
    possible, now = map(int, told.split())
    assert now == hard
    assert least <= possible <= most


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
