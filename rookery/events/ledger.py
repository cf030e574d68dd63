"""Who has still to take which event of the outbox. Pure; time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass

from rookery.events.kinds import Event


@dataclass(slots=True)
class Held:
    """An event, since when it is here, and the bits of the consumers that have still to take it."""

    event: Event
    since_s: float
    pending: int


class Ledger:
    """The events that were read from the outbox and are not to be removed from it yet."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}  # in the order in which they came
        self._done: list[int] = []

    def __len__(self) -> int:
        return len(self._held)

    def add(self, event: Event, pending: int, now_s: float) -> None:
        """An event that these consumers have still to take."""
        if pending:
            self._held[event.id] = Held(event, now_s, pending)
        else:
            self._done.append(event.id)

    def took(self, bit: int, event_ids: Iterable[int]) -> None:
        """A consumer took events."""
        for event_id in event_ids:
            held = self._held.get(event_id)
            if held is None:
                continue
            held.pending &= ~bit
            if not held.pending:
                del self._held[event_id]
                self._done.append(event_id)

    def drop(self, event_id: int) -> None:
        """Nobody can take this event."""
        self._done.append(event_id)

    @property
    def has_done(self) -> bool:
        """Whether there is something that `done` would tell."""
        return bool(self._done)

    def done(self) -> list[int]:
        """The ids of events that everybody took, each told once."""
        done, self._done = self._done, []
        return done

    def move(self, until_s: float, behind: int, limit: int) -> list[Held]:
        """At most `limit` events that are to be moved into the backlogs of those who lag.

        That is what came until `until_s`, and what only consumers that are `behind` have still to
        take. They are forgotten here.
        """
        found: list[Held] = []
        for held in self._held.values():
            if held.since_s <= until_s or not held.pending & ~behind:
                found.append(held)
                if len(found) >= limit:
                    break
            elif not behind:
                break  # all others are younger
        for held in found:
            del self._held[held.event.id]
        return found

    def pending_of(self, bit: int) -> list[Event]:
        """What a consumer has still to take, in the order in which it came."""
        return [held.event for held in self._held.values() if held.pending & bit]
