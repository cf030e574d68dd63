"""Opens a stream's connection: finds a server, refreshes the token, shakes hands.

Each attempt looks for a server anew, since the last one may be what failed.
"""

import asyncio
import contextlib
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol
from yarl import URL

from rookery.client.closing import TOKEN_EXPIRED, close_code_of
from rookery.client.connection import StreamConnection
from rookery.client.errors import (
    ApiError,
    ConnectionFailed,
    InvalidResponse,
    StreamClosed,
    seconds_of,
)
from rookery.client.models import StreamAddress
from rookery.client.position import Position
from rookery.client.transport import Call, Transport
from rookery.client.wire import SUBPROTOCOLS, Encoding

CLOSE_TIMEOUT_S = 2.0
MAX_MESSAGE_BYTES = 1 << 20
"""So long a message may be, in all its fragments; far longer than any of the server's."""


class StreamSettings(msgspec.Struct, frozen=True):
    """How a stream connects; the defaults suit everyone but tests.

    Waits between attempts have full jitter and double from `base_s` to `cap_s`, and begin anew
    after a connection that lasted `healthy_s`. A server from which nothing came for two
    heartbeats and `silence_grace_s` counts as gone. `buffer_events` wait for a slow reader.
    """

    base_s: float = 0.1
    cap_s: float = 10.0
    healthy_s: float = 5.0
    open_timeout_s: float = 10.0
    silence_grace_s: float = 5.0
    buffer_events: int = 1_000


class Cut(Exception):
    """The connection ended, or did not come about, and another is to be tried."""

    def __init__(self, code: int | None, reason: str, at_least_s: float = 0.0) -> None:
        super().__init__(code, reason, at_least_s)
        self.code = code
        self.reason = reason
        self.at_least_s = at_least_s


class Dialer:
    """Opens the connections of one stream, one after the other."""

    def __init__(self, transport: Transport, encoding: Encoding, settings: StreamSettings) -> None:
        self._transport = transport
        self._encoding: Encoding = encoding
        self._settings = settings
        self._token: str | None = None
        self._token_expired = False

    def token_expired(self) -> None:
        """The token of the last connection is to be refreshed before the next."""
        self._token_expired = True

    async def dial(self, position: Position | None) -> StreamConnection:
        """Open a connection that asks to resume at `position`.

        Raises:
            Cut: it failed, and may work another time.
            StreamClosed: it will not.
        """
        return await self._open(await self._discover(position))

    async def _discover(self, position: Position | None) -> str:
        """The address to connect to, with the position."""
        transport = self._transport
        try:
            if self._token_expired and not await transport.renew(self._token):
                raise StreamClosed(TOKEN_EXPIRED, "The token has expired")
            self._token_expired = False
            call = Call("GET", "/stream")
            found = await transport.request(call, StreamAddress, max_attempts=1)
        except (ConnectionFailed, InvalidResponse) as error:
            raise Cut(None, str(error)) from error
        except ApiError as error:
            code = close_code_of(error.status, error.code)
            if code is None:
                raise Cut(None, str(error), error.retry_after_s or 0.0) from error
            raise StreamClosed(code, error.message) from error
        try:
            url = URL(found.url)
        except ValueError as error:
            raise Cut(None, f"the server named no address: {found.url[:200]!r}") from error
        if transport.encrypted and url.scheme == "ws":
            # The token would go over the wire in the clear.
            raise StreamClosed(400, f"{transport.address} named an unencrypted stream: {url}")
        if position is not None:
            url = url.update_query(epoch=position.epoch, offset=str(position.offset))
        return str(url)

    async def _open(self, url: str) -> StreamConnection:
        self._token = self._transport.token
        subprotocol = Subprotocol(SUBPROTOCOLS[self._encoding])
        arguments: dict[str, Any] = {}
        if url.startswith("wss:") and self._transport.ssl_context is not None:
            arguments["ssl"] = self._transport.ssl_context
        try:
            socket: ClientConnection = await connect(
                url,
                subprotocols=[subprotocol],
                additional_headers={"Authorization": f"Bearer {self._token or ''}"},
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                proxy=None,
                open_timeout=self._settings.open_timeout_s,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,  # the server pings; `silence` sees that it does
                create_connection=StreamConnection,
                **arguments,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
            place = URL(url).with_query(None)
            raise Cut(None, f"cannot open a stream at {place}: {error}") from error
        assert isinstance(socket, StreamConnection)
        if socket.subprotocol != subprotocol:
            await close(socket, 1002)
            raise Cut(None, f"the server did not agree to {subprotocol}")
        return socket


async def close(socket: StreamConnection, code: int, *, politely: bool = True) -> None:
    """Close a connection: `politely` if that is possible soon, and by force otherwise."""
    try:
        if politely:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                    await socket.close(code)
    finally:
        socket.transport.abort()


def _refused(error: InvalidStatus) -> Exception:
    """What an HTTP status in answer to the handshake means."""
    response = error.response
    if 400 <= response.status_code < 500 and response.status_code not in (404, 408, 429):
        text = bytes(response.body or b"").decode(errors="replace").strip()
        return StreamClosed(response.status_code, text or "the stream was refused")
    wait_s = seconds_of(response.headers.get("Retry-After"))
    return Cut(None, f"the stream was refused with {response.status_code}", wait_s or 0.0)
