"""Who has still to take which event."""

from rookery.events.kinds import PrivacyChanged
from rookery.events.ledger import Ledger

ONE, TWO = 1, 2


def _ledger(*pending: int) -> Ledger:
    """Events 0, 1, …, each a second later than the one before."""
    ledger = Ledger()
    for number, bits in enumerate(pending):
        ledger.add(PrivacyChanged(id=number, user_id=7), bits, float(number))
    return ledger


def test_an_event_is_done_when_all_took_it() -> None:
    """Not before, and it is told once."""
    ledger = _ledger(ONE | TWO, ONE)
    ledger.took(TWO, [0])
    assert ledger.done() == []
    ledger.took(ONE, [0, 1, 5])
    ledger.took(ONE, [0])
    assert (ledger.done(), ledger.done(), len(ledger)) == ([0, 1], [], 0)


def test_an_event_that_nobody_wants_is_done_at_once() -> None:
    """As is one that nobody can read."""
    ledger = _ledger(0)
    ledger.drop(8)
    assert ledger.done() == [0, 8]


def test_what_is_old_is_moved_for_those_who_have_still_to_take_it() -> None:
    """Oldest first, and forgotten then."""
    ledger = _ledger(ONE | TWO, ONE | TWO, TWO)
    ledger.took(TWO, [0])
    moved = ledger.move(1.0, 0, 10)
    assert [(held.event.id, held.pending) for held in moved] == [(0, ONE), (1, ONE | TWO)]
    ledger.took(ONE, [0])
    assert (ledger.done(), ledger.move(1.0, 0, 10)) == ([], [])


def test_what_only_those_behind_want_is_moved_at_once() -> None:
    """It waits for nobody who would take it soon."""
    ledger = _ledger(ONE | TWO, TWO, TWO)
    assert [held.event.id for held in ledger.move(-1.0, TWO, 1)] == [1]
    assert [held.event.id for held in ledger.move(-1.0, TWO, 9)] == [2]
    assert [event.id for event in ledger.pending_of(TWO)] == [0]
