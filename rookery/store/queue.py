"""The fan-out queue: what was committed and must reach timelines and connections.

Interface. `queue_outbox` is the one for a single SQLite store (the outbox itself is the queue);
in a cluster Redis carries it. Guarantees of every variant: each committed entry is handed out at
least once until it is acknowledged, also across the death of any process; entries come roughly in
the order of their ids.
"""

from collections.abc import Sequence
from typing import Protocol

from rookery.models import OutboxEntry


class Queue(Protocol):
    """For one consumer at a time."""

    async def take(self, limit: int, wait_s: float) -> list[OutboxEntry]:
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

    def release(self, entry_ids: Sequence[int]) -> None:
        """Give entries back that could not be delivered; they will be handed out again."""
        ...

    async def is_empty(self) -> bool:
        """Whether everything that was ever added has been acknowledged."""
        ...

    @property
    def held(self) -> int:
        """Entries handed out and neither acknowledged nor released."""
        ...


class Announcer(Protocol):
    """Tells the queue's consumer of entries that were committed just now.

    An announcement may be lost, with the process that makes it or on the way; whoever takes from
    the queue finds such entries in the outbox itself, some seconds later.
    """

    def announce(self, entries: Sequence[OutboxEntry]) -> None:
        """Tell of committed entries, without waiting."""
        ...

    async def close(self) -> None: ...
