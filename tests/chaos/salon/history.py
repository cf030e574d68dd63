"""What was the case over some time, of a thing that changes while it is looked at. Pure.

Time is an argument, in seconds that never go back. A change has begun when it was asked for, and is
over when it was answered. Whoever looks in between may see it or not. One without an answer may
take effect at any time from its beginning on, or never.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

LATE_S = 95.0
"""So long a process that was not told of a change may show what it has cached: the shared cache's
minute, and half a minute of its own."""


class Maybe(NamedTuple):
    """Whether something must be so, and whether it may be."""

    must: bool
    may: bool

    def __and__(self, other: "Maybe") -> "Maybe":
        return Maybe(self.must and other.must, self.may and other.may)

    def __or__(self, other: "Maybe") -> "Maybe":
        return Maybe(self.must or other.must, self.may or other.may)

    def __invert__(self) -> "Maybe":
        return Maybe(not self.may, not self.must)


YES, PERHAPS, NO = Maybe(True, True), Maybe(False, True), Maybe(False, False)


def surely(value: bool) -> Maybe:
    return YES if value else NO


@dataclass(eq=False)
class Change(Generic[T]):
    """One change, to one of `values`; when it was answered it is one.

    `is_told`: by its answer every process knew of it. Otherwise some may show for a while what was
    before.
    """

    values: tuple[T, ...]
    began_s: float
    over_s: float = inf
    is_told: bool = False

    @property
    def is_answered(self) -> bool:
        return self.over_s < inf


@dataclass
class History(Generic[T]):
    """The changes of one thing, which are made one after the other."""

    first: T
    changes: list[Change[T]] = field(default_factory=list)

    def begin(self, now_s: float, *values: T) -> Change[T]:
        """A change to one of `values` is asked for; nobody knows yet what becomes of it."""
        change = Change(values, now_s)
        self.changes.append(change)
        return change

    def answered(
        self, change: Change[T], now_s: float, *, is_told: bool, value: T | None = None
    ) -> None:
        """A change has taken effect; `value`, where it was not sure to which one."""
        change.over_s, change.is_told = now_s, is_told
        if value is not None:
            change.values = (value,)
        assert len(change.values) == 1
        # Answers come in the order of the changes, but for those that were never answered.
        self.changes.remove(change)
        self.changes.append(change)

    def refused(self, change: Change[T]) -> None:
        """A change had no effect, and will have none."""
        self.changes.remove(change)

    def settle(self, value: T, now_s: float = -inf) -> None:
        """A change that everybody knew of at once."""
        self.answered(self.begin(now_s, value), now_s, is_told=True)

    def doubt(self, value: T, now_s: float = -inf) -> None:
        """A change that got no answer, and will get none."""
        self.begin(now_s, value)

    @property
    def last(self) -> T:
        """The value that was answered last."""
        answered = [each for each in self.changes if each.is_answered]
        return answered[-1].values[0] if answered else self.first

    def over(self, from_s: float, to_s: float) -> set[T]:
        """The values that somebody may be shown who looks from `from_s` to `to_s`."""
        found: set[T] = set()
        for change in self.changes:
            if change.began_s <= to_s and change.over_s > from_s:
                found.update(change.values)
        for change in reversed(self.changes):
            if change.over_s <= from_s:
                found.update(change.values)
                if change.is_told or change.over_s + LATE_S <= from_s:
                    return found
        return found | {self.first}


def holds(history: History[bool], from_s: float, to_s: float) -> Maybe:
    """Whether it must, and may, be true for whoever looks from `from_s` to `to_s`."""
    found = history.over(from_s, to_s)
    return Maybe(found == {True}, True in found)
