"""What one consumer has still to take."""

from collections.abc import Iterable

from rookery.events.kinds import Event, PrivacyChanged
from rookery.events.lane import Lane, Limits


def _events(ids: Iterable[int]) -> list[Event]:
    return [PrivacyChanged(id=each, user_id=7) for each in ids]


def _lane(*, held: int = 10, batch: int = 3, tries: int = 2, in_order: bool = True) -> Lane:
    lane = Lane(Limits(held, batch, tries), in_order=in_order)
    lane.catch_up([])
    return lane


def _ids(events: Iterable[Event]) -> list[int]:
    return [event.id for event in events]


def test_events_are_taken_in_their_order_one_batch_after_another() -> None:
    """The next one begins when the former was taken."""
    lane = _lane()
    lane.offer(_events(range(5)))
    first = lane.take()
    assert (_ids(first), lane.take()) == ([0, 1, 2], [])
    assert lane.took(first) == ([0, 1, 2], [])
    assert _ids(lane.take()) == [3, 4]


def test_batches_of_a_consumer_without_order_overlap() -> None:
    """Up to the limit of what may be held."""
    lane = _lane(in_order=False)
    lane.offer(_events(range(5)))
    assert [_ids(lane.take()) for _ in range(3)] == [[0, 1, 2], [3, 4], []]


def test_a_lane_begins_behind_and_keeps_nothing_until_it_has_caught_up() -> None:
    """What a former process left in the backlog comes first."""
    lane = Lane(Limits(), in_order=True)
    lane.offer(_events([5]))
    assert (len(lane), lane.is_idle) == (0, False)
    lane.bring(_events([1, 2]))
    lane.catch_up(_events([5]))
    assert _ids(lane.take()) == [1, 2, 5]
    assert not lane.is_behind


def test_too_many_events_stay_outside() -> None:
    """Memory is bounded; from then on the backlog comes first, so that the order is kept."""
    lane = _lane(held=4)
    lane.offer(_events(range(3)))
    lane.offer(_events([3, 4]))
    assert (len(lane), lane.is_behind) == (3, True)
    lane.took(lane.take())
    lane.offer(_events([5]))
    assert len(lane) == 0
    lane.catch_up(_events([3, 4, 5]))
    assert (_ids(lane.take()), lane.is_behind) == ([3, 4, 5], False)


def test_what_is_outside_may_be_too_much_as_well() -> None:
    """Then the lane stays behind."""
    lane = _lane(held=4)
    lane.catch_up(_events(range(5)))
    assert (len(lane), lane.is_behind) == (0, True)


def test_nothing_that_is_here_comes_twice() -> None:
    """Neither from the outbox nor from the backlog."""
    lane = _lane()
    lane.offer(_events([1]))
    running = lane.take()
    lane.offer(_events([1]))
    lane.bring(_events([1]))
    lane.catch_up(_events([1]))
    lane.took(running)
    assert (len(lane), lane.take()) == (0, [])


def test_what_was_moved_meanwhile_is_taken_off_the_backlog() -> None:
    """The others off the outbox."""
    lane = _lane()
    lane.offer(_events([1, 2]))
    batch = lane.take()
    lane.moved(2)
    assert set(lane.backlogged) == {2}
    assert lane.took(batch) == ([1], [2])
    assert lane.is_idle


def test_what_is_moved_and_not_here_is_looked_for() -> None:
    """Else it would wait in the backlog for the next start."""
    lane = _lane()
    lane.moved(9)
    assert lane.is_behind


def test_what_failed_for_another_reason_comes_again_as_it_was() -> None:
    """However often: it is not to blame."""
    lane = _lane()
    lane.offer(_events(range(4)))
    for _ in range(10):
        batch = lane.take()
        assert _ids(batch) == [0, 1, 2]
        assert lane.give_back(batch, at_fault=False) == []


def test_suspects_come_alone_and_the_culprit_is_given_up() -> None:
    """The others are taken, in their order."""
    lane = _lane()
    lane.offer(_events(range(5)))
    assert lane.give_back(lane.take(), at_fault=True) == []
    seen: list[list[int]] = []
    while batch := lane.take():
        seen.append(_ids(batch))
        if 1 in _ids(batch):
            given_up = lane.give_back(batch, at_fault=True)
            if given_up:
                assert lane.tries_of(given_up[0]) == 2
                lane.took(given_up)
        else:
            lane.took(batch)
    assert seen == [[0], [1], [1], [2], [3, 4]]
    assert lane.is_idle
