"""The single writer of the SQLite file, with group commit.

Imports no reader. One transaction carries everything that arrived while the one before was being
committed: an idle writer commits a batch at once, a busy one in ever larger groups.

The statements run on the event loop, in slices, and only the commit, which waits for the disk,
runs in a thread. The other way round is a trap: a thread that executes statement after statement
has to win Python's lock back after each of them, at up to 5 ms a time while the event loop is
busy: 400 inserts took 490 ms that way, and 1 ms alone.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median

import structlog

from rookery.errors import Overloaded, StartupError, StoreUnavailable
from rookery.store.engine import Collection, WriteBatch
from rookery.store.sqlite.connection import open_for_writing
from rookery.store.sqlite.lock import WriterLock
from rookery.store.sqlite.migrations import Migration, migrate, migrations, schema_differences
from rookery.store.sqlite.plans import NeedsSavepoints, Plan, carry_out, plan
from rookery.store.sqlite.tables import tables

log = structlog.get_logger(__name__)

_LAST_READERS_MS = 3_000
QUEUE_LIMIT = 50_000
"""So many batches may wait; further ones are refused with `Overloaded`."""

_GROUP_STEPS = 20_000
_SLICE_STEPS = 400
_SWEEP_ROWS = 200


class SqliteWriter:
    """The engine's `Writer`. For one event loop; one for a data folder.

    Construction takes the folder's lock, creates the file or brings it to the present schema
    version, and blocks for as long as that takes.

    Durable: what `write` acknowledged; the file is synchronised at each commit. A batch whose
    caller was cancelled may take effect. After a disk that was full or failed works again, so
    does the writer.

    Raises:
        StoreLocked: another process writes to this folder.
        StoreTooNew: a newer release wrote the file.
        StartupError: the folder or the file cannot be used; the text says why and what to do.
    """

    def __init__(
        self,
        path: Path,
        collections: Sequence[Collection],
        *,
        clock_ms: Callable[[], int],
        steps: Sequence[Migration] | None = None,
        is_private: bool = True,
    ) -> None:
        """`is_private`: whether the folder is to be closed to other users; see `WriterLock`."""
        self._path = path
        self._tables = tables(collections)
        self._lock = WriterLock(path.parent, now_ms=clock_ms(), is_private=is_private)
        try:
            self._connection = _open(path, collections, steps or migrations(collections))
        except BaseException:
            self._lock.close()
            raise
        self._thread = ThreadPoolExecutor(1, "sqlite-commit")
        self._waiting: deque[tuple[Sequence[Plan], asyncio.Future[None]]] = deque()
        self._waiting_batches = 0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self.is_folded = False
        """Since `close`: whether the file alone is the whole store, without its log."""
        self._commits = self._batches = self._rows = 0
        self._recent_ms: deque[float] = deque(maxlen=256)

    async def write(self, batch: WriteBatch) -> None:
        """Make `batch` durable.

        Raises:
            ConditionFailed: nothing took effect.
            StoreUnavailable: disk full, I/O error, closed; nothing took effect.
            Overloaded: too many batches wait; nothing was begun.
            ValueError, TypeError: the batch does not fit the declarations.
        """
        made = plan(self._tables, batch)
        await self._submit((made,))
        if made.error is not None:
            raise made.error

    async def write_many(self, batches: Sequence[WriteBatch]) -> list[Exception | None]:
        """Make batches of independent callers durable; the outcome of each, in their order.

        An outcome is None or what `write` would have raised. Batches take effect in their order.

        Raises:
            Overloaded: too many batches wait; none of these was begun.
        """
        plans: list[Plan] = []
        for batch in batches:
            try:
                plans.append(plan(self._tables, batch))
            except (ValueError, TypeError) as error:
                plans.append(Plan(error=error))
        await self._submit([made for made in plans if made.error is None])
        return [made.error for made in plans]

    async def sweep(self, now_ms: int) -> int:
        """Delete the documents that expired before `now_ms`, a few at a time; how many."""
        deleted = 0
        for table in self._tables.values():
            sql = table.sweep_sql
            while sql is not None:
                made = Plan(steps=[(sql, (now_ms, _SWEEP_ROWS), None)])
                await self._submit((made,))
                if made.error is not None:
                    raise made.error
                deleted += made.rows
                if made.rows < _SWEEP_ROWS:
                    break
        return deleted

    def figures(self) -> Mapping[str, float]:
        """Counts since the start, and the present state."""
        try:
            wal_bytes = self._path.with_name(self._path.name + "-wal").stat().st_size
        except OSError:
            wal_bytes = 0
        return {
            "commits": self._commits,
            "batches": self._batches,
            "rows": self._rows,
            "waiting_batches": self._waiting_batches,
            "mean_group_batches": self._batches / self._commits if self._commits else 0.0,
            "commit_p50_ms": median(self._recent_ms) if self._recent_ms else 0.0,
            "wal_bytes": wal_bytes,
        }

    async def close(self) -> None:
        """Commit what waits, fold the log into the file, and release the folder."""
        if self._closed:
            return
        self._closed = True
        if self._worker is not None:
            await asyncio.wait([self._worker])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        self._thread.shutdown()
        self._lock.close()

    async def _submit(self, plans: Sequence[Plan]) -> None:
        """Queue `plans`, and return when each has its outcome."""
        if self._closed:
            raise StoreUnavailable("The store was closed")
        if self._waiting_batches + len(plans) > QUEUE_LIMIT:
            raise Overloaded
        if not plans:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((plans, done))
        self._waiting_batches += len(plans)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        await done

    async def _work(self) -> None:
        """Commit group after group until nothing waits."""
        try:
            while self._waiting:
                calls = self._next_group()
                try:
                    await self._commit_group([made for plans, _ in calls for made in plans])
                finally:
                    for _, done in calls:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._worker = None

    def _next_group(self) -> list[tuple[Sequence[Plan], asyncio.Future[None]]]:
        calls = []
        steps = 0
        while self._waiting and steps < _GROUP_STEPS:
            plans, done = self._waiting.popleft()
            self._waiting_batches -= len(plans)
            steps += sum(len(made.steps) + len(made.checks) for made in plans)
            calls.append((plans, done))
        return calls

    async def _commit_group(self, plans: Sequence[Plan]) -> None:
        """One transaction; each plan has its outcome afterwards."""
        for made in plans:  # what stands if this ends in any other way than below
            made.error = StoreUnavailable("The write was broken off")
        try:
            try:
                await self._carry_out(plans, savepoints=False)
            except NeedsSavepoints:
                # Rare enough to do the group over; savepoints for all cost 10 to 35 %.
                self._roll_back()
                await self._carry_out(plans, savepoints=True)
            started = time.perf_counter()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._connection.execute, "COMMIT")
            self._recent_ms.append((time.perf_counter() - started) * 1000)
        except Exception as error:  # the writer itself must go on, whatever it was
            self._fail(plans, error)
            return
        self._commits += 1
        for made in plans:
            if made.error is None:
                self._batches += 1
                self._rows += made.rows

    async def _carry_out(self, plans: Sequence[Plan], *, savepoints: bool) -> None:
        connection = self._connection
        if connection.in_transaction:
            self._roll_back()
        connection.execute("BEGIN IMMEDIATE")
        steps = 0
        for made in plans:
            carry_out(connection, made, savepoint=savepoints)
            steps += len(made.steps)
            if steps >= _SLICE_STEPS:
                steps = 0
                await asyncio.sleep(0)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _fail(self, plans: Sequence[Plan], error: Exception) -> None:
        for made in plans:  # before anything else can go wrong: without an error it counts as done
            made.rows = 0
            made.error = StoreUnavailable("The store cannot take writes for the moment")
            made.error.__cause__ = error
        log.error("commit failed", path=str(self._path), batches=len(plans), error=str(error))
        try:
            self._roll_back()
        except sqlite3.Error as second:  # the next group tries again before it begins
            log.error("rollback failed", path=str(self._path), error=str(second))

    def _end(self) -> None:
        try:
            self._roll_back()
            # For readers to finish.
            self._connection.execute(f"PRAGMA busy_timeout = {_LAST_READERS_MS}")
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.is_folded = not busy
            if busy:
                log.warning("last checkpoint kept from its end by a reader", path=str(self._path))
        except sqlite3.Error as error:  # the log stays and is read at the next start
            log.warning("last checkpoint failed", path=str(self._path), error=str(error))
        finally:
            self._connection.close()


def _open(
    path: Path, collections: Sequence[Collection], steps: Sequence[Migration]
) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = open_for_writing(path)
        for version in migrate(connection, steps):
            log.info("store migrated", path=str(path), version=version)
        differences = schema_differences(connection, collections)
        if differences:
            raise StartupError(
                f"The store {path} does not have the tables that this program declares: "
                f"{'; '.join(islice(differences, 5))}. A migration is missing, or the file was "
                "changed by hand: start the release that wrote it, or restore a backup."
            )
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise StartupError(_cannot_open(path, error)) from error
        raise
    return connection


def _cannot_open(path: Path, error: sqlite3.Error) -> str:
    # By name: Python has a constant for each code only from 3.11 on, and extended ones vary.
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB" or name.startswith("SQLITE_CORRUPT"):
        return (
            f"The file {path} is not a SQLite database, or it is damaged ({error}). "
            "Restore a backup, or move the file away to begin with an empty store."
        )
    return (
        f"The store {path} cannot be opened ({error}). Free some space, and make the file "
        "and its folder writable for this user."
    )
