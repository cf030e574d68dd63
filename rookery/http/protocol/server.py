"""Listens: from what answers requests to a port."""

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from rookery.capacity import has_descriptors
from rookery.domain.budgets import Budget
from rookery.domain.notices import Notices
from rookery.domain.seats import Seats
from rookery.errors import PortTaken
from rookery.http.addresses import Addresses
from rookery.http.protocol.connection import Connection, Respond
from rookery.http.protocol.reading import BoundsOf
from rookery.logs import warn_of_limits

SHUTDOWN_S = 4.0
LOOK_S = 5.0
DRAIN_LOOK_S = 0.05
BACKLOG = 1024
SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel may hold of answers that a client does not take in, for each connection; it takes
that twice, and without a bound megabytes."""
RECEIVE_BUFFER_BYTES = 64 * 1024
"""The same of what a client sends while nothing is read of it."""

PlaceOf = Callable[[str], tuple[str, bool]]
"""What a peer's address counts as, and whether it is a trusted proxy."""


@dataclass(frozen=True)
class ServerLimits:
    """How much a server takes. What a connection holds beyond `connection.FREE_BYTES` of an
    unfinished message counts towards `held_bytes`, of all together; so do answers that clients do
    not take in, apart. Where there is no room, the address that holds most gives way."""

    connections: int = 20_000
    connections_per_address: int = 2_000
    held_bytes: int = 64 << 20


class Server:
    """A listening port and its connections. Made by `serve`."""

    def __init__(
        self,
        respond: Respond,
        limits: ServerLimits | None = None,
        place_of: PlaceOf | None = None,
        bounds_of: BoundsOf | None = None,
    ) -> None:
        self._respond = respond
        self._bounds_of = bounds_of
        limits = limits or ServerLimits()
        self._place_of = place_of or Addresses().place_of
        self._listener: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self._seats: Seats[Connection] = Seats(limits.connections, limits.connections_per_address)
        self._notices = Notices()
        self._held: Budget[Connection] = Budget(limits.held_bytes)
        self._unread: Budget[Connection] = Budget(limits.held_bytes)
        self.connections: set[Connection] = set()
        self.is_draining = False

    async def listen(self, host: str, port: int, reuse_port: bool) -> None:
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, self._respond, self._bounds_of),
            host,
            port,
            reuse_port=reuse_port or None,
            backlog=BACKLOG,
        )
        for each in self._listener.sockets:  # Inherited by each accepted one.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._looking = asyncio.create_task(self._look_after_connections())

    @property
    def port(self) -> int:
        """The port on which it listens."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _look_after_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            for connection in list(self.connections):
                connection.expire(loop.time())
            if not has_descriptors():
                self._notices.count("open_files", "this process")
            warn_of_limits("rest", self._notices.due(monotonic()))

    # Told by connections.

    def opened(self, connection: Connection, remote: str) -> None:
        """See `Owner`."""
        self.connections.add(connection)
        address, is_trusted = self._place_of(remote)
        eviction = self._seats.take(connection, address, is_trusted)
        if eviction is not None:
            self._notices.count(eviction.limit, eviction.address)
            if eviction.holder is connection:
                connection.turn_away()
            else:
                eviction.holder.give_way()

    def closed(self, connection: Connection) -> None:
        """See `Owner`."""
        self.connections.discard(connection)
        self._seats.leave(connection)

    def hold(self, connection: Connection, remote: str, size_bytes: int) -> bool:
        """See `Owner`."""
        return self._take(self._held, "held_bytes", connection, remote, size_bytes)

    def release(self, connection: Connection) -> None:
        """See `Owner`."""
        self._held.release(connection)

    def hold_unread(self, connection: Connection, remote: str, size_bytes: int) -> bool:
        """See `Owner`."""
        return self._take(self._unread, "unread_bytes", connection, remote, size_bytes)

    def release_unread(self, connection: Connection) -> None:
        """See `Owner`."""
        self._unread.release(connection)

    def _take(
        self,
        budget: Budget[Connection],
        limit: str,
        connection: Connection,
        remote: str,
        size_bytes: int,
    ) -> bool:
        address, is_trusted = self._place_of(remote)
        leaving = budget.take(connection, address, is_trusted, size_bytes)
        if leaving is None:
            self._notices.count(limit, address)
            return False
        for each, place in leaving.items():
            self._notices.count(limit, place)
            each.give_way()
        return True

    def limit_reached(self, limit: str, remote: str) -> None:
        """See `Owner`."""
        self._notices.count(limit, self._place_of(remote)[0])

    def figures(self) -> Mapping[str, float]:
        """Current figures by metric name; those of limits count since the start."""
        limited = self._notices.totals.items()
        return {
            "http_connections": len(self.connections),
            "http_held_bytes": self._held.held_bytes,
            "http_unread_bytes": self._unread.held_bytes,
            **{f"http_limited_{limit}": times for limit, times in limited},
        }

    # The end.

    async def drain(self, within_s: float) -> None:
        """Take no more connections, and end each with its next answer; return when none is left.

        After `within_s` the idle ones are left to `close`, which cuts them.
        """
        self._stop_listening()
        await self._until_none(within_s)

    async def close(self) -> None:
        """Take no more connections, let the requests under way finish, and end all connections.

        What is not answered within `SHUTDOWN_S` is cut.
        """
        self._stop_listening()
        for connection in list(self.connections):
            connection.close_if_idle()
        await self._until_none(SHUTDOWN_S)
        for connection in list(self.connections):
            connection.abort()
        if self._looking is not None:
            self._looking.cancel()
        warn_of_limits("rest", self._notices.rest())
        if self._listener is not None:
            await self._listener.wait_closed()

    def _stop_listening(self) -> None:
        self.is_draining = True
        if self._listener is not None:
            self._listener.close()

    async def _until_none(self, within_s: float) -> None:
        until_s = monotonic() + within_s
        while self.connections and monotonic() < until_s:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(DRAIN_LOOK_S)


async def serve(
    respond: Respond,
    host: str,
    port: int,
    reuse_port: bool = False,
    limits: ServerLimits | None = None,
    place_of: PlaceOf | None = None,
    bounds_of: BoundsOf | None = None,
) -> Server:
    """Answer requests by `respond` until ``await server.close()``.

    Bodies for which `bounds_of` has bounds are streamed; without it, none is.

    With `port` 0 the system chooses one: see ``server.port``. With `reuse_port`, several
    processes of one user may listen on the same port and share its connections.

    Raises:
        PortTaken: somebody else listens there; the text says what to do.
    """
    server = Server(respond, limits, place_of, bounds_of)
    try:
        await server.listen(host, port, reuse_port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is in use; choose another with --http-port or "
                "ROOKERY_HTTP_PORT"
            ) from error
        raise
    return server
