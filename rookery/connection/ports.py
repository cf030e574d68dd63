"""What a connection server needs from the rest of the system, as protocols and records.

Imports only leaves. The actors (or the inline wiring) implement these; tests use fakes.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from rookery.models import Identity, TweetCounts
from rookery.views import PushedTweet


class Attached(msgspec.Struct, frozen=True):
    """A user's place in the event log, as the shard knows it when it answers.

    `events` are those after the position that was given, as (offset, `EventKind`, subject id)
    without a hole up to `offset`; None when they cannot be given (unknown epoch, or no longer
    held).
    """

    epoch: str
    offset: int
    events: list[tuple[int, int, int]] | None


class PresencePort(Protocol):
    """The timeline shards, by user. Each method may raise `Unavailable`."""

    async def attach(self, user_id: int, epoch: str | None, offset: int | None) -> Attached:
        """Register this server for the user's pushes, and tell what was missed; idempotent.

        An event that was pushed before this call was made is covered by its answer.
        """
        ...

    async def detach(self, user_id: int) -> None:
        """Stop the pushes for this user to this server."""
        ...

    async def positions(self, user_ids: Sequence[int]) -> Sequence[tuple[str, int] | None]:
        """(epoch, last offset) for each user; None where this server is not registered."""
        ...

    async def recently_notified(self) -> Sequence[int] | None:
        """The users here to whom something was pushed since the last call, at the least.

        None where it may be anybody, and whoever is no more registered.
        """
        ...


class TweetPort(Protocol):
    """Tweets, as the users of streams may see them. Each method may raise `Unavailable`."""

    async def counts(self, tweet_ids: Sequence[int]) -> dict[int, TweetCounts]:
        """Counts by tweet id; whoever may not see a tweet must not be given them."""
        ...

    async def missed(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, PushedTweet]:
        """What a list would show to the user of these tweets now.

        Missing are those that are gone, that are hidden from the user or that the user muted.
        """
        ...

    async def visible(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """Those of the tweets that the user may see, muted or not, with whom it depends on: the
        author, and that of a retweet's original."""
        ...


Authenticate: TypeAlias = Callable[[str], Awaitable[tuple[Identity, int]]]
"""Token → (identity, its expiry in milliseconds since 1970); raises errors of `Unauthenticated`."""
