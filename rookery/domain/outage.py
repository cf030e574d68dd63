"""Whether a part that failed just now is worth asking again.

Pure.
"""

PAUSE_MS = 1000


class Outage:
    """What one process knows of the health of a part that it can do without for a while.

    Ask only where `may_ask`, and report what came of it by `answered` or `failed`. After a failure
    nobody asks for `pause_ms`; then one caller in each `pause_ms` does, until an answer ends the
    outage. So a part that hangs delays one request a pause, and not all of them.
    """

    def __init__(self, pause_ms: int = PAUSE_MS) -> None:
        self._pause_ms = pause_ms
        self._quiet_until_ms: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether the last that was heard is a failure."""
        return self._quiet_until_ms is not None

    def may_ask(self, now_ms: int) -> bool:
        """Whether this caller should ask; where it may, others wait for what comes of it."""
        if self._quiet_until_ms is None:
            return True
        if now_ms < self._quiet_until_ms:
            return False
        self._quiet_until_ms = now_ms + self._pause_ms
        return True

    def failed(self, now_ms: int) -> None:
        """It did not answer."""
        self._quiet_until_ms = now_ms + self._pause_ms

    def answered(self) -> None:
        """It answered."""
        self._quiet_until_ms = None
