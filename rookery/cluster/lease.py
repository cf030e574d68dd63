"""The lease in the store that makes one controller the only one of its cluster."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

import structlog

from rookery.errors import RookeryError, StartupError
from rookery.store.engine import ConditionFailed, Writer
from rookery.store.records.cluster import ClusterRepository, Lease

log = structlog.get_logger(__name__)

RENEW_S = 0.5
LEASE_S = 3.0
"""A lease that stands still for so long is nobody's any more."""


class ControllerLease:
    """Taken once, renewed until `leave`, or until another controller has taken it."""

    def __init__(self, repository: ClusterRepository, writer: Writer) -> None:
        self._repository = repository
        self._writer = writer
        self._name = token_hex(8)
        self._lease: Lease | None = None
        self._holding: asyncio.Task[None] | None = None

    @property
    def is_held(self) -> bool:
        return self._holding is not None and not self._holding.done()

    async def take(self, on_lost: Callable[[], None]) -> None:
        """Wait until nobody else holds the lease, and hold it; `on_lost` if that ends.

        Raises:
            StartupError: somebody else renews it.
        """
        self._lease = await self._repository.lease()
        if self._lease is not None and self._lease.holder:
            await asyncio.sleep(LEASE_S)
            if await self._repository.lease() != self._lease:
                raise StartupError(
                    "another `rookery serve` keeps this cluster in line; stop that one first"
                )
        await self._renew(self._name)
        self._holding = asyncio.create_task(self._hold(on_lost))

    async def leave(self) -> None:
        """Leave the lease to whoever wants it."""
        if self._holding is None:
            return
        self._holding.cancel()
        await asyncio.gather(self._holding, return_exceptions=True)
        with suppress(RookeryError, ConditionFailed):
            await self._renew("")

    async def _hold(self, on_lost: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self._renew(self._name)
            except RookeryError as error:
                log.warning("lease not renewed", error=str(error))
            except ConditionFailed:
                log.critical("another controller has taken this cluster over; this one is idle")
                on_lost()
                return

    async def _renew(self, holder: str) -> None:
        former = self._lease
        lease = Lease(holder, 1 if former is None else former.version + 1)
        await self._repository.renew(self._writer, former, lease)
        self._lease = lease
