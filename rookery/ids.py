"""Snowflake ids: 64-bit, unique across processes, ordered by time.

Leaf module. Layout (Twitter's, 2010): 41 bits of milliseconds since `EPOCH_MS`, 10 bits of
worker number, 12 bits of sequence; always positive, so it fits SQLite and BSON. In JSON an id is
a decimal string, because JavaScript's numbers end at 2**53.
"""

from collections.abc import Callable

from rookery.errors import Unavailable

EPOCH_MS = 1_288_834_974_657
WORKERS = 1024
MAX_ID = (1 << 63) - 1
MAX_DRIFT_MS = 5_000


def time_ms_of(snowflake: int) -> int:
    """Milliseconds since 1970 at which `snowflake` was made."""
    return (snowflake >> 22) + EPOCH_MS


def first_id_at(time_ms: int) -> int:
    """The smallest id of the millisecond `time_ms` (since 1970); 0 before the epoch."""
    return max(0, time_ms - EPOCH_MS) << 22


def parse_id(text: str) -> int | None:
    """The id written in `text` (plain decimal, as in JSON), or None if it is none."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or text[0] == "0":
        return None
    value = int(text)
    return value if value <= MAX_ID else None


class Snowflakes:
    """Makes ids for one worker number.

    The caller owns the number (see `rookery.store.leases`) and passes the wall clock. Ids of one
    generator strictly increase, even when the clock steps back by up to `MAX_DRIFT_MS`.
    """

    def __init__(self, worker: int, clock_ms: Callable[[], int]) -> None:
        if not 0 <= worker < WORKERS:
            raise ValueError(f"worker number {worker} is not in 0..{WORKERS - 1}")
        self._worker = worker << 12
        self._clock_ms = clock_ms
        self._last_ms = 0
        self._sequence = 0

    def next_id(self) -> int:
        """A new id.

        Raises:
            Unavailable: the clock stepped back too far, or ids were made faster than
                4,096 a millisecond for longer than `MAX_DRIFT_MS`.
        """
        now_ms = self._clock_ms()
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            self._sequence = 0
        else:
            self._sequence += 1
            if self._sequence == 4096:
                self._last_ms += 1
                self._sequence = 0
            if self._last_ms - now_ms > MAX_DRIFT_MS:
                raise Unavailable("The clock of this server stepped back; ids are paused")
        return (self._last_ms - EPOCH_MS) << 22 | self._worker | self._sequence
