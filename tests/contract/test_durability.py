"""What a store acknowledged survives the death of its process.

The process is killed, not the machine: that each commit also waits for the disk is asserted of
the engine's settings, beside its unit tests.
"""

import random
import signal
import subprocess
import sys
from pathlib import Path

from rookery.store.engine import Increment, Insert, WriteBatch
from rookery.store.sqlite import SqliteStore
from tests.contract.collections import COLLECTIONS, COUNTS, ITEMS, LINKS

ROUNDS = 3
CALLERS = 8


async def write_until_killed(path: Path, first: int) -> None:
    """Write one item and one link a batch, from several callers, and print each id when it is
    acknowledged. Runs in the process that is killed."""
    import asyncio
    import os

    store = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)

    async def caller(id_: int) -> None:
        while True:
            await store.writer.write(
                WriteBatch(
                    (
                        Insert("items", {"id": id_, "text": "x" * 300}),
                        Insert("links", {"source": id_, "target": 1}),
                        Increment("counts", ("w", 1), {"seen": 1}),
                    )
                )
            )
            os.write(1, b"id %d\n" % id_)
            id_ += CALLERS

    await asyncio.gather(*(caller(first + n) for n in range(CALLERS)))


def acknowledged_before_kill(path: Path, first: int, lines: int) -> list[int]:
    """Run the writer until it printed `lines` ids, kill it, and return all it printed."""
    program = (
        "import asyncio, pathlib, sys\n"
        "from tests.contract.test_durability import write_until_killed\n"
        "asyncio.run(write_until_killed(pathlib.Path(sys.argv[1]), int(sys.argv[2])))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(first)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        # Log lines stand between, and the last line may be cut off.
        ids: list[int] = []
        for line in process.stdout:
            if line.startswith(b"id ") and line.endswith(b"\n"):
                ids.append(int(line[3:]))
            if len(ids) == lines:
                process.kill()
    assert process.returncode == -signal.SIGKILL
    return ids


async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    """Every acknowledged batch is there and whole, and no batch is there in part."""
    path = tmp_path / "rookery.db"
    acknowledged: list[int] = []
    for round_ in range(ROUNDS):
        lines = random.Random(round_).randrange(1, 400)
        acknowledged += acknowledged_before_kill(path, round_ * 1_000_000, lines)
        store = SqliteStore(path, COLLECTIONS, clock_ms=lambda: 0)
        items = await store.reader.select(ITEMS, ("id",), limit=1_000_000)
        links = await store.reader.select(LINKS, ("source",), limit=1_000_000)
        count = await store.reader.get(COUNTS, ("w", 1))
        await store.close()
        assert set(acknowledged) <= {id_ for (id_,) in items}
        assert items == links
        assert count is not None and count["seen"] == len(items)
