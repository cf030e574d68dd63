"""The fan-out queue: what was committed and must reach timelines and connections.

Interface. In `queue_outbox` the outbox in the store is the queue; in `queue_redis` a Redis stream
carries the entries, and the outbox what the stream lost. Guarantees of every variant: each
committed entry is handed out at least once until it is acknowledged, also across the death of any
process; one that was acknowledged may come again, though rarely, and must be recognised by those
it is delivered to; entries come roughly in the order of their ids.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rookery.events.encoding import StoredEvent


class Queue(Protocol):
    """For one consumer at a time."""

    async def take(self, limit: int, wait_s: float) -> list[StoredEvent]:
        """At most `limit` entries that this consumer does not hold yet; waits for the first.

        Returns an empty list after `wait_s`.

        Raises:
            Unavailable: the queue does not answer.
        """
        ...

    async def acknowledge(self, entry_ids: Sequence[int]) -> None:
        """Entries that were delivered everywhere; they are not handed out again.

        Raises:
            Unavailable: they stay held; acknowledge them again.
        """
        ...

    def release(self, entry_ids: Sequence[int], fault: Exception | None = None) -> None:
        """Give entries back that could not be delivered; they will be handed out again.

        `fault` is why not, where the entries themselves may be the cause; None where a part that
        they must reach did not answer.
        """
        ...

    def offer(self, entries: Sequence[StoredEvent]) -> None:
        """Entries that were committed just now, as far as whoever committed them can tell."""
        ...

    async def is_empty(self) -> bool:
        """Whether everything that was ever added has been acknowledged.

        What was put aside has not.

        Raises:
            Unavailable: that cannot be known now.
        """
        ...

    async def requeue_dead(self) -> int:
        """Hand out again what was put aside because its delivery failed; how many that are."""
        ...

    @property
    def held(self) -> int:
        """Entries handed out and neither acknowledged nor released."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Current figures for the operator."""
        ...

    async def close(self) -> None: ...


class Announcer(Protocol):
    """Tells the queue's consumer of entries that were committed just now.

    An announcement may be lost, with the process that makes it or on the way; whoever takes from
    the queue finds such entries in the outbox itself, some seconds later.
    """

    def announce(self, entries: Sequence[StoredEvent]) -> None:
        """Tell of committed entries, without waiting."""
        ...

    async def close(self) -> None: ...
