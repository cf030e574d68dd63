"""Where events wait for their reader."""

import pytest

from rookery.client.events import Connected, Counts, Disconnected, More, Reset, TweetEvent
from rookery.client.inbox import Inbox
from rookery.client.position import Position

LIVE = Connected("a", 4, False, 25.0)
CUT = Disconnected(1006, "lost", 0.1)


async def test_events_of_the_connection_are_for_those_who_ask() -> None:
    """The others still learn the position from them."""
    inbox = Inbox(None, 10, connection_events=False)
    for event in (LIVE, CUT, TweetEvent(5, {})):
        inbox.put(event)
    assert inbox.position is None
    assert await inbox.get() == TweetEvent(5, {})
    assert inbox.position == Position("a", 5)


async def test_the_position_follows_what_is_taken_out() -> None:
    """Event by event, and never ahead of a reset."""
    inbox = Inbox(Position("old", 9), 10, connection_events=True)
    for event in (LIVE, Reset("a", 4, "unknown"), More(6, 2), Counts(())):
        inbox.put(event)
    positions = []
    for _ in range(4):
        await inbox.get()
        positions.append(str(inbox.position))
    assert positions == ["9:old", "4:a", "6:a", "6:a"]


async def test_cuts_in_a_row_take_one_place() -> None:
    """A server that is away for days does not fill the memory of a reader who sleeps."""
    inbox = Inbox(None, 10, connection_events=True)
    for number in range(100):
        inbox.put(Disconnected(None, str(number), 0.1))
    assert await inbox.get() == Disconnected(None, "99", 0.1)
    inbox.end(StopAsyncIteration())
    with pytest.raises(StopAsyncIteration):
        await inbox.get()


async def test_the_end_comes_after_what_is_there() -> None:
    """And stays, whatever is said later."""
    inbox = Inbox(None, 10, connection_events=False)
    inbox.put(More(1, 1))
    inbox.end(ValueError("first"))
    inbox.end(ValueError("second"))
    assert await inbox.get() == More(1, 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            await inbox.get()


async def test_a_full_inbox_is_told_of_when_it_is_empty() -> None:
    """The writer is let go on once, and not while something is left."""
    inbox = Inbox(None, 2, connection_events=False)
    inbox.put(More(1, 1))
    assert not inbox.full
    inbox.put(More(2, 1))
    assert inbox.full
    told: list[str] = []
    inbox.when_empty(lambda: told.append("empty"))
    await inbox.get()
    assert told == []
    await inbox.get()
    inbox.put(More(3, 1))
    await inbox.get()
    assert told == ["empty"]
