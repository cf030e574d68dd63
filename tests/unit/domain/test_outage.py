"""When to ask a part that failed."""

from rookery.domain.outage import Outage


def test_nobody_asks_for_a_while_after_a_failure_then_one_does() -> None:
    """One caller a pause finds out; the others wait for what comes of it."""
    outage = Outage(pause_ms=100)
    assert outage.may_ask(0)
    outage.failed(10)
    assert not outage.may_ask(109)
    assert [outage.may_ask(110), outage.may_ask(111), outage.may_ask(210)] == [True, False, True]


def test_an_answer_ends_it() -> None:
    """From then on everybody asks."""
    outage = Outage(pause_ms=100)
    outage.failed(10)
    assert outage.is_on
    outage.answered()
    assert not outage.is_on
    assert outage.may_ask(11) and outage.may_ask(12)
