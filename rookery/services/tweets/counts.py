"""Telling every process that counts of tweets changed.

Who made a change waits for that before it is answered, so that its next read shows it through
whichever gateway.
"""

import asyncio
from collections.abc import Awaitable, Iterable

import structlog

from rookery.services.ports import Invalidation, InvalidationPort
from rookery.services.reading.reading import Reading

log = structlog.get_logger(__name__)


class CountChanges:
    """Spreads changes of counts: in this process at once, to the others in one go.

    At most one broadcast is under way; what changes meanwhile goes out together after it, each
    tweet once, so that a storm of likes costs no more than one tweet's name at a time.
    """

    def __init__(self, reading: Reading, port: InvalidationPort) -> None:
        self._reading = reading
        self._port = port
        self._pending: set[int] = set()
        self._viewers: set[int] = set()
        self._told: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None

    def announce(self, tweet_ids: Iterable[int], viewer_id: int | None = None) -> Awaitable[None]:
        """Call after each change; `viewer_id` is the user whose marks it changed, if so.

        It is spread whether the result is awaited or not, which is done when everybody was told
        (within the bound of `InvalidationPort.broadcast`, twice at the most).
        """
        viewers = [] if viewer_id is None else [viewer_id]
        change = Invalidation(counts=list(tweet_ids), viewers=viewers)
        self._reading.invalidate(change)
        self._pending.update(change.counts)
        self._viewers.update(viewers)
        loop = asyncio.get_running_loop()
        if self._told is None:
            self._told = loop.create_future()
        told = self._told
        if self._running is None:
            self._running = loop.create_task(self._broadcast())
        return asyncio.shield(told)  # one who gives up must not cancel it for the others

    async def settled(self) -> None:
        """Return when everything announced so far has been broadcast."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _broadcast(self) -> None:
        try:
            while (told := self._told) is not None:
                self._told = None
                counts, viewers = sorted(self._pending), sorted(self._viewers)
                self._pending.clear()
                self._viewers.clear()
                try:
                    await self._port.broadcast(Invalidation(counts=counts, viewers=viewers))
                except Exception:  # A fault of ours, for which no other change may wait.
                    log.exception("changes of counts were not told")
                finally:
                    told.set_result(None)
        finally:
            self._running = None
