"""A timeline shard that can be filled without the store, and the bare operation on its arrays."""

import random
from time import monotonic, perf_counter

import numpy as np

from rookery.actors.shard import TimelineShard
from rookery.ids import first_id_at


def follower_id(number: int) -> int:
    """The id of a follower that exists only as a row."""
    return first_id_at(1_400_000_000_000) + (number << 12)


class FillableShard(TimelineShard):
    """Delivers as every shard does; only how its rows come to be is different."""

    async def fill(self, followers: int, in_order: int, scattered: int) -> int:
        """Enter rows for those of so many followers who belong here; how many these are.

        All of them follow two authors. `in_order` has the rows as they were warmed one after
        another, `scattered` in random order, as after years of coming and going. Every ring is
        full, so that a delivery also evicts, as on a server that has run for a while.
        """
        warm, now_s = self._warm, monotonic()
        rows: list[int] = []
        for user in map(follower_id, range(followers)):
            if not self._owns(user):
                continue
            row = warm.claim(user, now_s)
            assert row is not None, "timelines.max_rows is too small"
            warm.enter(row, (in_order,), warm.begin(row))
            rows.append(row)
        rings, count = warm.rings, len(rows)
        random.Random(count).shuffle(rows)
        for row in rows:
            warm.adjacency.add(row, scattered)
        # What loading row by row would do, at once for all.
        past = np.arange(1, rings.capacity + 1, dtype=np.int64)
        rings.load(0, past, np.zeros(rings.capacity, dtype=np.uint8), 1)
        rings.ids[:, :count] = past[:, None]
        rings.kinds[:, :count] = 0
        rings.cells[:count] = np.arange(count)
        rings.full[:count] = True
        rings._floors[:count] = 1
        warm._built[:count] = True
        return count

    async def bare(self, author_id: int, tweets: int) -> tuple[int, float]:
        """The bare array operation on this shard's own arrays; (deliveries, seconds).

        Afterwards the rows hold ids that nobody posted.
        """
        rings = self._warm.rings
        rows = self._warm.adjacency.rows(author_id)
        ids, kinds, next_cells = rings.ids.reshape(-1), rings.kinds.reshape(-1), rings.cells
        began_s = perf_counter()
        for tweet_id in range(1, tweets + 1):
            cells = next_cells[rows]
            ids[cells] = tweet_id
            kinds[cells] = 0
            cells += rings.rows
            cells[cells >= len(ids)] -= len(ids)
            next_cells[rows] = cells
        return len(rows) * tweets, perf_counter() - began_s
