"""How many frames each user's sessions send to one server, taken together.

Pure: no event loop, no clock of its own; `now_s` is an argument of any steady clock.
"""

from rookery.connection.settings import StreamSettings


class UserFrames:
    """Bounds the frames of a user over all sessions, at `user_message_rate` a second.

    Counted in windows of `user_message_window_s`, so that a burst is let through; nothing is kept
    beyond a window, and a user who connects anew gains nothing. A session is refused only if it
    sends more than its share, as if the user had `max_sessions_per_user`: where one device floods,
    the heartbeats of the others go on.
    """

    def __init__(self, settings: StreamSettings, now_s: float) -> None:
        self._window_s = settings.user_message_window_s
        self._most = settings.user_message_rate * self._window_s
        self._share = self._most / settings.max_sessions_per_user
        self._until_s = now_s + self._window_s
        self._of_user: dict[int, int] = {}
        self._of_session: dict[str, int] = {}

    def take(self, user_id: int, session_id: str, now_s: float) -> bool:
        """Count a frame; False if it is too much."""
        if now_s >= self._until_s:
            self._until_s = now_s + self._window_s
            self._of_user.clear()
            self._of_session.clear()
        of_user = self._of_user[user_id] = self._of_user.get(user_id, 0) + 1
        of_session = self._of_session[session_id] = self._of_session.get(session_id, 0) + 1
        return of_user <= self._most or of_session <= self._share
