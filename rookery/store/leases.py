"""Snowflake worker numbers: each process that makes ids leases one.

Why no two processes make the same id, whatever their clocks say: a lease ends at a wall-clock
time that is stored, its holder makes no id whose own time reaches that end, and the next holder
makes no id whose own time is not past it. Only the times *inside the ids* are compared, so clocks
that differ between machines, or step, can make ids pause but never collide. Must not import
services or anything above.
"""

import asyncio
import secrets
from collections.abc import Callable

import msgspec
import structlog

from rookery.errors import Unavailable
from rookery.ids import WORKERS, Snowflakes, time_ms_of
from rookery.store.engine import ConditionFailed, Expect, Insert, Operation, Put, Store, WriteBatch
from rookery.store.schema import LEASES

TTL_S = 30.0
_LABEL = "lease"

log = structlog.get_logger(__name__)


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The stored lease: nobody but `holder` makes ids with number `worker` up to `expires_ms`."""

    worker: int
    holder: str
    expires_ms: int


class WorkerLease:
    """One process's lease and the ids it makes. Not for use from several threads.

    `acquire` before the first `next_id`; then `run` in the background, and `release` at the end.
    A process that dies without `release` blocks its number until the lease expires.
    """

    def __init__(
        self, store: Store, clock_ms: Callable[[], int], *, name: str = "", ttl_s: float = TTL_S
    ) -> None:
        """`name` shows operators who holds a number; it need not be unique."""
        self._store = store
        self._clock_ms = clock_ms
        self._ttl_ms = int(ttl_s * 1000)
        self._holder = f"{name}:{secrets.token_hex(8)}"
        self._worker: int | None = None
        self._snowflakes: Snowflakes | None = None
        self._first_ms = 0
        self._end_ms = 0
        self._last_ms = 0

    @property
    def worker(self) -> int | None:
        """The number held; None before `acquire` and after a loss."""
        return self._worker

    def next_id(self) -> int:
        """A new id.

        Raises:
            Unavailable: the lease is not held, or could not be renewed in time; or see
                `Snowflakes.next_id`.
        """
        if self._snowflakes is None:
            raise Unavailable("No worker number is held; ids are paused")
        snowflake = self._snowflakes.next_id()
        time_ms = time_ms_of(snowflake)
        if not self._first_ms <= time_ms < self._end_ms:
            raise Unavailable("The lease of this worker number is not in force; ids are paused")
        self._last_ms = time_ms
        return snowflake

    async def acquire(self) -> None:
        """Take the first number that is free or expired.

        Raises:
            Unavailable: all numbers are in use, or the store does not answer.
        """
        while True:
            now_ms = self._clock_ms()
            documents = await self._store.reader.range(LEASES, limit=WORKERS)
            held = {
                lease.worker: lease
                for lease in (msgspec.convert(document, Lease) for document in documents)
            }
            worker = next(
                (
                    number
                    for number in range(WORKERS)
                    if number not in held or held[number].expires_ms < now_ms
                ),
                None,
            )
            if worker is None:
                raise Unavailable("All worker numbers are in use")
            if await self._claim(worker, held.get(worker), now_ms):
                return

    async def _claim(self, worker: int, former: Lease | None, now_ms: int) -> bool:
        lease = Lease(worker=worker, holder=self._holder, expires_ms=now_ms + self._ttl_ms)
        document = msgspec.structs.asdict(lease)
        operations: tuple[Operation, ...] = (Insert(LEASES.name, document),)
        if former is not None:
            columns = {"holder": former.holder, "expires_ms": former.expires_ms}
            operations = (
                Expect(LEASES.name, (worker,), True, columns, _LABEL),
                Put(LEASES.name, document),
            )
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed:
            return False
        self._worker = worker
        self._snowflakes = Snowflakes(worker, self._clock_ms)
        self._first_ms = now_ms
        self._last_ms = 0
        self._end_ms = lease.expires_ms
        return True

    async def renew(self) -> None:
        """Extend the lease; if another process took the number meanwhile, take a new one.

        Raises:
            Unavailable: as `acquire`. The ids already promised stay valid; try again soon.
        """
        if self._worker is None:
            await self.acquire()
            return
        expires_ms = self._clock_ms() + self._ttl_ms
        if expires_ms <= self._end_ms:
            return
        try:
            await self._store_end(self._worker, expires_ms)
        except ConditionFailed:
            log.warning("worker number lost", worker=self._worker)
            self._drop()
            await self.acquire()
        else:
            self._end_ms = expires_ms

    async def run(self) -> None:
        """Renew every third of the time to live, until cancelled."""
        pause_s = self._ttl_ms / 3000
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.renew()
                pause_s = self._ttl_ms / 3000
            except Unavailable as error:
                log.warning("worker number not renewed", worker=self._worker, exc_info=error)
                pause_s = self._ttl_ms / 30_000

    async def release(self) -> None:
        """Make no more ids and give the number back. Best effort: otherwise it expires.

        The lease is shortened to the last id instead of deleted: ids may run ahead of the clock,
        and the next holder must start behind them (and behind those of the holder before).
        """
        worker = self._worker
        end_ms = max(self._last_ms, self._first_ms)
        self._drop()
        if worker is None:
            return
        try:
            await self._store_end(worker, end_ms)
        except (ConditionFailed, Unavailable) as error:
            log.info("worker number not released", worker=worker, exc_info=error)

    async def _store_end(self, worker: int, expires_ms: int) -> None:
        lease = Lease(worker=worker, holder=self._holder, expires_ms=expires_ms)
        mine = Expect(LEASES.name, (worker,), True, {"holder": self._holder}, _LABEL)
        await self._store.writer.write(
            WriteBatch((mine, Put(LEASES.name, msgspec.structs.asdict(lease))))
        )

    def _drop(self) -> None:
        self._worker = None
        self._snowflakes = None
        self._end_ms = 0
