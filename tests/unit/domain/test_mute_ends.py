"""When timed mutes end."""

from rookery.domain.mute_ends import MuteEnds


def test_a_mute_ends_at_its_time_once() -> None:
    """Not a millisecond earlier."""
    ends = MuteEnds()
    ends.set(1, 100)
    ends.set(2, 200)
    assert ends.due(99) == []
    assert ends.due(100) == [1]
    assert ends.due(150) == []
    assert ends
    assert ends.due(300) == [2]
    assert not ends


def test_the_last_word_counts() -> None:
    """A mute that was made longer, shorter, or taken back."""
    ends = MuteEnds()
    for user in (1, 2, 3):
        ends.set(user, 100)
    ends.set(1, 300)
    ends.set(2, 50)
    ends.set(3, None)
    assert ends.due(50) == [2]
    assert ends.due(299) == []
    assert ends.due(300) == [1]


def test_a_time_that_comes_back_counts_once() -> None:
    """Also where it was replaced in between."""
    ends = MuteEnds()
    for ends_ms in (100, 200, 100):
        ends.set(1, ends_ms)
    assert ends.due(500) == [1]


def test_what_was_replaced_takes_no_room() -> None:
    """Whoever mutes again and again fills no memory."""
    ends = MuteEnds()
    for ends_ms in range(10_000):
        ends.set(1, ends_ms)
    assert len(ends) < 100
    assert ends.due(10_000) == [1]
