"""Processor time of the operations that decide between fan-out on write and on read.

Measured in this process on the shard's own state, without actors or a server; a few seconds.
"""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
import numpy.typing as npt

from rookery.actors.calls import read_request, write_request
from rookery.actors.shard import TimelineShard
from rookery.domain.celebrity import CelebrityList
from rookery.domain.timelines import WarmTimelines
from rookery.messages import Delivery
from rookery.models import EventKind

Floats = npt.NDArray[np.float64]

RING = 800
LIMIT = 20
FIRST_ID = 1 << 50
LISTS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
READERS = 30
FOLLOWERS = (0, 1, 1_000, 50_000)
CARD_BYTES = 400
BATCH = 500


@dataclass(frozen=True)
class Operations:
    """Microseconds of processor time, and bytes.

    `read_us[i]` is a read of a warm timeline that merges `lists[i]` celebrity lists. A tweet costs
    a shard `idle_us` where none of its rows follow the author, else `ring_us` and `ring_row_us`
    for each row that does; a celebrity's costs `listed_us` and `listed_row_us`. `carry_us` is what
    packing or unpacking one tweet of a batch between two processes takes, `list_bytes` a full list.
    """

    lists: Floats
    read_us: Floats
    idle_us: float
    ring_us: float
    ring_row_us: float
    listed_us: float
    listed_row_us: float
    carry_us: float
    list_bytes: float

    def merge_us(self, lists: Floats) -> Floats:
        """What a read costs more with so many lists than with none (linear past the last)."""
        slope = (self.read_us[-1] - self.read_us[-2]) / (self.lists[-1] - self.lists[-2])
        within: Floats = np.interp(lists, self.lists, self.read_us - self.read_us[0])
        beyond: Floats = np.maximum(0.0, lists - self.lists[-1]) * slope
        return within + beyond


def measure(repeats: int = 20) -> Operations:
    """Measure all of them; of `repeats` the least counts, as the least disturbed."""
    read_us = _reads(repeats)
    ring = _deliveries(repeats, listed=False)
    listed = _deliveries(repeats, listed=True)
    most = FOLLOWERS[-1]
    return Operations(
        lists=np.array(LISTS, dtype=np.float64),
        # A read does not become cheaper by another list; what looks so is noise.
        read_us=np.maximum.accumulate(read_us),
        idle_us=max(ring[0], listed[0]),
        ring_us=ring[1],
        ring_row_us=(ring[-1] - ring[1]) / (most - 1),
        listed_us=listed[1],
        listed_row_us=(listed[-1] - listed[1]) / (most - 1),
        carry_us=_carrying(repeats),
        list_bytes=_list_bytes(),
    )


Works = Sequence[tuple[int, Callable[[int], object]]]
"""Operations to measure, each with how often it is done at a time."""


def _least_us(repeats: int, works: Works) -> list[float]:
    """The least time of one call of each, taken in turns so that what disturbs hits them alike."""
    least_s = [float("inf")] * len(works)
    for _ in range(repeats):
        for place, (count, work) in enumerate(works):
            work(0)
            began_s = process_time()
            for number in range(count):
                work(number)
            least_s[place] = min(least_s[place], (process_time() - began_s) / count)
    return [each * 1e6 for each in least_s]


def _reads(repeats: int) -> Floats:
    """Reads of the first page by users whose rings are full and who follow so many celebrities."""
    warm = WarmTimelines(
        rows=len(LISTS) * READERS, ring_size=RING, max_logs=1, log_events=1, list_size=RING
    )
    celebrities = range(1_000_000, 1_000_000 + LISTS[-1])
    for number, author in enumerate(celebrities):
        entries = [(FIRST_ID + place * 997 + number, 0) for place in range(RING)]
        warm.set_celebrity(author, entries, 1)
    ids = FIRST_ID + np.arange(RING, dtype=np.int64) * 1000
    kinds = np.zeros(RING, dtype=np.uint8)
    for group, lists in enumerate(LISTS):
        for reader in range(READERS):
            row = warm.claim(group * READERS + reader, 0.0)
            assert row is not None
            token = warm.begin(row)
            warm.enter(row, celebrities[:lists], token)
            warm.finish(row, ids, kinds, 1, token)

    def read(group: int) -> Callable[[int], object]:
        first = group * READERS
        return lambda number: warm.read(first + number % READERS, 0, LIMIT, 0, 1.0)

    return np.array(_least_us(repeats, [(100, read(group)) for group in range(len(LISTS))]))


def _deliveries(repeats: int, *, listed: bool) -> list[float]:
    """Tweets of authors with so many rows each, at scattered places; nobody is connected."""
    rows = FOLLOWERS[-1]
    warm = WarmTimelines(rows=rows, ring_size=100, max_logs=1, log_events=1, list_size=RING)
    order = np.random.default_rng(rows).permutation(rows)
    for user in range(rows):
        row = warm.claim(user, 0.0)
        assert row is not None
        warm.enter(row, (), warm.begin(row))
    for followers in FOLLOWERS:
        for row in order[:followers].tolist():
            warm.adjacency.add(row, 1_000_000 + followers)
    tweet_id = FIRST_ID

    def deliver(author: int) -> Callable[[int], object]:
        def one(_: int) -> None:
            nonlocal tweet_id
            tweet_id += 1
            warm.deliver(Delivery(tweet_id, EventKind.TWEET, tweet_id, author), listed=listed)

        return one

    works = [
        (max(20, 1_000 // max(1, followers // 50)), deliver(1_000_000 + followers))
        for followers in FOLLOWERS
    ]
    return _least_us(repeats, works)


def _carrying(repeats: int) -> float:
    """The dearer of packing and unpacking one tweet of a batch, as an actor call does."""
    batch = [
        Delivery(
            FIRST_ID + n,
            1,
            FIRST_ID + n,
            FIRST_ID + n * 7,
            record=n.to_bytes(4, "big") * (CARD_BYTES // 4),
        )
        for n in range(BATCH)
    ]
    packed = write_request("deliver", ([batch],))
    ways: Works = [
        (20, lambda _: write_request("deliver", ([batch],))),
        (20, lambda _: read_request(TimelineShard, packed)),
    ]
    return max(_least_us(repeats, ways)) / BATCH


def _list_bytes() -> float:
    """The memory of a full list of one celebrity, which every shard has."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        full = CelebrityList(RING)
        for number in range(RING):
            full.add(FIRST_ID + number * 997, 0)
        return float(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
