"""One timer for all connections: a wheel of coarse ticks.

Pure; knows no event loop. Whoever owns it calls `expire` every `TICK_S`.
"""

from typing import Generic, Protocol, TypeVar

TICK_S = 0.1


class Timed(Protocol):
    """What can be put on the wheel; `alarm_tick` belongs to the wheel (0: not on it)."""

    alarm_tick: int

    def __hash__(self) -> int: ...


T = TypeVar("T", bound=Timed)


class TimerWheel(Generic[T]):
    """At most one alarm for each target, which comes no earlier than asked, up to a tick later."""

    def __init__(self, now_s: float) -> None:
        self._start_s = now_s
        self._tick = 1
        self._buckets: dict[int, set[T]] = {}

    def set(self, target: T, due_s: float) -> None:
        """Put the alarm of `target` to `due_s`, replacing an earlier one."""
        tick = max(int((due_s - self._start_s) / TICK_S) + 2, self._tick + 1)
        if tick == target.alarm_tick:
            return
        self.cancel(target)
        target.alarm_tick = tick
        self._buckets.setdefault(tick, set()).add(target)

    def cancel(self, target: T) -> None:
        """Forget the alarm of `target`, if it has one."""
        bucket = self._buckets.get(target.alarm_tick)
        if bucket is not None:
            bucket.discard(target)
            if not bucket:
                del self._buckets[target.alarm_tick]
        target.alarm_tick = 0

    def expire(self, now_s: float) -> list[T]:
        """Take off and return all targets that are due."""
        due: list[T] = []
        last = int((now_s - self._start_s) / TICK_S) + 1
        while self._tick < last:
            self._tick += 1
            for target in self._buckets.pop(self._tick, ()):
                target.alarm_tick = 0
                due.append(target)
        return due
