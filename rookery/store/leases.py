"""Snowflake worker numbers: each process that makes ids leases one.

Why no two processes make the same id, whatever their clocks say: a lease ends at a time that is
stored, its holder makes no id whose own time reaches that end, and the next holder makes no id
whose own time is not past it. Only the times *inside the ids* are compared, so clocks that differ
between machines, or step, never make ids collide.

Why ids keep rising (docs/decisions/016): their time never goes back within a process
(`rookery.ids.RisingClock`), and begins behind what the store knows: its newest tweet and user, and
the leases. A lease that was given back ends at its holder's last id; one that is held was renewed
`ttl_s` before its end. Each renewal looks at the others' leases, so that a process whose clock is
behind follows.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from time import monotonic_ns

import msgspec
import structlog

from rookery.errors import Unavailable
from rookery.ids import WORKERS, RisingClock, Snowflakes, time_ms_of
from rookery.store.engine import ConditionFailed, Expect, Insert, Operation, Put, Store, WriteBatch
from rookery.store.schema import LEASES, TWEETS, USERS

TTL_S = 30.0
LOOK_S = 0.25
"""So often the clock is looked at: a step back is noticed within this time by all processes."""
FAR_AHEAD_MS = 1_000
_LABEL = "lease"

log = structlog.get_logger(__name__)


def steady_ms() -> int:
    """Milliseconds of a clock that does not step."""
    return monotonic_ns() // 1_000_000


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The stored lease: nobody but `holder` makes ids with number `worker` up to `expires_ms`.

    Without a holder it was given back, and `expires_ms` is the time of the last id.
    """

    worker: int
    holder: str
    expires_ms: int

    def known_ms(self, ttl_ms: int) -> int:
        """A time up to which ids may have been made with this number."""
        return self.expires_ms - ttl_ms if self.holder else self.expires_ms + 1


class WorkerLease:
    """One process's lease and the ids it makes. Not for use from several threads.

    `acquire` before the first `next_id`; then `run` in the background, and `release` at the end.
    A process that dies without `release` blocks its number until the lease expires.
    """

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        *,
        name: str = "",
        ttl_s: float = TTL_S,
        steady: Callable[[], int] = steady_ms,
    ) -> None:
        """`name` shows operators who holds a number; it need not be unique."""
        self._store = store
        self._now_ms = RisingClock(clock_ms, steady)
        self._steady_ms = steady
        self._ttl_ms = int(ttl_s * 1000)
        self._holder = f"{name}:{secrets.token_hex(8)}"
        self._worker: int | None = None
        self._snowflakes: Snowflakes | None = None
        self._first_ms = 0
        self._end_ms = 0
        self._last_ms = 0
        self._renewed_ms = 0  # by the steady clock
        self._renewing = asyncio.Lock()

    @property
    def worker(self) -> int | None:
        """The number held; None before `acquire` and after a loss."""
        return self._worker

    def next_id(self) -> int:
        """A new id.

        Raises:
            Unavailable: the lease is not held, or could not be renewed in time; or see
                `Snowflakes.next_id`. A clock that steps makes no difference.
        """
        if self._snowflakes is None:
            raise Unavailable("No worker number is held; ids are paused")
        snowflake = self._snowflakes.next_id()
        time_ms = time_ms_of(snowflake)
        if not self._first_ms <= time_ms < self._end_ms:
            raise Unavailable("The lease of this worker number is not in force; ids are paused")
        self._last_ms = time_ms
        return snowflake

    def _time_ms(self) -> int:
        """The time for the next id.

        Where the clock has jumped beyond the end of a lease that is in force, ids go on from the
        last one until it is renewed.
        """
        now_ms = self._now_ms()
        if now_ms < self._end_ms or self._steady_ms() - self._renewed_ms >= self._ttl_ms:
            return now_ms
        last_ms = 0 if self._snowflakes is None else self._snowflakes.last_ms
        return max(last_ms, self._first_ms)

    async def acquire(self) -> None:
        """Take the first number that is free or expired.

        Raises:
            Unavailable: all numbers are in use, or the store does not answer.
        """
        self._now_ms.raise_to(await self._newest_ms())
        while True:
            leases = await self._leases()
            self._now_ms.raise_to(max(self._last_ms + 1, self._known_ms(leases)))
            now_ms = self._now_ms()
            held = {lease.worker: lease for lease in leases}
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
                break
        if (ahead_ms := self._now_ms.ahead_ms) > FAR_AHEAD_MS:
            log.warning("the clock is behind the ids that are there", by_s=ahead_ms / 1000)

    async def _newest_ms(self) -> int:
        """The time of the newest tweet or user there is; 0 where there is none."""
        newest = [
            await self._store.reader.select(each, ("id",), limit=1, reverse=True)
            for each in (TWEETS, USERS)
        ]
        return max((time_ms_of(rows[0][0]) + 1 for rows in newest if rows), default=0)

    async def _leases(self) -> list[Lease]:
        documents = await self._store.reader.range(LEASES, limit=WORKERS)
        return [msgspec.convert(document, Lease) for document in documents]

    def _known_ms(self, leases: Iterable[Lease]) -> int:
        """The time up to which the others are known to have made ids."""
        others = (lease for lease in leases if lease.holder != self._holder)
        return max((lease.known_ms(self._ttl_ms) for lease in others), default=0)

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
        self._snowflakes = Snowflakes(worker, self._time_ms)
        self._first_ms = now_ms
        self._end_ms = lease.expires_ms
        self._renewed_ms = self._steady_ms()
        return True

    async def renew(self) -> None:
        """Extend the lease; if another process took the number meanwhile, take a new one.

        Raises:
            Unavailable: as `acquire`. The ids already promised stay valid; try again soon.
        """
        async with self._renewing:  # the store must not end with the shorter of two renewals
            await self._renew()

    async def _renew(self) -> None:
        if self._worker is None:
            await self.acquire()
            return
        known_ms = self._known_ms(await self._leases())
        now_ms = max(self._now_ms(), known_ms)
        expires_ms = max(now_ms + self._ttl_ms, self._end_ms)
        try:
            await self._store_end(self._worker, self._holder, expires_ms)
        except ConditionFailed:
            log.warning("worker number lost", worker=self._worker)
            self._drop()
            await self.acquire()
        else:
            self._end_ms = expires_ms
            self._renewed_ms = self._steady_ms()
            self._now_ms.raise_to(known_ms)  # not before the lease reaches so far

    async def run(self) -> None:
        """Renew every third of the time to live, until cancelled; sooner where the clock jumped."""
        next_ms = self._steady_ms() + self._ttl_ms // 3
        while True:
            await asyncio.sleep(LOOK_S)
            now_ms, steady_ms = self._now_ms(), self._steady_ms()
            if steady_ms < next_ms and now_ms < self._end_ms - self._ttl_ms // 3:
                continue
            try:
                await self.renew()
                next_ms = self._steady_ms() + self._ttl_ms // 3
            except Unavailable as error:
                log.warning("worker number not renewed", worker=self._worker, exc_info=error)
                await asyncio.sleep(self._ttl_ms / 30_000)

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
            await self._store_end(worker, "", end_ms)
        except (ConditionFailed, Unavailable) as error:
            log.info("worker number not released", worker=worker, exc_info=error)

    async def _store_end(self, worker: int, holder: str, expires_ms: int) -> None:
        lease = Lease(worker=worker, holder=holder, expires_ms=expires_ms)
        mine = Expect(LEASES.name, (worker,), True, {"holder": self._holder}, _LABEL)
        await self._store.writer.write(
            WriteBatch((mine, Put(LEASES.name, msgspec.structs.asdict(lease))))
        )

    def _drop(self) -> None:
        self._worker = None
        self._snowflakes = None
        self._end_ms = 0
