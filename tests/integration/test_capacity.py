"""What a process of its own makes of the limits it is started with."""

import os
import subprocess
import sys

import pytest

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


AFTER_LARGE_BODIES = """
import sys
from rookery.capacity import return_freed_memory
if sys.argv[1] == "returned":
    assert return_freed_memory()
def resident():
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4096
bytearray(b"x") * (24 << 20)  # from now on glibc takes blocks up to this size from the heap
before = resident()
bodies, lives_on = [], []
for _ in range(6):
    bodies.append(bytearray(b"x") * (8 << 20))
    lives_on.append(bytes(100_000))
del bodies
print((resident() - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
@pytest.mark.parametrize(("case", "least", "most"), [("returned", 0, 4), ("kept", 16, 64)])
def test_freed_memory_goes_back(case: str, least: int, most: int) -> None:
    """Large blocks at once, whatever was allocated behind them; without it most of it is kept."""
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", AFTER_LARGE_BODIES, case]
    told = subprocess.check_output(command, text=True, env=environment)
    assert least <= int(told) <= most


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
@pytest.mark.parametrize(
    ("name", "value", "arranged"),
    [
        ("MALLOC_ARENA_MAX", "2", True),  # as actors have it
        ("MALLOC_TRIM_THRESHOLD_", "65536", False),
        ("MALLOC_MMAP_THRESHOLD_", "65536", False),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536", False),
    ],
)
def test_an_operators_own_thresholds_stand(name: str, value: str, arranged: bool) -> None:
    """What the environment sets about the same thing is not changed; all else is no reason."""
    program = "from rookery.capacity import return_freed_memory; print(return_freed_memory())"
    environment = {each: kept for each, kept in os.environ.items() if "MALLOC" not in each}
    told = subprocess.check_output(
        [sys.executable, "-c", program], text=True, env=environment | {name: value}
    )
    assert told.strip() == str(arranged)
