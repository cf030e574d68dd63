"""Counting against limits: how often something may happen in a minute, by key.

Pure.
"""

from math import ceil
from typing import NamedTuple, TypeAlias

Key: TypeAlias = int | str

WINDOW_MS = 60_000
CAPACITY = 200_000


class Verdict(NamedTuple):
    """Whether a hit is let through, and how a key then stands.

    `remaining` hits are left just now. `reset_s` is the time until the window ends, and
    `retry_after_s` how long a refused hit should wait (0: it is let through).
    """

    limit: int
    remaining: int
    reset_s: int
    retry_after_s: int


class Windows:
    """One limit: at most `limit` hits of each key in any `window_ms`, as a sliding window counter.

    Hits are counted in fixed windows that begin at multiples of `window_ms`; those of the window
    before count in proportion to how much of it the sliding window still covers. Refused hits do
    not count, so that a client that is too fast gets its limit, and not nothing.

    Processes may share a limit by telling each other totals: `take` what is `owed` of a key, add
    it to what all have, and `learn` the sum.

    With more than `capacity` keys in one window all are forgotten: so many addresses at once are
    beyond what counting by address can stop, and memory must not be.
    """

    def __init__(self, limit: int, window_ms: int = WINDOW_MS, capacity: int = CAPACITY) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self.limit = limit
        self.window_ms = window_ms
        self._capacity = capacity
        self._number = 0
        self._current: dict[Key, int] = {}
        self._previous: dict[Key, int] = {}
        self._told: dict[Key, int] = {}
        self._learned: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._current) + len(self._previous)

    def hit(self, key: Key, now_ms: int) -> Verdict:
        """Count one more, if the limit lets it."""
        if now_ms // self.window_ms != self._number:
            self._turn(now_ms // self.window_ms)
        used = self._current.get(key, 0)
        verdict = self._verdict(used + 1, self._previous.get(key, 0), now_ms)
        if not verdict.retry_after_s:
            if not used and len(self._current) >= self._capacity:
                self._current.clear()
                self._told.clear()
                self._learned.clear()
            self._current[key] = used + 1
        return verdict

    def standing(self, key: Key, now_ms: int, more: int = 0) -> Verdict:
        """Whether what was counted, and `more`, is within the limit; counts nothing."""
        if now_ms // self.window_ms != self._number:
            self._turn(now_ms // self.window_ms)
        used = self._current.get(key, 0) + more
        return self._verdict(used, self._previous.get(key, 0), now_ms)

    def take_back(self, key: Key, number: int) -> None:
        """Uncount a hit of the window `number`, if that is still counted: it did not happen."""
        counts = self._current if number == self._number else self._previous
        if number in (self._number, self._number - 1) and counts.get(key, 0) > 0:
            counts[key] -= 1

    @property
    def number(self) -> int:
        """Of the present window: hits that may be taken back are to be remembered with it."""
        return self._number

    def _verdict(self, used: int, before: int, now_ms: int) -> Verdict:
        left_ms = self.window_ms - now_ms % self.window_ms
        weighted = used + before * left_ms / self.window_ms if before else used
        if weighted <= self.limit:
            return Verdict(self.limit, int(self.limit - weighted), -(-left_ms // 1000), 0)
        return Verdict(self.limit, 0, -(-left_ms // 1000), self._wait_s(used, before, left_ms))

    def _wait_s(self, used: int, before: int, left_ms: int) -> int:
        """When the hit that makes it `used` fits, if nothing else comes."""
        if used <= self.limit:  # As soon as the window before weighs little enough.
            wait_ms = left_ms - self.window_ms * (self.limit - used) / before
        else:  # In the next window, as soon as this one weighs little enough.
            share = (self.limit - 1) / (used - 1)
            wait_ms = left_ms + self.window_ms * max(0.0, 1 - share)
        return max(1, ceil(wait_ms / 1000))

    def _turn(self, number: int) -> None:
        self._previous = self._current if number == self._number + 1 else {}
        self._current = {}
        self._told = {}
        self._learned = {}
        self._number = number

    # Sharing.

    def owed(self, key: Key) -> int:
        """The hits of this window that were not taken yet."""
        return self._current.get(key, 0) - self._told.get(key, 0)

    def take(self, key: Key) -> tuple[int, int]:
        """The number of the window, and the hits to tell the others; they are not owed any more."""
        owed = self.owed(key)
        self._told[key] = self._current.get(key, 0)
        return self._number, owed

    def learn(self, key: Key, number: int, total: int, may_be_less: bool = False) -> None:
        """Take in what all processes together had told when this one's share was added.

        Never less than what is known here, for a total may have been lost or be late; unless it
        `may_be_less`, since the others have taken some of theirs back.
        """
        if number != self._number or key not in self._current:
            return
        learned = self._learned.get(key, 0)
        more = max(total - self._told.get(key, 0), -learned if may_be_less else 0)
        if more:
            self._current[key] += more
            self._told[key] = self._told.get(key, 0) + more
            self._learned[key] = learned + more

    def has_learned(self, key: Key) -> bool:
        """Whether hits of others count, which they may take back."""
        return bool(self._learned.get(key))

    def give_back(self, key: Key, number: int, amount: int) -> None:
        """What was taken could not be told: it is owed again."""
        if number == self._number and key in self._told:
            self._told[key] -= amount
