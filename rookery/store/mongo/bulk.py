"""What a transaction writes, in the fewest commands that its server understands.

From 8.0 on, one command (`bulkWrite`) writes to any number of collections. Older servers take
one for the inserts, one for the updates and one for the deletes of each collection.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import structlog
from pymongo import DeleteOne, InsertOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, ClientBulkWriteException, OperationFailure, PyMongoError

from rookery.store.mongo.client import Connection
from rookery.store.mongo.plans import Write

log = structlog.get_logger(__name__)

ONE_COMMAND_WIRE_VERSION = 25
"""Of MongoDB 8.0, the first that has `bulkWrite`."""
NOT_OFFERED = {59, 115}
"""CommandNotFound and CommandNotSupported: 8.0 answers so while its featureCompatibilityVersion
is that of 7.0, as in the midst of an upgrade."""


class BulkWriter:
    """Writes within transactions of one connection; raises what the driver raises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_refused = False

    @property
    def takes_one_command(self) -> bool:
        """Whether all members that are known have `bulkWrite`, and none has refused it.

        False until the first answer of a server: what older ones take, newer ones take too.
        """
        least = self._connection.client.topology_description.common_wire_version
        return not self._is_refused and least is not None and least >= ONE_COMMAND_WIRE_VERSION

    async def write(self, made: Mapping[str, Sequence[Write]], session: AsyncClientSession) -> int:
        """Carry out what was `made` for each collection, in `session`'s transaction.

        Returns how many documents were deleted. The order is kept for each document only.
        """
        if not self.takes_one_command:
            return await self._write_by_collection(made, session)
        client = self._connection.client
        try:
            result = await client.bulk_write([*chain(*made.values())], session=session)
        except ClientBulkWriteException as error:
            if codes(error) & NOT_OFFERED:
                log.warning("MongoDB does not offer bulkWrite yet; writing by collection")
                self._is_refused = True
            raise
        return result.deleted_count

    async def _write_by_collection(
        self, made: Mapping[str, Sequence[Write]], session: AsyncClientSession
    ) -> int:
        database = self._connection.database()
        deleted = 0
        for name, there in made.items():
            runs = sorted(there, key=_rank)  # each run of one kind is a command
            deleted += (await database[name].bulk_write(runs, session=session)).deleted_count
        return deleted


def _rank(write: Write) -> int:
    """Inserts come before updates, and deletes last: an absence is an insert and a delete."""
    if isinstance(write, InsertOne):
        return 0
    return 2 if isinstance(write, DeleteOne) else 1


def cause(error: PyMongoError) -> PyMongoError:
    """What a bulk write failed of, where that was not one of its operations."""
    inner = error.error if isinstance(error, ClientBulkWriteException) else None
    return inner if isinstance(inner, PyMongoError) else error


def codes(error: PyMongoError) -> set[int | None]:
    """The server's codes in an error: its own, and those of the operations of a bulk write."""
    found: set[int | None] = set()
    if isinstance(error, ClientBulkWriteException | BulkWriteError):
        details = error.details or {}
        found |= {each.get("code") for each in details.get("writeErrors", ())}
    inner = cause(error)
    if isinstance(inner, OperationFailure):
        found.add(inner.code)
    return found
