"""Writes to MongoDB: one transaction for all batches of a call.

Imports no reader. The usual transaction is a few exchanges with the server, however many batches
it carries: a read of each collection that conditions are about, the writes (`bulk`: one exchange
from MongoDB 8.0 on, before that one for each collection), and the commit. What it reads and
writes is decided in `plans`.

Errors (see the drivers' specification of transactions): what the server labels transient has had
no effect, and the whole transaction is done again, after a growing random pause, until the time
is over. A commit whose answer got lost is asked for again, which is safe.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pymongo
import structlog
from bson.errors import BSONError
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DocumentTooLarge, OperationFailure, PyMongoError

from rookery import config
from rookery.errors import StoreUnavailable, Unavailable
from rookery.store.engine import Collection, Key, WriteBatch
from rookery.store.mongo.bulk import NOT_OFFERED, BulkWriter, cause, codes
from rookery.store.mongo.client import DURABLE, MAJORITY, Cancellable, Connection
from rookery.store.mongo.leftovers import Leftovers
from rookery.store.mongo.plans import (
    REMOVED,
    Columns,
    Place,
    Plan,
    Range,
    State,
    Write,
    absence,
    carry_out,
    places_to_read,
    plan,
    ranges_to_read,
    writes,
)
from rookery.store.mongo.shapes import shapes

log = structlog.get_logger(__name__)

_TRANSIENT = "TransientTransactionError"
_UNKNOWN_COMMIT = "UnknownTransactionCommitResult"
_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_NO_SUCH_TRANSACTION = 251
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.2
_PATIENCE_S = 1.0
"""So long a transaction tries against others; a living one is done in a hundredth of that."""
_REFUSED_VALUES = {2, 14, 10334, 17280, 17419, 17420}
"""What the server answers to a value, not to its own state: BadValue, TypeMismatch, too large."""


class _Again(Exception):
    """The transaction had no effect, and may have one if it is done again."""

    def __str__(self) -> str:
        return "no transaction came through in time"


class _Conflict(_Again):
    """So it is, because another transaction has written to the same documents."""


class _Exists(Exception):
    """A document that was to be inserted is there: read them all first."""


class _Unknown(Exception):
    """Nobody answered whether the transaction was committed."""

    def __str__(self) -> str:
        return "it did not say whether it took the write"


class MongoWriter:
    """The engine's `Writer`, of which every process has one. For one event loop.

    Durable: what was acknowledged stands in the journals of a majority. A batch whose caller was
    cancelled may take effect. Calls are carried out one after another, since they would only
    conflict with each other: hand many batches over at once.
    """

    def __init__(self, settings: config.Store, collections: Sequence[Collection]) -> None:
        self._connection = Connection(settings)
        self._bulk = BulkWriter(self._connection)
        self._leftovers = Leftovers(self._connection)
        self._shapes = shapes(collections)
        self._timeout_s = settings.timeout_s
        self._turn = asyncio.Lock()
        self._commits = self._batches = self._repeats = 0

    async def write(self, batch: WriteBatch) -> None:
        """Make `batch` durable.

        Raises:
            ConditionFailed: nothing took effect.
            StoreUnavailable: no primary, or too many conflicts; nothing took effect.
            Unavailable: the outcome is unknown.
            ValueError, TypeError: the batch does not fit the declarations, or the store.
        """
        (error,) = await self.write_many((batch,))
        if error is not None:
            raise error

    async def write_many(self, batches: Sequence[WriteBatch]) -> list[Exception | None]:
        """Make batches of independent callers durable; the outcome of each, in their order.

        An outcome is None or what `write` would have raised. Batches take effect in their order.
        """
        plans: list[Plan] = []
        for batch in batches:
            try:
                plans.append(plan(self._shapes, batch))
            except (ValueError, TypeError) as error:
                plans.append(Plan(error=error))
        with Cancellable():
            async with self._turn:
                await self._commit([made for made in plans if made.error is None])
        return [made.error for made in plans]

    def figures(self) -> Mapping[str, float]:
        """Counts since the start."""
        return {
            "commits": self._commits,
            "batches": self._batches,
            "repeats": self._repeats,
            "mean_group_batches": self._batches / self._commits if self._commits else 0.0,
        }

    async def close(self) -> None:
        """Close the connection, if nobody else uses it; later writes raise."""
        await self._connection.close()

    async def _commit(self, plans: Sequence[Plan]) -> None:
        """Commit `plans` in one transaction, and note their outcomes."""
        if not plans:
            return
        try:
            await self._until_done(plans)
            self._commits += 1
            self._batches += sum(made.error is None for made in plans)
        except _Conflict as error:
            if len(plans) > 1:
                # One of them meets a transaction that does not end: its client may have died.
                half = len(plans) // 2
                await self._commit(plans[:half])
                await self._commit(plans[half:])
            else:
                text = "Another write to the same does not end; try again shortly"
                _fail(plans, StoreUnavailable(text), error)
        except (_Again, StoreUnavailable) as error:
            _fail(plans, StoreUnavailable("The store cannot take writes for the moment"), error)
        except _Unknown as error:
            _fail(plans, Unavailable(), error)
        except (PyMongoError, BSONError, OverflowError) as error:
            if len(plans) > 1:
                # Somebody's batch is at fault: the others must not suffer from it.
                half = len(plans) // 2
                await self._commit(plans[:half])
                await self._commit(plans[half:])
            elif _is_refused(error):
                refused = ValueError(f"a value that the store cannot hold: {error}")
                _fail(plans, refused, error)
            else:
                log.error("transaction refused", error=str(error)[:500])
                _fail(plans, StoreUnavailable("The store refused the write"), error)

    async def _until_done(self, plans: Sequence[Plan]) -> None:
        """Do the transaction, again where that may help; raises what `_commit` tells apart."""
        began = time.monotonic()
        until = began + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        read_inserts = False
        while True:
            try:
                with pymongo.timeout(max(0.001, until - time.monotonic())):
                    await self._transaction(plans, until, read_inserts=read_inserts)
                return
            except _Exists:
                if read_inserts:  # it came to be since the snapshot
                    await self._pause(pause_s, until)
                read_inserts = True
            except _Again as error:
                if isinstance(error, _Conflict) and time.monotonic() >= began + _PATIENCE_S:
                    raise
                await self._pause(pause_s, until)
            self._repeats += 1
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _pause(self, pause_s: float, until: float) -> None:
        """Wait about `pause_s`; raises `_Again` where that would be past the end."""
        pause_s *= 0.5 + random.random() / 2
        if time.monotonic() + pause_s >= until:
            raise _Again
        await asyncio.sleep(pause_s)

    async def _transaction(
        self, plans: Sequence[Plan], until: float, *, read_inserts: bool
    ) -> None:
        wanted = places_to_read(self._shapes, plans, inserts=read_inserts)
        ranges = ranges_to_read(plans)
        await self._leftovers.end()
        async with self._connection.client.start_session() as session:
            # What only writes needs no read concern.
            await session.start_transaction(MAJORITY if wanted or ranges else None, DURABLE)
            try:
                found = await self._read(wanted, session) if wanted else {}
                first = await self._read_ranges(ranges, session) if ranges else {}
                states = carry_out(self._shapes, plans, found, first)
                await self._write(states, session)
            except PyMongoError as error:
                self._leftovers.note(session, error)
                raise _told_apart(error) from error
            # Also where nothing is written: what failed was then told by a majority.
            try:
                await _commit(session, until)
            except (_Again, _Unknown) as error:
                self._leftovers.note(session, error.__cause__)
                raise

    async def _read(
        self, places: set[Place], session: AsyncClientSession
    ) -> dict[Place, Columns | None]:
        by_collection: dict[str, list[Place]] = defaultdict(list)
        for place in places:
            by_collection[place[0]].append(place)
        found: dict[Place, Columns | None] = dict.fromkeys(places)
        for name, there in by_collection.items():
            shape = self._shapes[name]
            place_of = {shape.id(place[1]): place for place in there}
            wanted: dict[str, Any] = {"_id": {"$in": list(place_of)}}
            if len(shape.key) > 1:
                firsts = dict.fromkeys(place[1][0] for place in there)
                wanted[shape.key[0]] = {"$in": list(firsts)}
            fields = {"_id": 1} | {shape.path(field): 1 for field in shape.types}
            collection = self._connection.database()[name]
            cursor = collection.find(wanted, fields, session=session, batch_size=len(there) + 1)
            for stored in await cursor.to_list():
                found[place_of[stored["_id"]]] = shape.columns(stored)
        return found

    async def _read_ranges(
        self, ranges: Mapping[Range, int], session: AsyncClientSession
    ) -> dict[Range, list[Key]]:
        """The first keys of each range, so many as are asked for."""
        found: dict[Range, list[Key]] = {}
        for (name, prefix), count in ranges.items():
            shape = self._shapes[name]
            cursor = self._connection.database()[name].find(
                shape.where(shape.key, prefix, None, None),
                shape.projection(shape.key),
                sort=list(shape.sort(shape.key, len(prefix), reverse=False).items()),
                limit=count,
                batch_size=count + 1,
                session=session,
            )
            found[name, prefix] = [shape.key_of(each) for each in await cursor.to_list()]
        return found

    async def _write(self, states: Mapping[Place, State], session: AsyncClientSession) -> None:
        # In one order everywhere, so that rivals meet at the first document they share.
        ordered = sorted(states.items(), key=_first)
        made: dict[str, list[Write]] = defaultdict(list)
        for (name, key), state in ordered:
            made[name] += writes(self._shapes[name], key, state, self._namespace(name))
        if not made:
            return
        deleted = await self._bulk.write(made, session)
        deletes = sum(isinstance(each, pymongo.DeleteOne) for each in chain(*made.values()))
        if deleted < deletes:
            # Something was not there to be deleted, which has to stay so until the commit.
            again: dict[str, list[Write]] = defaultdict(list)
            for (name, key), state in ordered:
                if state.change is REMOVED and state.was_there is not False:
                    again[name] += absence(self._shapes[name], key, self._namespace(name))
            await self._bulk.write(again, session)

    def _namespace(self, collection: str) -> str:
        return f"{self._connection.settings.mongo_database}.{collection}"


async def _commit(session: AsyncClientSession, until: float) -> None:
    while True:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if error.has_error_label(_UNKNOWN_COMMIT):
                if time.monotonic() >= until:
                    raise _Unknown from error
                await asyncio.sleep(_FIRST_PAUSE_S)
            elif error.has_error_label(_TRANSIENT) or _NO_SUCH_TRANSACTION in codes(error):
                raise _Again from error
            else:
                raise _Unknown from error


def _told_apart(error: PyMongoError) -> Exception:
    """What an error before the commit means for the transaction; itself if it is for good."""
    failed_of = cause(error)
    found = codes(error)
    if _WRITE_CONFLICT in found:
        return _Conflict()
    if failed_of.has_error_label(_TRANSIENT) or found & NOT_OFFERED:
        return _Again()
    if _DUPLICATE_KEY in found:
        return _Exists()
    if failed_of.timeout or not isinstance(failed_of, OperationFailure | DocumentTooLarge):
        return StoreUnavailable()
    return error


def _is_refused(error: Exception) -> bool:
    """Whether the server, or the driver, could not take a value."""
    if isinstance(error, PyMongoError) and codes(error) & _REFUSED_VALUES:
        return True
    return isinstance(error, BSONError | OverflowError | DocumentTooLarge)


def _fail(plans: Sequence[Plan], outcome: Exception, cause: Exception) -> None:
    for made in plans:
        made.error = type(outcome)(*outcome.args)
        made.error.__cause__ = cause.__cause__ or cause


def _first(item: tuple[Place, State]) -> Place:
    return item[0]
