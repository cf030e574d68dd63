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
MAX_TIME_MS = EPOCH_MS + (1 << 41) - 1
MAX_DRIFT_MS = 5_000
PACE_PERCENT = 90
"""How fast ids' time goes on, by a clock that does not step, until the real clock has caught up."""


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


class RisingClock:
    """The time inside ids: the wall clock, except that it never goes back.

    Where the wall clock steps back, time goes on at `PACE_PERCENT` of its pace until the wall clock
    has caught up: it does not stand still, so that processes of one machine, which all saw the
    same step, keep the order among their ids, too. `steady_ms` is a clock that does not step.
    Between two calls nothing is known of the wall clock: call it now and then.
    """

    def __init__(self, clock_ms: Callable[[], int], steady_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._anchor_ms = 0
        self._anchor_steady_ms = 0

    def __call__(self) -> int:
        """Milliseconds since 1970."""
        now_ms, steady_ms = self._clock_ms(), self._steady_ms()
        passed_ms = steady_ms - self._anchor_steady_ms
        going_on_ms = self._anchor_ms + passed_ms * PACE_PERCENT // 100
        if now_ms < going_on_ms:
            return going_on_ms
        self._anchor_ms, self._anchor_steady_ms = now_ms, steady_ms
        return now_ms

    def raise_to(self, time_ms: int) -> None:
        """Go on from `time_ms` at least: an id of that time is known."""
        if self() < time_ms:
            self._anchor_ms, self._anchor_steady_ms = time_ms, self._steady_ms()

    @property
    def ahead_ms(self) -> int:
        """By how much it is ahead of the wall clock."""
        return self() - self._clock_ms()


class Snowflakes:
    """Makes ids for one worker number.

    The caller owns the number (see `rookery.store.leases`) and passes a clock. Ids of one
    generator strictly increase, even when the clock steps back by up to `MAX_DRIFT_MS`; with a
    `RisingClock` it never does.
    """

    def __init__(self, worker: int, clock_ms: Callable[[], int]) -> None:
        if not 0 <= worker < WORKERS:
            raise ValueError(f"worker number {worker} is not in 0..{WORKERS - 1}")
        self._worker = worker << 12
        self._clock_ms = clock_ms
        self._last_ms = 0
        self._sequence = 0

    @property
    def last_ms(self) -> int:
        """The time of the newest id; 0 before the first."""
        return self._last_ms

    def next_id(self) -> int:
        """A new id.

        Raises:
            Unavailable: the clock stepped back too far, ids were made faster than 4,096 a
                millisecond for longer than `MAX_DRIFT_MS`, or the clock is beyond the year 2080.
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
        if self._last_ms > MAX_TIME_MS:
            raise Unavailable("The clock of this server is beyond what ids can hold")
        return (self._last_ms - EPOCH_MS) << 22 | self._worker | self._sequence
