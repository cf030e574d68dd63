"""The session state machine, one rule at a time."""

import json
from typing import Any

import pytest

from rookery.connection.ports import Attached
from rookery.connection.session import Phase, Session
from rookery.connection.settings import StreamSettings
from rookery.connection.tally import Tally
from rookery.connection.wire import JSON, Event
from rookery.models import EventKind

from .fakes import SMALL, identity, messages_of, types_of

NOW_S = 100.0


def make(
    epoch: str | None = None,
    offset: int | None = None,
    settings: StreamSettings = SMALL,
    expires_s: float = 1e9,
) -> Session:
    return Session(
        "s1",
        identity(),
        JSON,
        epoch=epoch,
        offset=offset,
        expires_s=expires_s,
        now_s=NOW_S,
        settings=settings,
        tally=Tally(),
    )


def live(settings: StreamSettings = SMALL, expires_s: float = 1e9) -> Session:
    """A session at epoch "e", offset 10, whose welcome was written."""
    session = make(settings=settings, expires_s=expires_s)
    session.attach_started()
    session.attached(Attached("e", 10, None), None, NOW_S)
    taken(session)
    return session


def taken(session: Session, buffered_bytes: int = 0) -> list[dict[str, Any]]:
    """What the session wants written, after which the transport holds `buffered_bytes`."""
    messages: list[dict[str, Any]] = []
    while frames := session.take():
        messages += messages_of(b"".join(frames))
        session.written(buffered_bytes)
    return messages


def event(offset: int) -> Event:
    return Event(EventKind.TWEET_DELETED, offset)


def push(session: Session, *offsets: int) -> None:
    for offset in offsets:
        session.event(offset, event(offset), NOW_S)


def offsets_of(messages: list[dict[str, Any]]) -> list[int]:
    return [message["offset"] for message in messages]


def send(session: Session, message: Any, now_s: float = NOW_S) -> None:
    session.message(json.dumps(message).encode(), True, now_s)


def test_welcome_comes_first_and_tells_the_position() -> None:
    """A new client is told where its events will begin."""
    session = make()
    send(session, {"type": "ping"})
    assert session.take() == []
    assert session.attach_started() == (None, None)

    session.attached(Attached("e", 10, None), None, NOW_S)

    welcome, pong = taken(session)
    assert welcome == {
        "type": "welcome",
        "sessionId": "s1",
        "userId": "7",
        "epoch": "e",
        "offset": 10,
        "resumed": False,
        "heartbeatS": 25.0,
    }
    assert pong == {"type": "pong"}


def test_resuming_brings_what_was_missed_and_then_what_was_held() -> None:
    """Missed events follow the welcome, and those that came meanwhile follow them."""
    session = make("e", 4)
    assert session.attach_started() == ("e", 4)
    push(session, 6, 7)

    session.attached(Attached("e", 6, []), [(5, event(5)), (6, event(6))], NOW_S)

    messages = taken(session)
    assert messages[0]["resumed"] is True
    assert offsets_of(messages) == [4, 5, 6, 7]


def test_a_position_that_cannot_be_resumed_is_reset() -> None:
    """The client is told to refetch, and where it goes on."""
    session = make("old", 4)
    session.attach_started()

    session.attached(Attached("e", 10, None), None, NOW_S)

    welcome, reset = taken(session)
    assert welcome["resumed"] is False
    assert reset == {"type": "reset", "epoch": "e", "offset": 10, "reason": "unknown_position"}


@pytest.mark.parametrize(
    "missed", [[5, 7], [6, 7], [5], [5, 6, 7, 8]], ids=["hole", "late", "short", "long"]
)
def test_an_answer_with_a_hole_is_not_trusted(missed: list[int]) -> None:
    """Missed events that do not lead to the position become a reset, never a silent gap."""
    session = make("e", 4)
    session.attach_started()

    session.attached(Attached("e", 7, []), [(n, event(n)) for n in missed], NOW_S)

    assert types_of(taken(session)) == ["welcome", "reset"]


def test_duplicates_are_ignored() -> None:
    """An event is sent once, however often it is pushed."""
    session = live()

    push(session, 11, 11, 10, 12, 11)

    assert offsets_of(taken(session)) == [11, 12]


def test_a_gap_asks_for_an_attach_and_sends_nothing_beyond_it() -> None:
    """What follows a hole waits for the answer that fills it."""
    session = live()

    push(session, 11, 13, 12)

    assert offsets_of(taken(session)) == [11]
    assert session.wants_attach
    assert session.attach_started() == ("e", 11)
    session.attached(Attached("e", 13, []), [(12, event(12)), (13, event(13))], NOW_S)
    assert offsets_of(taken(session)) == [12, 13]
    assert not session.wants_attach


def test_an_event_that_is_to_be_fetched_asks_for_an_attach() -> None:
    """As a gap does; what comes after it waits, what came before it needs none."""
    session = live()

    assert not session.event_aside(10, None, NOW_S)
    assert session.event_aside(11, None, NOW_S)
    push(session, 12)

    assert taken(session) == []
    assert session.attach_started() == ("e", 10)
    session.attached(Attached("e", 12, []), [(11, event(11)), (12, event(12))], NOW_S)
    assert offsets_of(taken(session)) == [11, 12]


def test_an_event_that_is_to_be_fetched_during_an_attach_asks_for_another() -> None:
    """The answer may have been made before it."""
    session = make("e", 4)
    session.attach_started()

    assert not session.event_aside(5, None, NOW_S)
    session.attached(Attached("e", 4, []), [], NOW_S)

    assert session.wants_attach


def test_more_than_can_be_held_is_fetched_again() -> None:
    """Events beyond the bound are dropped, and the session attaches once more for them."""
    session = make("e", 4)
    session.attach_started()
    push(session, 5, 6, 7, 8)

    session.attached(Attached("e", 4, []), [], NOW_S)

    assert offsets_of(taken(session)) == [4, 5, 6, 7]
    assert session.wants_attach


def test_what_is_held_and_in_doubt_is_fetched_again() -> None:
    """With all that follows it; what was sent before is not."""
    session = live()
    push(session, 11)
    session.request_attach()
    session.attach_started()
    push(session, 12)
    session.doubt_held()
    push(session, 13)
    session.attached(Attached("e", 11, []), [], NOW_S)
    assert offsets_of(taken(session)) == [11]
    assert session.wants_attach
    assert session.attach_started() == ("e", 11)
    session.attached(Attached("e", 13, []), [(12, event(12)), (13, event(13))], NOW_S)
    assert offsets_of(taken(session)) == [12, 13]
    assert not session.wants_attach


def test_nothing_is_in_doubt_while_nothing_is_held() -> None:
    """Neither between two attaches nor after the end."""
    session = live()
    session.doubt_held()
    push(session, 11)
    assert offsets_of(taken(session)) == [11]
    session.attach_started()
    session.doubt_held()
    session.attached(Attached("e", 11, []), [], NOW_S)
    assert not session.wants_attach
    session.close(1000, "")
    session.doubt_held()


def test_while_an_attach_is_wanted_pushes_are_left_to_it() -> None:
    """They may be of another epoch; the call that is to come covers them."""
    session = live()
    session.request_attach()

    push(session, 11)

    assert taken(session) == []
    assert session.attach_started() == ("e", 10)


def test_a_restarted_log_resets_a_live_session() -> None:
    """A new epoch means that the client's state may be stale."""
    session = live()
    session.request_attach()
    session.attach_started()

    session.attached(Attached("e2", 3, None), None, NOW_S)
    push(session, 4)

    reset, deleted = taken(session)
    assert reset == {"type": "reset", "epoch": "e2", "offset": 3, "reason": "epoch_changed"}
    assert deleted["offset"] == 4


def test_a_failed_attach_is_wanted_again() -> None:
    """The hub's retry starts from the same position."""
    session = live()
    session.request_attach()
    session.attach_started()

    session.attach_failed()

    assert session.wants_attach
    assert session.attach_started() == ("e", 10)


def test_a_slow_client_gets_events_merged_until_it_has_drained() -> None:
    """Above the soft limit events become one `more`; afterwards they are single again."""
    session = live()
    push(session, 11)
    taken(session, buffered_bytes=990)

    push(session, 12, 13, 14)
    assert taken(session) == []
    session.written(600)
    assert taken(session) == []
    session.written(200)

    assert taken(session) == [{"type": "more", "offset": 14, "count": 3}]
    push(session, 15)
    assert offsets_of(taken(session)) == [15]


def test_a_batch_beyond_the_limit_is_merged_before_it_is_written() -> None:
    """The bound counts what is not yet handed to the transport."""
    session = live()

    push(session, *range(11, 111))

    messages = taken(session)
    assert messages[-1]["type"] == "more"
    assert messages[-1]["offset"] == 110
    assert len(messages) + messages[-1]["count"] - 1 == 100


def test_a_reset_while_merging_covers_the_merged_events() -> None:
    """One message says it all: refetch, go on from the newest position."""
    session = live()
    push(session, 11)
    taken(session, buffered_bytes=990)
    push(session, 12)
    session.request_attach()
    session.attach_started()
    session.attached(Attached("e2", 3, None), None, NOW_S)
    push(session, 4)

    session.written(0)

    assert taken(session) == [
        {"type": "reset", "epoch": "e2", "offset": 4, "reason": "epoch_changed"}
    ]


def test_a_client_that_stays_slow_is_closed() -> None:
    """Merging must end within the grace."""
    session = live()
    push(session, 11)
    taken(session, buffered_bytes=990)
    push(session, 12)

    assert session.due_s == NOW_S + 25
    session.tick(NOW_S + 29.9)
    assert session.closing is None
    session.tick(NOW_S + 30)

    assert session.closing == (4408, "too slow")
    assert session.take() == []


def test_a_client_that_asks_without_reading_is_closed() -> None:
    """Answers cannot be merged, so they meet the hard limit."""
    session = live(StreamSettings(soft_buffer_bytes=1000, hard_buffer_bytes=3000))
    session.written(2990)

    send(session, {"type": "ping"})

    assert session.closing == (4408, "too slow")


def test_counts_reach_those_who_watch() -> None:
    """Only counts of watched tweets are sent."""
    session = live()
    send(session, {"type": "watch", "tweetIds": ["5"]})
    taken(session)

    session.counts([(5, b'{"n":5}'), (6, b'{"n":6}')], NOW_S)

    assert taken(session) == [{"type": "counts", "counts": [{"n": 5}]}]


def test_counts_for_a_slow_client_are_replaced_by_newer_ones() -> None:
    """Only the latest counts are worth sending, after what was merged."""
    session = live()
    send(session, {"type": "watch", "tweetIds": ["5", "6"]})
    taken(session, buffered_bytes=1000)
    push(session, 11)
    session.counts([(5, b"1"), (6, b"2")], NOW_S)
    session.counts([(5, b"3")], NOW_S)

    session.written(0)

    assert taken(session) == [
        {"type": "more", "offset": 11, "count": 1},
        {"type": "counts", "counts": [3, 2]},
    ]


def test_watch_replaces_and_is_confirmed() -> None:
    """The answer names what is watched now, without repetitions."""
    session = live()
    send(session, {"type": "watch", "tweetIds": ["5"]})

    send(session, {"type": "watch", "tweetIds": ["8", "7", "8"]})

    assert session.watched == {7, 8}
    assert taken(session)[-1] == {"type": "watching", "tweetIds": ["7", "8"]}


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([str(n) for n in range(201)], "too_many_tweets"),
        (["x"], "invalid_message"),
        (["-1"], "invalid_message"),
        (["9223372036854775808"], "invalid_message"),
        (["1" * 5000], "invalid_message"),
        (["\u0661"], "invalid_message"),
        ([""], "invalid_message"),
    ],
)
def test_a_wrong_watch_changes_nothing(ids: list[str], code: str) -> None:
    """The client is told why, and goes on watching what it watched."""
    session = live()
    send(session, {"type": "watch", "tweetIds": ["5"]})
    taken(session)

    send(session, {"type": "watch", "tweetIds": ids})

    assert [message["code"] for message in taken(session)] == [code]
    assert session.watched == {5}


def test_the_third_wrong_message_ends_the_session() -> None:
    """The client hears of each before it is closed."""
    session = live()

    for _ in range(3):
        send(session, {"type": "nonsense"})

    assert types_of(taken(session)) == ["error"] * 3
    assert session.closing == (4400, "too many wrong messages")


def test_old_mistakes_are_forgiven() -> None:
    """Only mistakes within a minute count together."""
    session = live()

    for n in range(6):
        send(session, {"type": "nonsense"}, NOW_S + 40 * n)

    assert session.closing is None


def test_undecodable_messages_end_the_session_at_once() -> None:
    """There is no use in answering who speaks another language."""
    session = live()

    session.message(b"{", True, NOW_S)

    assert session.closing is not None
    assert session.closing[0] == 4400


def test_frames_beyond_the_rate_end_the_session() -> None:
    """A burst is allowed, then a steady rate, and no more."""
    session = live(StreamSettings(message_rate=10, message_burst=20))
    for _ in range(20):
        session.frame_received(NOW_S)
    for n in range(1, 50):
        session.frame_received(NOW_S + n / 9)
    assert session.closing is None

    for _ in range(8):
        session.frame_received(NOW_S + 49 / 9)

    assert session.closing == (4400, "too many messages")


def test_heartbeats_are_sent_and_silence_ends_the_session() -> None:
    """Two pings in a row without a sign of life are enough."""
    session = live()
    assert not session.tick(NOW_S + 24)
    assert session.tick(NOW_S + 25)
    session.frame_received(NOW_S + 26)
    assert session.tick(NOW_S + 50)
    assert session.tick(NOW_S + 75)

    assert not session.tick(NOW_S + 100)

    assert session.closing == (4410, "nothing was heard from the client")


def test_a_stall_of_the_server_closes_nobody() -> None:
    """Silence is counted in pings, so that a late tick is not taken for a dead client."""
    session = live()

    assert session.tick(NOW_S + 1000)

    assert session.closing is None


def test_the_session_ends_with_its_token() -> None:
    """An expired token ends what it opened."""
    session = live(expires_s=NOW_S + 10)
    assert session.due_s == NOW_S + 10

    session.tick(NOW_S + 10)

    assert session.closing == (4402, "the token has expired")


def test_a_closed_session_takes_nothing() -> None:
    """The first reason stands, and later inputs are ignored."""
    session = live()
    session.close(4403, "revoked")

    push(session, 11)
    send(session, {"type": "ping"})
    session.close(1000, "")

    assert session.phase is Phase.CLOSED
    assert session.closing == (4403, "revoked")
    assert session.take() == []
    assert not session.wants_attach


def test_an_answer_after_the_end_is_ignored() -> None:
    """The call of a session that was closed meanwhile has no effect."""
    session = make()
    session.attach_started()
    session.close(1001, "")

    session.attached(Attached("e", 10, None), None, NOW_S)

    assert session.phase is Phase.CLOSED
    assert session.take() == []
