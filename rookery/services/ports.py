"""What services, http and connection need from actors, as protocols.

Interfaces only; actors, or the wiring in `rookery.compose`, implement them.
"""

from collections.abc import Collection, Sequence
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
        effort: the event of the same commit tells it again.

        Raises:
            Unavailable: its shard does not answer.
        """
        ...

    async def hidden_changed(self, user_ids: Sequence[int]) -> None:
        """Tell the timelines of these users of committed blocks or mutes, and of their ends.

        Awaited before the request is answered, so that the next read and the next push show it.
        Whom they follow is looked up again as well. Best effort: the event of the same commit tells
        it again.

        Raises:
            Unavailable: a shard does not answer.
        """
        ...

    async def accounts_changed(self, user_ids: Sequence[int]) -> None:
        """Tell all timelines of accounts that were made private or public, suspended or restored.

        Awaited before the change is answered, so that whatever is pushed from then on goes by it.
        Best effort: returns within about a second, and raises nothing; the event of the same commit
        tells it again.
        """
        ...

    async def posted(self, author_id: int, tweet_id: int, kind: int) -> None:
        """Tell the author's timeline of a committed post, with its `PostKind` bits.

        Awaited before the request is answered, so that the author's next read shows it, whichever
        gateway serves it. Best effort: returns within half a second, and raises nothing; the
        event of the same commit brings it as to all others.
        """
        ...


class InvalidationPort(Protocol):
    """Reaches the caches of every process."""

    async def broadcast(self, change: Invalidation) -> bool:
        """Apply `change` in every other gateway and connection server.

        Best effort: returns after about 1 s at the latest, where only counts and marks have
        changed after a quarter of that, and raises nothing. The answer is whether all have
        confirmed it. Whoever has not answered by then is told until the second is over; a cache
        that was missed catches up by its own expiry.
        """
        ...


class StreamDirectoryPort(Protocol):
    """Where WebSocket clients are, and where they may go."""

    async def pick(self) -> str:
        """The ``ws://`` URL of a live connection server.

        Raises:
            Unavailable: there is none.
        """
        ...

    async def connected(self, user_id: int) -> Collection[str]:
        """The user's devices that hold a stream, as far as is known; raises nothing."""
        ...
