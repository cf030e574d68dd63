"""What services, http and connection need from actors, as protocols.

Interfaces only; actors, or the wiring in `rookery.app`, implement them. Must not import actors,
http or connection.
"""

from typing import Protocol

from rookery.messages import Invalidation, TimelineSlice

__all__ = [
    "Invalidation",
    "InvalidationPort",
    "StreamDirectoryPort",
    "TimelinePort",
    "TimelineSlice",
]


class TimelinePort(Protocol):
    """Home timelines, by user."""

    async def read(self, user_id: int, before: int, limit: int, mask: int) -> TimelineSlice:
        """At most `limit` ids below `before` (0: from the newest), newest first.

        With a `mask` of `PostKind` bits, only posts that have one of them. A timeline that is not
        warm is built first.

        Raises:
            Unavailable: its shard does not answer; reading again is safe.
        """
        ...

    async def graph_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        """Tell the follower's timeline of a committed follow or unfollow.

        Awaited before the request is answered, so that the follower's next read shows it. Best
        effort: the outbox entry of the same commit tells it again.

        Raises:
            Unavailable: its shard does not answer.
        """
        ...


class InvalidationPort(Protocol):
    """Reaches the caches of every process."""

    async def broadcast(self, change: Invalidation) -> bool:
        """Apply `change` in every gateway and connection server, this one included.

        Best effort: returns after 1 s at the latest, and raises nothing. The answer is whether
        all have confirmed it; a cache that was missed catches up by its own expiry.
        """
        ...


class StreamDirectoryPort(Protocol):
    """Service discovery for WebSocket clients."""

    async def pick(self) -> str:
        """The ``ws://`` URL of a live connection server.

        Raises:
            Unavailable: there is none.
        """
        ...
