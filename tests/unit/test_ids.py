"""`rookery.ids`: order, uniqueness, drift, parsing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.errors import Unavailable
from rookery.ids import (
    EPOCH_MS,
    MAX_DRIFT_MS,
    MAX_ID,
    MAX_TIME_MS,
    RisingClock,
    Snowflakes,
    first_id_at,
    parse_id,
    time_ms_of,
)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=200))
def test_ids_increase_whatever_the_clock_does(steps: list[int]) -> None:
    """Ids of one generator strictly increase even when the clock steps back a little."""
    now = EPOCH_MS + 10_000_000
    times = []
    for step in steps:
        now += step
        times.append(now)
    clock = iter(times)
    snowflakes = Snowflakes(1, lambda: next(clock))
    ids = [snowflakes.next_id() for _ in times]
    assert ids == sorted(set(ids))


def test_workers_never_collide() -> None:
    """Two generators at the same moment make different ids."""
    one, two = (Snowflakes(worker, lambda: EPOCH_MS + 5) for worker in (1, 2))
    assert not {one.next_id() for _ in range(5000)} & {two.next_id() for _ in range(5000)}


def test_a_clock_far_back_pauses_ids() -> None:
    """Rather than run ahead of time for long, making ids fails as unavailable."""
    now = [EPOCH_MS + 1_000_000]
    snowflakes = Snowflakes(1, lambda: now[0])
    snowflakes.next_id()
    now[0] -= MAX_DRIFT_MS + 1
    with pytest.raises(Unavailable):
        snowflakes.next_id()


def test_time_is_readable() -> None:
    """An id tells its millisecond, and the first id of a millisecond is below all others of it."""
    snowflake = Snowflakes(7, lambda: EPOCH_MS + 1234).next_id()
    assert time_ms_of(snowflake) == EPOCH_MS + 1234
    assert first_id_at(EPOCH_MS + 1234) <= snowflake < first_id_at(EPOCH_MS + 1235)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        (str(MAX_ID), MAX_ID),
        (str(MAX_ID + 1), None),
        ("0", None),
        ("01", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
        ("٣", None),
        ("1" * 40, None),
    ],
)
def test_parsing(text: str, expected: int | None) -> None:
    """Only plain decimal numbers in range are ids."""
    assert parse_id(text) == expected


class Clocks:
    """A wall clock that steps, and a steady one."""

    def __init__(self) -> None:
        self.wall_ms, self.steady_ms = EPOCH_MS + 10_000_000, 500

    def rising(self) -> RisingClock:
        return RisingClock(lambda: self.wall_ms, lambda: self.steady_ms)


@given(st.lists(st.tuples(st.integers(-5_000, 5_000), st.integers(0, 500)), max_size=100))
def test_a_rising_clock_never_goes_back(moves: list[tuple[int, int]]) -> None:
    """Whatever the wall clock does; and it is never behind it."""
    clocks = Clocks()
    rising = clocks.rising()
    last_ms = rising()
    for step_ms, passed_ms in moves:
        clocks.wall_ms += step_ms + passed_ms
        clocks.steady_ms += passed_ms
        now_ms = rising()
        assert now_ms >= max(last_ms, clocks.wall_ms)
        last_ms = now_ms


def test_a_rising_clock_goes_on_until_the_wall_clock_has_caught_up() -> None:
    """At nine tenths of its pace, so that a second is made good in ten."""
    clocks = Clocks()
    rising = clocks.rising()
    began_ms = rising()
    clocks.wall_ms -= 1_000
    for passed_ms, expected_ms in ((0, 0), (1_000, 900), (9_999, 8_999), (10_001, 9_001)):
        clocks.steady_ms, clocks.wall_ms = 500 + passed_ms, began_ms - 1_000 + passed_ms
        assert rising() == began_ms + expected_ms


def test_a_clock_beyond_what_ids_hold_makes_none() -> None:
    """Rather than an id that is negative, or stands below all others."""
    with pytest.raises(Unavailable):
        Snowflakes(1, lambda: MAX_TIME_MS + 1).next_id()
    assert Snowflakes(1, lambda: MAX_TIME_MS).next_id() <= MAX_ID
