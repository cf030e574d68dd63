"""What viewers did."""

import pytest

from rookery.store.records.viewers import MARKED, Marks


def test_each_mark_has_its_collection() -> None:
    """And a bit of its own."""
    assert list(MARKED) == list(Marks)
    assert [int(mark) for mark in Marks] == [1 << bit for bit in range(len(Marks))]


@pytest.mark.parametrize("mark", Marks, ids=lambda mark: str(mark.name))
def test_a_mark_is_read_by_viewer_and_tweet(mark: Marks) -> None:
    """The key is who marked, then the marked tweet."""
    collection, field = MARKED[mark]
    viewer, tweet = collection.key
    assert viewer in ("user_id", "author_id")
    assert tweet == field
