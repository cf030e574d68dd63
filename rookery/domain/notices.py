"""Limits that bite, told once in a while with how often they did: a flood must not flood the log.

Pure: who owns the notices logs what is `due`.
"""

from collections import Counter
from dataclasses import dataclass

EVERY_S = 10.0
MOST_NAMED = 20
"""So many pairs of limit and address are told singly at a time."""
OTHERS = "others"


@dataclass(frozen=True)
class Notice:
    """`limit` was reached `times` times from `address` since it was last told."""

    limit: str
    address: str
    times: int


class Notices:
    """Counts by limit and address. Bounded: who comes late in a flood is among `OTHERS`."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._told_s = float("-inf")
        self._waiting: Counter[tuple[str, str]] = Counter()
        self.totals: Counter[str] = Counter()
        """How often each limit was reached since the start."""

    def count(self, limit: str, address: str) -> None:
        """`limit` was reached from `address`."""
        self.totals[limit] += 1
        key = (limit, address)
        if key not in self._waiting and len(self._waiting) >= MOST_NAMED:
            key = (limit, OTHERS)
        self._waiting[key] += 1

    def due(self, now_s: float) -> list[Notice]:
        """What is to be told now, which is at once the first time and then every `every_s`."""
        if not self._waiting or now_s < self._told_s + self._every_s:
            return []
        self._told_s = now_s
        return self.rest()

    def rest(self) -> list[Notice]:
        """All that has not been told yet; for the end."""
        found = [Notice(*key, times) for key, times in self._waiting.items()]
        self._waiting.clear()
        return found
