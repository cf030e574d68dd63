"""The queue of events: what was committed and consumers have still to take.

Interface. In `queue_outbox` the outbox in the store is the queue; in `redis.queue` a Redis stream
carries the events, and the outbox what the stream lost. Guarantees of every variant: each
committed event is handed out at least once until it is acknowledged, also across the death of any
process; one that was acknowledged may come again, though rarely, and must be recognised by those
who take it; events come roughly in the order of their ids.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rookery.events.encoding import StoredEvent
from rookery.store.engine import Operation


class Queue(Protocol):
    """For one relay at a time, which holds what it was handed out until it acknowledges it."""

    async def take(self, limit: int, wait_s: float) -> list[StoredEvent]:
        """At most `limit` events that are not held yet; waits for the first.

        Returns an empty list after `wait_s`.

        Raises:
            Unavailable: the queue does not answer.
        """
        ...

    async def acknowledge(self, event_ids: Sequence[int], also: Sequence[Operation] = ()) -> None:
        """Take events off the outbox, and do `also` in the same batch; they do not come again.

        Raises:
            Unavailable: whether it was done is unknown, and they stay held; call it again.
        """
        ...

    def offer(self, events: Sequence[StoredEvent]) -> None:
        """Events that were committed just now, as far as whoever committed them can tell."""
        ...

    async def is_empty(self) -> bool:
        """Whether everything that was ever added has been acknowledged.

        Raises:
            Unavailable: that cannot be known now.
        """
        ...

    @property
    def held(self) -> int:
        """Events handed out and not acknowledged."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Current figures for the operator."""
        ...

    async def close(self) -> None: ...


class Announcer(Protocol):
    """Tells the queue of events that were committed just now.

    An announcement may be lost, with the process that makes it or on the way; whoever takes from
    the queue finds such events in the outbox itself, some seconds later.
    """

    def announce(self, events: Sequence[StoredEvent]) -> None:
        """Tell of committed events, without waiting."""
        ...

    async def close(self) -> None: ...
