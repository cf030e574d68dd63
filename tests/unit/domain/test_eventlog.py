"""`rookery.domain.eventlog`: positions, what was missed, what cannot be told."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.eventlog import NO_SLOT, EventLogs


def _slots(*slots: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(slots, dtype=np.int64)


@given(events=st.integers(0, 30), capacity=st.integers(1, 8), offset=st.integers(-2, 35))
def test_since_gives_exactly_what_came_after(events: int, capacity: int, offset: int) -> None:
    """Either each event after the position, in order, or None where the ring is too short."""
    logs = EventLogs(3, capacity)
    slot = logs.open(77, "e")
    assert slot is not None
    for number in range(1, events + 1):
        logs.append(_slots(slot), 1, 1000 + number)
    missed = logs.since(slot, "e", offset)
    if 0 <= offset <= events and events - offset <= capacity:
        assert missed == [(n, 1, 1000 + n) for n in range(offset + 1, events + 1)]
    else:
        assert missed is None


def test_another_epoch_cannot_be_resumed() -> None:
    """An offset of another incarnation says nothing."""
    logs = EventLogs(1, 4)
    slot = logs.open(77, "new")
    assert slot is not None
    assert logs.since(slot, "old", 0) is None
    assert logs.since(slot, None, None) is None


def test_slots_are_bounded_and_used_again() -> None:
    """Past the last slot `open` gives None; a closed log's slot serves the next user afresh."""
    logs = EventLogs(2, 4)
    first, second = logs.open(1, "a"), logs.open(2, "b")
    assert first is not None and second is not None
    assert logs.open(3, "c") is None
    logs.append(_slots(first), 1, 5)
    logs.close(1)
    assert logs.slot_of(1) == NO_SLOT
    assert logs.open(3, "c") == first
    assert logs.since(first, "c", 0) == []


def test_append_counts_each_log_by_itself() -> None:
    """Offsets are per user, and come back in the order of the slots."""
    logs = EventLogs(2, 4)
    first, second = logs.open(1, "a"), logs.open(2, "b")
    assert first is not None and second is not None
    logs.append(_slots(second), 1, 5)
    assert logs.append(_slots(first, second), 2, 6).tolist() == [1, 2]


def test_offsets_count_from_where_the_log_begins() -> None:
    """What lies before a log's beginning was never in it."""
    logs = EventLogs(1, 4)
    slot = logs.open(77, "e", first_offset=1_000_003)
    assert slot is not None
    assert logs.append(_slots(slot), 1, 5).tolist() == [1_000_004]
    assert logs.since(slot, "e", 1_000_003) == [(1_000_004, 1, 5)]
    assert logs.since(slot, "e", 1_000_002) is None
