"""A server that does what a test tells it: discovery over HTTP, and a script for each stream.

Built on aiohttp and `websockets`, with `msgpack` and `json`; nothing of the project's server.
"""

import asyncio
import http
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgpack  # type: ignore[import-untyped]
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


class Peer:
    """The server's end of one stream."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.query = {name: values[0] for name, values in query.items()}
        self.token = socket.request.headers["Authorization"].removeprefix("Bearer ")
        self.text = socket.subprotocol == "rookery.v1.json"

    async def send(self, message: Any) -> None:
        """Send a message in the encoding that was agreed on."""
        await self.socket.send(json.dumps(message) if self.text else msgpack.packb(message))

    async def receive(self) -> Any:
        """The client's next message."""
        data = await self.socket.recv()
        return json.loads(data) if self.text else msgpack.unpackb(data)

    async def welcome(
        self,
        offset: int = 0,
        *,
        epoch: str = "e",
        resumed: bool = False,
        heartbeat_s: float = 25.0,
    ) -> None:
        await self.send(
            {
                "type": "welcome",
                "sessionId": "s",
                "userId": "1",
                "epoch": epoch,
                "offset": offset,
                "resumed": resumed,
                "heartbeatS": heartbeat_s,
            }
        )

    async def tweets(self, *offsets: int) -> None:
        for offset in offsets:
            await self.send({"type": "tweet", "offset": offset, "tweet": {"id": str(offset)}})

    async def close(self, code: int, reason: str = "") -> None:
        await self.socket.close(code, reason)

    async def cut(self) -> None:
        """Drop the connection without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def stay(self) -> None:
        """Until the client has gone."""
        await self.socket.wait_closed()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Plays `scripts`, one for each connection, the last one again and again.

    `refusals` are HTTP statuses for the next handshakes, `discovery` is what the next discovery
    requests are answered with, instead of the address.
    """

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.peers: list[Peer] = []
        self.refusals: list[int] = []
        self.discovery: list[Callable[[], web.StreamResponse]] = []
        self.discovered = 0
        self.refreshed: list[str] = []
        self.faults: list[BaseException] = []
        self._sockets: Server | None = None

    @property
    def url(self) -> str:
        """Where the REST API is."""
        return str(self._rest.make_url("/"))

    @property
    def stream_url(self) -> str:
        assert self._sockets is not None
        return f"ws://127.0.0.1:{next(iter(self._sockets.sockets)).getsockname()[1]}/stream"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedServer"]:
        """Serve; a fault in a script fails the test in the end."""
        app = web.Application()
        app.router.add_get("/api/v1/stream", self._discover)
        app.router.add_post("/api/v1/token/refresh", self._refresh)
        self._rest = TestServer(app)
        await self._rest.start_server()
        protocols = [Subprotocol("rookery.v1.msgpack"), Subprotocol("rookery.v1.json")]
        async with serve(
            self._play,
            "127.0.0.1",
            0,
            subprotocols=protocols,
            process_request=self._process,
            compression=None,
            ping_interval=None,
            close_timeout=1,
        ) as self._sockets:
            try:
                yield self
            finally:
                await self._rest.close()
        assert not self.faults, self.faults

    async def _play(self, socket: ServerConnection) -> None:
        peer = Peer(socket)
        self.peers.append(peer)
        try:
            await self.scripts[min(len(self.peers), len(self.scripts)) - 1](peer)
        except AssertionError as fault:
            self.faults.append(fault)

    def _process(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.refusals:
            return socket.respond(http.HTTPStatus(self.refusals.pop(0)), "refused\n")
        return None

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        self.discovered += 1
        if self.discovery:
            return self.discovery.pop(0)()
        return web.json_response(
            {"url": self.stream_url, "protocols": ["rookery.v1.msgpack"], "heartbeatS": 25.0}
        )

    async def _refresh(self, request: web.Request) -> web.StreamResponse:
        self.refreshed.append((await request.json())["refreshToken"])
        number = len(self.refreshed)
        return web.json_response(
            {
                "token": f"token-{number}",
                "refreshToken": f"refresh-{number}",
                "expiresIn": 900,
                "deviceId": "d",
            }
        )


async def eventually(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - any condition, so there is no event to wait for
            await asyncio.sleep(0.002)
