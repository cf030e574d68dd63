"""What the server's processes hold and use, looked at every few seconds."""

import asyncio
import mmap
import time
from pathlib import Path

import msgspec
import psutil


class Sample(msgspec.Struct, frozen=True):
    """All processes of the server together."""

    at_s: float
    pss_bytes: int
    """Proportional: what processes share counts once."""
    rss_bytes: int
    cpu_s: float
    descriptors: int
    processes: int
    tcp_bytes: int = 0
    """What the kernel holds for all TCP connections of the machine."""


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that descend from it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def take(process: psutil.Process, began_s: float) -> Sample:
    """Look at all of them now."""
    pss = rss = descriptors = count = 0
    cpu_s = 0.0
    for each in family(process):
        try:
            with each.oneshot():
                memory, times = each.memory_full_info(), each.cpu_times()
                fds = each.num_fds()
        except psutil.Error:
            continue
        pss += memory.pss
        rss += memory.rss
        cpu_s += times.user + times.system
        descriptors += fds
        count += 1
    at_s = round(time.monotonic() - began_s, 2)
    return Sample(at_s, pss, rss, cpu_s, descriptors, count, tcp_bytes())


def tcp_bytes() -> int:
    """What the kernel holds for TCP just now, sent and not taken in, and received and not read."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        kind, *words = line.split()
        if kind == "TCP:":
            return int(words[words.index("mem") + 1]) * mmap.PAGESIZE
    return 0


class Sampler:
    """Takes samples until cancelled."""

    def __init__(self, process: psutil.Process, began_s: float, every_s: float) -> None:
        self._process, self._began_s, self._every_s = process, began_s, every_s
        self.samples: list[Sample] = []

    async def look(self) -> Sample:
        """One more sample."""
        # Reading the maps of large processes takes milliseconds, which are not the victim's.
        sample = await asyncio.to_thread(take, self._process, self._began_s)
        self.samples.append(sample)
        return sample

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)
