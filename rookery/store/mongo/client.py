"""One driver client for each event loop and address, and how it is set up."""

import asyncio
from types import TracebackType
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.topology_description import TOPOLOGY_TYPE
from pymongo.write_concern import WriteConcern

from rookery import config
from rookery.errors import StoreUnavailable
from rookery.store.mongo.shapes import CODEC, Stored

MAJORITY = ReadConcern("majority")
SNAPSHOT = ReadConcern("snapshot")
DURABLE = WriteConcern("majority", j=True)

_clients: dict[tuple[asyncio.AbstractEventLoop, config.Store], tuple[AsyncMongoClient[Any], int]]
_clients = {}


def make_client(settings: config.Store, **options: Any) -> AsyncMongoClient[Stored]:
    """A client of the configured address that gives up after the configured time.

    Raises:
        pymongo.errors.PyMongoError, ValueError: the address is malformed.
    """
    timeout_ms = int(settings.timeout_s * 1000)
    return AsyncMongoClient(
        settings.mongo_uri,
        appname="rookery",
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=timeout_ms,
        timeoutMS=timeout_ms,
        retryWrites=True,
        retryReads=True,
        **options,
    )


class Cancellable:
    """A context in which no cancellation of the task gets lost: it is raised at the end.

    The driver sends by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that
    comes in the moment in which it is done (github.com/python/cpython/issues/86296). Whoever
    stops a task that reads or writes in a loop would wait for it for ever.
    """

    __slots__ = ("_before", "_task")

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is None or self._task.cancelling() <= self._before:
            return
        if not isinstance(error, asyncio.CancelledError):
            raise asyncio.CancelledError


class Connection:
    """The use of a client, made at the first need and shared within the event loop."""

    def __init__(self, settings: config.Store) -> None:
        self.settings = settings
        self._place: tuple[asyncio.AbstractEventLoop, config.Store] | None = None
        self._closed = False

    @property
    def client(self) -> AsyncMongoClient[Stored]:
        """Raises `StoreUnavailable` after `close`."""
        if self._closed:
            raise StoreUnavailable("The store was closed")
        if self._place is None:
            place = (asyncio.get_running_loop(), self.settings)
            client, users = _clients.get(place) or (make_client(self.settings), 0)
            _clients[place] = (client, users + 1)
            self._place = place
        return _clients[self._place][0]

    def database(self, read_concern: ReadConcern = MAJORITY) -> AsyncDatabase[Stored]:
        """The database: reads at the primary, writes to the majority's journals.

        Whatever the address says otherwise: the guarantees of the engine rest on it.
        """
        return self.client.get_database(
            self.settings.mongo_database,
            codec_options=CODEC,
            read_preference=ReadPreference.PRIMARY,
            read_concern=read_concern,
            write_concern=DURABLE,
        )

    @property
    def is_sharded(self) -> bool:
        """Whether the server is a router; False until one was spoken with."""
        return self.client.topology_description.topology_type == TOPOLOGY_TYPE.Sharded

    async def close(self) -> None:
        """Give the client up; the last one to do so closes it."""
        self._closed = True
        if self._place is None:
            return
        place, self._place = self._place, None
        client, users = _clients[place]
        if users > 1:
            _clients[place] = (client, users - 1)
            return
        del _clients[place]
        await client.close()
