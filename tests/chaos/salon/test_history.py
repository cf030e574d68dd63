"""What may be seen of a thing while it changes."""

from tests.chaos.salon.history import LATE_S, NO, PERHAPS, YES, History, holds


def changed(*, is_told: bool) -> History[bool]:
    """False, and true by a change that was asked for at 10 and answered at 11."""
    history = History(False)
    history.answered(history.begin(10.0, True), 11.0, is_told=is_told)
    return history


def test_a_change_is_seen_by_who_looks_after_its_answer() -> None:
    """Who looked before it was asked for did not see it; in between both are right."""
    history = changed(is_told=True)
    assert holds(history, 8.0, 9.0) == NO
    assert holds(history, 9.0, 10.5) == PERHAPS
    assert holds(history, 10.2, 12.0) == PERHAPS
    assert holds(history, 11.0, 12.0) == YES


def test_who_was_not_told_shows_what_was_before_for_a_while() -> None:
    """Not for ever; the next change that all are told of ends it."""
    history = changed(is_told=False)
    assert holds(history, 11.0, 12.0) == PERHAPS
    assert holds(history, 11.0 + LATE_S, 200.0) == YES
    history.answered(history.begin(20.0, True), 21.0, is_told=True)
    assert holds(history, 22.0, 23.0) == YES


def test_a_change_that_is_under_way_may_be_seen() -> None:
    """And is as if it had never been, once it was refused."""
    history = History(False)
    change = history.begin(10.0, True)
    assert holds(history, 8.0, 9.0) == NO
    assert holds(history, 12.0, 13.0) == PERHAPS
    history.refused(change)
    assert holds(history, 12.0, 13.0) == NO


def test_what_got_no_answer_may_come_at_any_time() -> None:
    """Also after a change that was answered."""
    history = History(False)
    history.doubt(True, 10.0)
    history.answered(history.begin(20.0, False), 21.0, is_told=True)
    assert holds(history, 5.0, 9.0) == NO
    assert holds(history, 1_000.0, 1_001.0) == PERHAPS
    assert history.last is False


def test_an_answer_that_says_the_same_ends_the_doubt() -> None:
    history = History(False)
    history.doubt(True, 10.0)
    history.answered(history.begin(20.0, True), 21.0, is_told=True)
    assert holds(history, 22.0, 23.0) == YES


def test_a_change_may_tell_by_its_answer_what_it_made() -> None:
    """Until then it may be any of them."""
    history = History("first")
    change = history.begin(10.0, "second", "third")
    assert history.over(10.0, 11.0) == {"first", "second", "third"}
    history.answered(change, 12.0, is_told=True, value="third")
    assert history.over(13.0, 14.0) == {"third"}


def test_maybe_is_counted_as_it_should() -> None:
    assert (YES & PERHAPS, YES | PERHAPS, NO & PERHAPS, NO | PERHAPS) == (
        PERHAPS,
        YES,
        NO,
        PERHAPS,
    )
    assert (~YES, ~PERHAPS, ~NO) == (NO, PERHAPS, YES)
