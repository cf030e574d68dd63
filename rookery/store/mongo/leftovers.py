"""Transactions that stay open on the server because a connection was lost, and their end.

A server keeps a transaction, and all that it has written to closed to everybody else, until its
client commits or aborts it, or `transactionLifetimeLimitSeconds` are over (60 by default). The
driver's abort is lost with the connection; so the session is ended at the next contact.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from rookery.store.mongo.bulk import cause
from rookery.store.mongo.client import Connection

MOST = 100
"""Remembered; of more, the oldest end by themselves."""


class Leftovers:
    """The sessions of one connection whose transactions may still be open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions: deque[Mapping[str, Any]] = deque(maxlen=MOST)

    def note(self, session: AsyncClientSession, error: BaseException | None) -> None:
        """Remember `session` if `error` says that the server was lost in its transaction."""
        if isinstance(error, PyMongoError) and isinstance(cause(error), ConnectionFailure):
            self._sessions.append(session.session_id)

    async def end(self) -> None:
        """End what was left open, as far as the server can be reached now.

        A transaction that was committed meanwhile stays so.
        """
        if not self._sessions:
            return
        ended = list(self._sessions)
        try:
            await self._connection.client.admin.command({"killSessions": ended})
        except OperationFailure:
            pass  # it may not be asked for: they end with their time
        except PyMongoError:
            return
        self._sessions.clear()
