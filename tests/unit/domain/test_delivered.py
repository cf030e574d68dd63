"""`rookery.domain.delivered`."""

from rookery.domain.delivered import RecentIds


def test_an_id_counts_as_new_once() -> None:
    """The second delivery of the same id is recognised."""
    recent = RecentIds(10)
    assert recent.add(5)
    assert not recent.add(5)


def test_the_oldest_is_forgotten_first() -> None:
    """Memory is bounded; what falls out of it would count as new again."""
    recent = RecentIds(2)
    for item in (1, 2, 3):
        recent.add(item)
    assert len(recent) == 2
    assert 1 not in recent
    assert 3 in recent
