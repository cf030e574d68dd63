"""The WebSocket listener: takes connections, bounds them, and ends them in time.

What is said over a connection stands in `websocket`.
"""

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Mapping
from math import ceil

from rookery.capacity import has_descriptors
from rookery.connection.hub import Hub
from rookery.connection.ports import Authenticate
from rookery.connection.settings import StreamSettings
from rookery.connection.timer_wheel import TICK_S, TimerWheel
from rookery.connection.websocket import Connection, OnRefused
from rookery.domain.notices import Notices
from rookery.domain.seats import Seats
from rookery.errors import PortTaken
from rookery.logs import warn_of_limits

_BACKLOG = 4096
DRAIN_STEP_S = 0.1
DESCRIPTORS_S = 5.0

PlaceOf = Callable[[str], tuple[str, bool]]
"""What a peer's address counts as, and whether it is a trusted proxy."""


class ConnectionListener:
    """Listens for WebSocket clients and keeps their connections until `stop`.

    Owns the life of `hub`: starts and stops it. `authenticate` raises an error of
    `rookery.errors` for a bad token, whose close code the client gets; so does `redeem` for a
    ticket. `on_refused` is told of each error, with the peer's address and the request.
    """

    def __init__(
        self,
        host: str,
        port: int,
        hub: Hub,
        authenticate: Authenticate,
        settings: StreamSettings | None = None,
        place_of: PlaceOf = lambda peer: (peer, False),
        redeem: Authenticate | None = None,
    ) -> None:
        self.hub = hub
        self.authenticate = authenticate
        self.redeem = redeem or authenticate
        self.on_refused: OnRefused = lambda *_: None
        self.settings = settings or hub.settings
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._place_of = place_of
        self._handshakes: Seats[Connection] = Seats(
            self.settings.max_handshakes, self.settings.max_handshakes_per_address
        )
        self._takes_clients = True
        self._notices = Notices()
        self._wheel: TimerWheel[Connection] = TimerWheel(time.monotonic())
        self._ticker: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self) -> int:
        """Listen, and return the port (which `port` 0 leaves to the system).

        Raises:
            PortTaken: another process listens there.
        """
        loop = asyncio.get_running_loop()
        listening = self._bind()
        await self.hub.start()
        self._ticker = loop.create_task(self._tick_forever())
        self._server = await loop.create_server(
            lambda: Connection(self), sock=listening, backlog=_BACKLOG
        )
        return int(listening.getsockname()[1])

    def _bind(self) -> socket.socket:
        try:
            family, *_, address = socket.getaddrinfo(
                self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"Port {self._port} on {self._host} is in use by another process; "
                "stop it, or set live.port to another port"
            ) from error
        # Inherited by each accepted socket: bounds what the kernel holds for a client that reads
        # slowly, or of one that is not read.
        settings = self.settings
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer_bytes)
        listening.setblocking(False)
        return listening

    async def stop(self) -> None:
        """Stop listening, close all connections with 1001, and end within `stop_timeout_s`."""
        self._stop_listening()
        self.hub.close_all(1001, "the server is going away")
        for connection in list(self._connections):
            connection.close(1001, "the server is going away")
        try:
            await asyncio.wait_for(self._empty.wait(), self.settings.stop_timeout_s)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)
        if self._ticker is not None:
            self._ticker.cancel()
        warn_of_limits("stream", self._notices.rest())
        await self.hub.stop()

    async def drain(self, within_s: float) -> None:
        """Take no new clients, and close the sessions one by one, spread over `within_s`.

        They are closed with 1001, so that their clients reconnect elsewhere; not all at once.
        """
        self._stop_listening()
        while len(self.hub) and within_s > 0:
            share = ceil(len(self.hub) * DRAIN_STEP_S / within_s)
            self.hub.close_some(share, 1001, "this server is being drained; reconnect")
            await asyncio.sleep(DRAIN_STEP_S)
            within_s -= DRAIN_STEP_S
        self.hub.close_all(1001, "this server is being drained; reconnect")

    def _stop_listening(self) -> None:
        self._takes_clients = False
        if self._server is not None:
            self._server.close()

    def has_room(self) -> bool:
        """See `Listener`."""
        if len(self.hub) < self.settings.max_sessions:
            return True
        self._notices.count("sessions", "this server")
        return False

    # Told by connections

    def opened(self, connection: Connection, remote: str) -> None:
        """A TCP connection was accepted; it has `handshake_timeout_s` to become a session.

        Where there is no room, the oldest silent one goes, of the address that has most.
        """
        self._connections.add(connection)
        self._empty.clear()
        self._wheel.set(connection, time.monotonic() + self.settings.handshake_timeout_s)
        self._seat(connection, remote)

    def _seat(self, connection: Connection, remote: str, goes_first: bool = False) -> None:
        """Give a seat to one that is no session, or none any more, and end who goes for that."""
        settings = self.settings
        sessions = len(self._connections) - len(self._handshakes) - 1
        address, is_trusted = self._place_of(remote)
        self._handshakes.most = max(
            1, min(settings.max_handshakes, settings.max_connections - sessions)
        )
        eviction = self._handshakes.take(connection, address, is_trusted, goes_first)
        if eviction is not None:
            self._notices.count(eviction.limit, eviction.address)
            if eviction.holder is connection and not goes_first:
                connection.turn_away()
            else:
                eviction.holder.abort()

    def limit_reached(self, limit: str, remote: str) -> None:
        """See `Listener`."""
        self._notices.count(limit, self._place_of(remote)[0])

    def handshake_done(self, connection: Connection) -> None:
        """The connection becomes a session; its time is the hub's from now on."""
        self._handshakes.leave(connection)
        self._wheel.cancel(connection)

    def ending(self, connection: Connection, remote: str) -> None:
        """The connection is closing; it has `close_timeout_s` for that.

        One that was no session is still a stranger's, and makes room like the others. One that was
        makes room before them, for it counts as no session of its user any more.
        """
        self._wheel.set(connection, time.monotonic() + self.settings.close_timeout_s)
        is_seated = not connection.was_session or connection in self._handshakes
        if self._takes_clients and not is_seated:
            self._seat(connection, remote, goes_first=True)

    def lost(self, connection: Connection) -> None:
        """The connection is gone."""
        self._wheel.cancel(connection)
        self._handshakes.leave(connection)
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def figures(self) -> Mapping[str, float]:
        """Current figures by metric name; those of limits count since the start."""
        limited = self._notices.totals.items()
        return {
            "connections": len(self._connections),
            "handshakes": len(self._handshakes),
            **{f"limited_{limit}": times for limit, times in limited},
        }

    async def _tick_forever(self) -> None:
        looked_s = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            for connection in self._wheel.expire(now_s):
                connection.alarm()
            if now_s - looked_s > DESCRIPTORS_S:
                looked_s = now_s
                if not has_descriptors():
                    self._notices.count("open_files", "this process")
            warn_of_limits("stream", self._notices.due(now_s))
