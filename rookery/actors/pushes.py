"""A shard's way to the connection servers: one coalescer each."""

import asyncio
from contextlib import suppress

from rookery.actors.coalescer import Coalescer
from rookery.actors.runtime import Directory
from rookery.domain.presence import Recipients
from rookery.messages import Delivery, Push
from rookery.models import EventKind

MAX_BATCH = 1_000
MAX_PENDING = 20_000
SETTLE_S = 1.0
TO_NOBODY = Push(EventKind.TWEET_DELETED, 0, b"", b"", b"")


class Pushes:
    """Sends events to the users of connection servers; each server gets them in order.

    Best effort: a push that is lost shows as a gap in the offsets, and is fetched by attaching
    again.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._servers: dict[str, Coalescer[Push, None]] = {}

    def push(self, delivery: Delivery, to: Recipients) -> None:
        """Send an event that was logged for these users."""
        server = self._servers.get(to.server)
        if server is None:
            server = self._servers[to.server] = self._open(to.server)
        server.post(
            Push(
                delivery.event_kind,
                delivery.tweet_id,
                delivery.record,
                to.user_ids,
                to.offsets,
                to.hides_quote,
            )
        )

    def _open(self, server: str) -> Coalescer[Push, None]:
        ref = self._directory.ref(server)

        async def push(batch: list[Push]) -> list[None]:
            await ref.call("push", batch)
            return [None] * len(batch)

        return Coalescer(
            push,
            name=f"push_{server}",
            max_batch=MAX_BATCH,
            max_pending=MAX_PENDING,
            retry=True,
        )

    async def settled(self) -> None:
        """Return when what waits for servers has reached them, or after `SETTLE_S`."""
        waiting = [each for each in self._servers.values() if each.pending]
        if not waiting:
            return
        # They are sent in order, so one for nobody arrives behind the others.
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await asyncio.gather(
                    *(each.submit(TO_NOBODY) for each in waiting), return_exceptions=True
                )

    @property
    def pending(self) -> float:
        """Pushes that wait for a server."""
        return sum(each.pending for each in self._servers.values())

    async def aclose(self) -> None:
        """Send what waits, in bounded time, and take no more."""
        await asyncio.gather(*(each.aclose() for each in self._servers.values()))
