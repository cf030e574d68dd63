"""Frames of all sessions of a user, counted together."""

from rookery.connection.settings import StreamSettings
from rookery.connection.user_frames import UserFrames

NOW_S = 1_000.0
SETTINGS = StreamSettings(user_message_rate=10, user_message_window_s=5, max_sessions_per_user=10)


def _taken(frames: UserFrames, count: int, sessions: int, user_id: int = 7) -> int:
    return sum(frames.take(user_id, f"{user_id}/{n % sessions}", NOW_S) for n in range(count))


def test_sessions_of_a_user_share_a_bound() -> None:
    """Beyond it frames are refused, whichever session sends them; another user's are not."""
    frames = UserFrames(SETTINGS, NOW_S)
    assert _taken(frames, 100, sessions=2) == 50
    assert _taken(frames, 50, sessions=2, user_id=8) == 50


def test_who_sends_little_is_left_alone() -> None:
    """A session may send its share, though others of the user have used up the bound."""
    frames = UserFrames(SETTINGS, NOW_S)
    _taken(frames, 100, sessions=2)
    assert [frames.take(7, "quiet", NOW_S) for _ in range(6)] == [True] * 5 + [False]


def test_each_window_begins_anew() -> None:
    """What was sent before does not count on."""
    frames = UserFrames(SETTINGS, NOW_S)
    _taken(frames, 100, sessions=2)
    assert not frames.take(7, "7/0", NOW_S + 4.9)
    assert frames.take(7, "7/0", NOW_S + 5)
