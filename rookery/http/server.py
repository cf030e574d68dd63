"""Listens: from what answers requests to a port."""

import asyncio
import errno
from time import monotonic

from rookery.errors import PortTaken
from rookery.http.connection import Connection, Respond

SHUTDOWN_S = 10.0
LOOK_S = 5.0
DRAIN_LOOK_S = 0.05
BACKLOG = 1024


class Server:
    """A listening port and its connections. Made by `serve`."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._listener: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self.connections: set[Connection] = set()
        self.is_draining = False

    async def listen(self, host: str, port: int, reuse_port: bool) -> None:
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, self._respond),
            host,
            port,
            reuse_port=reuse_port or None,
            backlog=BACKLOG,
        )
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


async def serve(respond: Respond, host: str, port: int, reuse_port: bool = False) -> Server:
    """Answer requests by `respond` until ``await server.close()``.

    With `port` 0 the system chooses one: see ``server.port``. With `reuse_port`, several
    processes of one user may listen on the same port and share its connections.

    Raises:
        PortTaken: somebody else listens there; the text says what to do.
    """
    server = Server(respond)
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
