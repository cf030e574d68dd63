"""`rookery.domain.rings`: delivery, eviction, floors, order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.rings import Rings


def _rows(*rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(rows, dtype=np.int64)


def _loaded(rings: Rings, row: int, ids: list[int], floor: int = 0) -> None:
    rings.clear(row)
    rings.load(row, np.array(ids, np.int64), np.zeros(len(ids), np.uint8), floor)


def test_delivery_reaches_the_given_rows_only() -> None:
    """A tweet stands in the rings of the rows it was delivered to, newest first."""
    rings = Rings(4, 8)
    for row in range(4):
        _loaded(rings, row, [])
    rings.deliver(_rows(0, 2), 10, 0)
    rings.deliver(_rows(2), 11, 0)
    assert [rings.newest_of(row, 5) for row in range(4)] == [[10], [], [11, 10], []]


def test_eviction_raises_the_floor() -> None:
    """A full ring drops its oldest and no longer claims to hold what lies below it."""
    rings = Rings(2, 3)
    _loaded(rings, 1, [])
    for tweet_id in range(1, 6):
        rings.deliver(_rows(1), tweet_id, 0)
    assert rings.newest_of(1, 10) == [5, 4, 3]
    assert rings.floor(1) == 3


def test_a_row_not_loaded_serves_nothing() -> None:
    """What reaches a cleared row is collected, but lies below its floor until it is loaded."""
    rings = Rings(1, 3)
    rings.clear(0)
    rings.deliver(_rows(0), 7, 0)
    assert rings.newest_of(0, 5) == []
    assert rings.raw(0)[0].tolist() == [7]


def test_late_arrival_is_put_in_order() -> None:
    """A tweet that arrives after a younger one still stands in the order of ids."""
    rings = Rings(1, 4)
    _loaded(rings, 0, [])
    for tweet_id in (5, 9, 7):
        rings.deliver(_rows(0), tweet_id, 0)
    assert rings.newest_of(0, 4) == [9, 7, 5]


def test_what_was_loaded_and_comes_again_counts_once() -> None:
    """A tweet that the store already had when the row was built is not doubled by delivery."""
    rings = Rings(1, 4)
    _loaded(rings, 0, [5, 6])
    rings.deliver(_rows(0), 6, 0)
    rings.deliver(_rows(0), 8, 0)
    assert rings.newest_of(0, 4) == [8, 6, 5]


def test_loading_more_than_fits_raises_the_floor() -> None:
    """Of a longer history the newest are kept, and the floor says so."""
    rings = Rings(1, 3)
    _loaded(rings, 0, [1, 2, 3, 4, 5])
    assert rings.newest_of(0, 9) == [5, 4, 3]
    assert rings.floor(0) == 3


@given(
    capacity=st.integers(1, 6),
    initial=st.lists(st.integers(1, 15), unique=True, max_size=8),
    arrivals=st.lists(
        st.tuples(st.lists(st.integers(0, 2), min_size=1, unique=True), st.integers(1, 40)),
        max_size=40,
    ),
    limit=st.integers(1, 8),
)
def test_above_the_floor_nothing_is_missing(
    capacity: int, initial: list[int], arrivals: list[tuple[list[int], int]], limit: int
) -> None:
    """Whatever arrives in whatever order, each row serves exactly the ids above its floor."""
    rings = Rings(3, capacity)
    truth: list[set[int]] = [set(initial) for _ in range(3)]
    for row in range(3):
        _loaded(rings, row, sorted(initial))
    delivered: set[int] = set()
    for rows, tweet_id in arrivals:
        if tweet_id in delivered:
            continue
        delivered.add(tweet_id)
        rings.deliver(_rows(*rows), tweet_id, tweet_id % 7)
        for row in rows:
            truth[row].add(tweet_id)
    for row in range(3):
        floor = rings.floor(row)
        expected = sorted((i for i in truth[row] if i >= floor), reverse=True)
        assert rings.newest_of(row, limit) == expected[:limit]
