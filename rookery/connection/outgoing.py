"""What waits to be written to one client, within its bound.

No I/O. A client too slow for single events gets them *merged* into one message, which is written
when what waits has drained.
"""

from collections.abc import Iterable

from rookery.connection.settings import StreamSettings


class Outgoing:
    """The frames that are to be written, beside what the transport holds.

    `buffered_bytes` is what the transport held after the last write; it may have shrunk since,
    never grown. `frames` and `unsent_bytes` are changed together; a session appends to them itself
    where every microsecond counts.
    """

    __slots__ = ("_settings", "buffered_bytes", "frames", "soft_bytes", "unsent_bytes")

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self.soft_bytes = settings.soft_buffer_bytes
        self.frames: list[bytes] = []
        self.unsent_bytes = 0
        self.buffered_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """All that waits for the client."""
        return self.buffered_bytes + self.unsent_bytes

    @property
    def is_drained(self) -> bool:
        """Whether little enough waits that merging may end."""
        return self.waiting_bytes <= self._settings.low_buffer_bytes

    @property
    def is_overfull(self) -> bool:
        """Whether more waits than any client is given."""
        return self.waiting_bytes > self._settings.hard_buffer_bytes

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may wait singly."""
        return self.waiting_bytes + size <= self.soft_bytes

    def append(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.unsent_bytes += len(frame)

    def put_first(self, frame: bytes) -> None:
        """Have a frame written before those that wait."""
        self.frames.insert(0, frame)
        self.unsent_bytes += len(frame)

    def take(self) -> list[bytes]:
        """The frames, in order, which are now the caller's."""
        frames, self.frames = self.frames, []
        self.unsent_bytes = 0
        return frames


class Merged:
    """What a slow client was not sent singly since `since_s`.

    `count` events; a `reset_reason`, if there is one, stands for them all. Of counts only the
    newest of each tweet matter.
    """

    __slots__ = ("_counts", "count", "reset_reason", "since_s")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.count = 0
        self.reset_reason: str | None = None
        self._counts: dict[int, bytes] = {}

    def reset(self, reason: str) -> None:
        """The client is to begin anew, whatever was merged."""
        self.reset_reason = reason
        self.count = 0

    def add_counts(self, items: Iterable[tuple[int, bytes]]) -> None:
        """Keep counts of tweets, as items of the session's codec."""
        self._counts.update(items)

    def counts_of(self, tweet_ids: frozenset[int]) -> list[bytes]:
        """The newest counts of those of these tweets that have any."""
        return [item for tweet_id, item in self._counts.items() if tweet_id in tweet_ids]
