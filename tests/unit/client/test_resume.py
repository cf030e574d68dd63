"""The stream's logic: gaps, repetitions, resets and what a welcome means."""

from typing import Any

import pytest

from rookery.client.events import (
    Connected,
    Counts,
    More,
    Reset,
    TweetCounts,
    TweetDeleted,
    TweetEdited,
    TweetEvent,
    TweetUnavailable,
)
from rookery.client.position import Position
from rookery.client.resume import Notice, Pong, ProtocolViolation, Resumption

CARD = {"id": "7"}


def welcome(offset: int = 0, *, epoch: str = "a", resumed: bool = False) -> dict[str, Any]:
    return {
        "type": "welcome",
        "sessionId": "s",
        "userId": "1",
        "epoch": epoch,
        "offset": offset,
        "resumed": resumed,
        "heartbeatS": 25,
    }


def tweet(offset: Any) -> dict[str, Any]:
    return {"type": "tweet", "offset": offset, "tweet": CARD}


def live(offset: int = 0) -> Resumption:
    core = Resumption()
    core.receive(welcome(offset))
    return core


def test_a_new_stream_begins_where_the_welcome_says() -> None:
    """The first welcome gives the position, and nothing was missed."""
    core = Resumption()
    assert core.position is None
    assert core.receive(welcome(5)) == (Connected("a", 5, False, 25.0),)
    assert core.position == Position("a", 5)


def test_events_advance_the_position() -> None:
    """Each kind of event of the log is handed out and counted."""
    core = live()
    assert core.receive(tweet(1)) == (TweetEvent(1, CARD),)
    edited = {"type": "tweet_edited", "offset": 2, "tweet": CARD}
    assert core.receive(edited) == (TweetEdited(2, CARD),)
    deleted = {"type": "tweet_deleted", "offset": 3, "tweetId": "7"}
    assert core.receive(deleted) == (TweetDeleted(3, "7"),)
    gone = {"type": "tweet_unavailable", "offset": 4, "tweetId": "7"}
    assert core.receive(gone) == (TweetUnavailable(4, "7"),)
    assert core.position == Position("a", 4)


@pytest.mark.parametrize("kind", ["tweet", "tweet_edited", "tweet_deleted", "tweet_unavailable"])
def test_a_repeated_event_is_dropped(kind: str) -> None:
    """An offset that was handed out is not handed out again."""
    core = live(3)
    message = {"type": kind, "offset": 3, "tweet": CARD, "tweetId": "7"}
    assert core.receive(message) == ()
    assert core.position == Position("a", 3)


def test_a_gap_is_a_violation_and_leaves_the_position() -> None:
    """After a gap the stream must resume before it."""
    core = live(3)
    with pytest.raises(ProtocolViolation, match="events 4 to 5 are missing"):
        core.receive(tweet(6))
    assert core.position == Position("a", 3)


def test_more_covers_what_was_merged() -> None:
    """After `more`, events go on behind its offset."""
    core = live(3)
    assert core.receive({"type": "more", "offset": 9, "count": 6}) == (More(9, 6),)
    assert core.receive(tweet(10)) == (TweetEvent(10, CARD),)


def test_an_old_more_is_dropped() -> None:
    """A `more` that ends where the position is covers nothing."""
    assert live(3).receive({"type": "more", "offset": 3, "count": 1}) == ()


def test_a_resumed_connection_goes_on_silently() -> None:
    """If the server resumes, nothing but the missed events follows."""
    core = live(3)
    core.lost()
    assert not core.live
    assert core.receive(welcome(3, resumed=True)) == (Connected("a", 3, True, 25.0),)
    assert core.receive(tweet(4)) == (TweetEvent(4, CARD),)


def test_the_offset_of_a_resumed_welcome_is_not_taken_over() -> None:
    """A server that names its newest offset there must not make missed events look old."""
    core = live(3)
    core.lost()
    core.receive(welcome(5, resumed=True))
    assert core.receive(tweet(4)) == (TweetEvent(4, CARD),)


def test_a_position_that_cannot_be_resumed_is_a_reset() -> None:
    """The welcome alone says so, in case the connection is cut before the reset comes."""
    core = Resumption(Position("old", 3))
    events = core.receive(welcome(8))
    assert events == (Connected("a", 8, False, 25.0), Reset("a", 8, "unknown_position"))
    assert core.position == Position("a", 8)


def test_the_reset_that_repeats_the_welcome_is_dropped() -> None:
    """One loss is told once."""
    core = Resumption(Position("old", 3))
    core.receive(welcome(8))
    reset = {"type": "reset", "epoch": "a", "offset": 8, "reason": "unknown_position"}
    assert core.receive(reset) == ()
    assert core.receive(tweet(9)) == (TweetEvent(9, CARD),)
    assert core.receive({**reset, "offset": 9}) == (Reset("a", 9, "unknown_position"),)


def test_a_reset_moves_the_position() -> None:
    """After a reset, events go on in the new epoch; also at the same offset."""
    core = live(3)
    reset = {"type": "reset", "epoch": "b", "offset": 3, "reason": "epoch_changed"}
    assert core.receive(reset) == (Reset("b", 3, "epoch_changed"),)
    assert core.receive({**reset, "reason": "gap"}) == (Reset("b", 3, "gap"),)
    assert core.position == Position("b", 3)


def test_resumed_in_another_epoch_counts_as_lost() -> None:
    """A contradiction is told as a reset rather than believed."""
    core = live(3)
    core.lost()
    _, reset = core.receive(welcome(3, epoch="b", resumed=True))
    assert reset == Reset("b", 3, "unknown_position")


def test_counts_have_no_offset() -> None:
    """Counts are handed out beside the log."""
    item = {"tweetId": "7", "likeCount": 1, "retweetCount": 2, "replyCount": 3, "quoteCount": 4}
    core = live(3)
    (event,) = core.receive({"type": "counts", "counts": [item]})
    counts = TweetCounts(tweet_id="7", like_count=1, retweet_count=2, reply_count=3, quote_count=4)
    assert event == Counts((counts,))
    assert core.position == Position("a", 3)


def test_answers_are_told_apart() -> None:
    """Pongs and errors are for the shell, an acknowledged watch for nobody."""
    core = live()
    assert core.receive({"type": "pong"}) == (Pong(),)
    assert core.receive({"type": "error", "code": "c", "error": "e"}) == (Notice("c", "e"),)
    assert core.receive({"type": "watching", "tweetIds": []}) == ()


def test_an_unknown_event_is_covered_by_more() -> None:
    """An event of a newer server takes its place in the log; other messages are ignored."""
    core = live(3)
    assert core.receive({"type": "poll_closed", "offset": 4}) == (More(4, 1),)
    assert core.receive({"type": "notice"}) == ()
    assert core.receive(tweet(5)) == (TweetEvent(5, CARD),)


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "text",
        {},
        {"type": "tweet"},
        {"type": "tweet", "offset": 4},
        {"type": "tweet", "offset": "4", "tweet": CARD},
        {"type": "tweet", "offset": 4.0, "tweet": CARD},
        {"type": "tweet", "offset": True, "tweet": CARD},
        {"type": "tweet", "offset": 4, "tweet": "x"},
        {"type": "tweet_edited", "offset": 4, "tweet": "x"},
        {"type": "tweet_deleted", "offset": 4, "tweetId": 7},
        {"type": "more", "offset": 9},
        {"type": "more", "offset": 9, "count": -1},
        {"type": "reset", "epoch": "", "offset": 9, "reason": "x"},
        {"type": "reset", "epoch": "b", "offset": 9},
        {"type": "counts", "counts": [{}]},
        welcome(3),
    ],
)
def test_malformed_messages_are_violations(message: Any) -> None:
    """Whatever comes, nothing is handed out for it and the position stays."""
    core = live(3)
    with pytest.raises(ProtocolViolation):
        core.receive(message)
    assert core.position == Position("a", 3)


@pytest.mark.parametrize(
    "message",
    [tweet(4), {"type": "pong"}, {**welcome(), "heartbeatS": 0}, {**welcome(), "offset": -1}],
)
def test_the_welcome_comes_first(message: Any) -> None:
    """Anything else before it, or a malformed one, ends the connection."""
    core = live(3)
    core.lost()
    with pytest.raises(ProtocolViolation):
        core.receive(message)
    assert not core.live
