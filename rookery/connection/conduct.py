"""How the client of one session behaves: whether it is alive, and whether it asks too much.

No I/O; `now_s` is of any steady clock.
"""

from rookery.connection.settings import StreamSettings


class Conduct:
    """Counts a client's frames against a burst and a rate, its mistakes, and its silence."""

    __slots__ = (
        "_allowance",
        "_allowance_s",
        "_mistakes",
        "_mistakes_since_s",
        "_settings",
        "_unanswered_pings",
        "next_ping_s",
    )

    def __init__(self, settings: StreamSettings, now_s: float) -> None:
        self._settings = settings
        self._allowance = float(settings.message_burst)
        self._allowance_s = now_s
        self._mistakes = 0
        self._mistakes_since_s = now_s
        self._unanswered_pings = 0
        self.next_ping_s = now_s + settings.heartbeat_s

    def frame_received(self, now_s: float) -> bool:
        """Account for a frame of any kind, a sign of life; False if there are too many."""
        self._unanswered_pings = 0
        settings = self._settings
        regained = (now_s - self._allowance_s) * settings.message_rate
        self._allowance = min(float(settings.message_burst), self._allowance + regained) - 1.0
        self._allowance_s = now_s
        return self._allowance >= 0

    def mistake(self, now_s: float) -> bool:
        """Account for a wrong message; False if there are too many within a window."""
        settings = self._settings
        if now_s - self._mistakes_since_s > settings.error_window_s:
            self._mistakes = 0
        if not self._mistakes:
            self._mistakes_since_s = now_s
        self._mistakes += 1
        return self._mistakes < settings.max_errors

    @property
    def is_silent(self) -> bool:
        """Whether two pings in a row had no answer.

        Counted, not timed: a stall of the server must close nobody.
        """
        return self._unanswered_pings >= 2

    def pinged(self, now_s: float) -> None:
        """A ping was sent."""
        self._unanswered_pings += 1
        self.next_ping_s = now_s + self._settings.heartbeat_s
