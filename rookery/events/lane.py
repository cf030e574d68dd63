"""What one consumer has still to take, as far as it is in memory. Pure."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from rookery.events.kinds import Event


class Limits(NamedTuple):
    """`held`: events in memory; `batch`: those handled at once; `tries`: those of one alone."""

    held: int = 10_000
    batch: int = 500
    tries: int = 5


class Lane:
    """The events of one consumer: waiting in their order, or being handled.

    Where more come than may be held, the lane is *behind*: from then on what comes is not kept
    here but stays outside, until all of it was brought from the consumer's backlog. A lane begins
    behind, since nobody knows what a former process has left in the backlog.

    An event whose handling failed together with others is handed out alone from then on. One that
    failed alone as often as the limit says is given up.
    """

    def __init__(self, limits: Limits, *, in_order: bool) -> None:
        self._limits = limits
        self._in_order = in_order
        self._waiting: deque[Event] = deque()
        self._running: dict[int, Event] = {}
        self._here: set[int] = set()
        self._tries: dict[int, int] = {}
        self._backlogged: set[int] = set()
        self.is_behind = True

    def __len__(self) -> int:
        return len(self._here)

    def __contains__(self, event_id: int) -> bool:
        return event_id in self._here

    @property
    def is_filling(self) -> bool:
        """Whether what comes may soon be too much."""
        return not self.is_behind and len(self._here) > self._limits.held // 2

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to take, here or in the backlog."""
        return not self._here and not self.is_behind

    @property
    def has_backlog(self) -> bool:
        """Whether the consumer's backlog has anything, or may have."""
        return self.is_behind or bool(self._backlogged)

    @property
    def backlogged(self) -> Collection[int]:
        """Ids of the events here that are in the consumer's backlog."""
        return self._backlogged

    def offer(self, events: Sequence[Event]) -> None:
        """Events from the outbox; all stay outside where the lane is behind, or too full."""
        if not self.is_behind and len(self._here) + len(events) <= self._limits.held:
            self._add(events)
        elif events:
            self.is_behind = True

    def bring(self, events: Iterable[Event]) -> None:
        """Events from the backlog."""
        self._backlogged.update(event.id for event in self._add(events))

    def _add(self, events: Iterable[Event]) -> list[Event]:
        """Have events wait, but for those that are here; which were not."""
        new = [event for event in events if event.id not in self._here]
        self._waiting.extend(new)
        self._here.update(event.id for event in new)
        return new

    def catch_up(self, outside: Sequence[Event]) -> None:
        """The backlog has no more; `outside` is what is nowhere but in the outbox, in order."""
        self.is_behind = False
        self.offer([event for event in outside if event.id not in self._here])

    def moved(self, event_id: int) -> None:
        """An event is in the backlog from now on, and no longer in the outbox."""
        if event_id in self._here:
            self._backlogged.add(event_id)
        else:
            self.is_behind = True

    def take(self) -> list[Event]:
        """The events to be handled next, in one call; none where nothing may begin now."""
        room = self._limits.held - len(self._running)
        if not self._waiting or room <= 0 or (self._in_order and self._running):
            return []
        batch: list[Event] = []
        for event in islice(self._waiting, min(self._limits.batch, room)):
            is_alone = event.id in self._tries
            if batch and is_alone:
                break
            batch.append(event)
            if is_alone:
                break
        for event in batch:
            self._waiting.popleft()
            self._running[event.id] = event
        return batch

    def took(self, events: Iterable[Event]) -> tuple[list[int], list[int]]:
        """Forget events that the consumer took, or gave up.

        Returns the ids of those to be taken off the outbox, and off the backlog.
        """
        outbox: list[int] = []
        backlog: list[int] = []
        for event in events:
            del self._running[event.id]
            self._here.discard(event.id)
            self._tries.pop(event.id, None)
            if event.id in self._backlogged:
                self._backlogged.discard(event.id)
                backlog.append(event.id)
            else:
                outbox.append(event.id)
        return outbox, backlog

    def give_back(self, events: Sequence[Event], *, at_fault: bool) -> list[Event]:
        """Events whose handling failed come again, before all others.

        `at_fault`: whether one of them may be the cause. Returns those to be given up, which stay
        here until `took`.
        """
        if at_fault:
            for event in events:
                tries = self._tries.get(event.id, 0)
                self._tries[event.id] = tries + (len(events) == 1)
            if len(events) == 1 and self._tries[events[0].id] >= self._limits.tries:
                return list(events)
        for event in reversed(events):
            del self._running[event.id]
            self._waiting.appendleft(event)
        return []

    def tries_of(self, event: Event) -> int:
        """How often its handling failed while it was alone."""
        return self._tries.get(event.id, 0)
