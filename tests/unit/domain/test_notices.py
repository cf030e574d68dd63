"""Telling of limits that bite."""

from rookery.domain.notices import MOST_NAMED, OTHERS, Notice, Notices


def test_a_limit_that_bites_often_is_told_once_with_its_number() -> None:
    """At once the first time, then together with what came since."""
    notices = Notices(every_s=10)
    notices.count("connections", "192.0.2.1")
    assert notices.due(100.0) == [Notice("connections", "192.0.2.1", 1)]
    for _ in range(5):
        notices.count("connections", "192.0.2.1")
    assert notices.due(105.0) == []
    assert notices.due(110.0) == [Notice("connections", "192.0.2.1", 5)]
    assert notices.due(130.0) == []
    assert notices.totals["connections"] == 6


def test_a_flood_from_many_addresses_is_told_in_few_lines() -> None:
    """The number is whole, the names are some."""
    notices = Notices()
    for number in range(1000):
        notices.count("connections", f"192.0.2.{number}")
    told = notices.due(1.0)
    assert len(told) == MOST_NAMED + 1
    assert sum(each.times for each in told) == 1000
    assert told[-1].address == OTHERS
