"""One connection of a client: from bytes to requests, one answered after another.

The parsing is llhttp's (by httptools), as strict as it comes. What is left is small, because both
requests and answers are bounded and held whole: there is no streaming. One task a request, and no
timer: the server looks at all connections every few seconds (`Connection.expire`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, cast
from urllib.parse import urlsplit

import httptools
import structlog

from rookery.errors import InvalidRequest, RookeryError
from rookery.http.message import Request, Response
from rookery.http.requests import MAX_BODY_BYTES, too_large

log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 16 << 10
KEEP_ALIVE_S = 75.0
"""For so long a connection may be idle."""
REQUEST_S = 60.0
"""So long a client may take to send one request, or to take in one answer."""
LINGERING_S = 2.0
"""So long a client may go on sending after it was refused: a reset would lose the answer."""
_FIELD_BYTES = len(b": \r\n")

Respond = Callable[[Request], Awaitable[Response]]
"""Answers a request. It raises nothing: a fault of ours is an answer, too."""


class Owner(Protocol):
    """What a connection knows of its server."""

    connections: set["Connection"]
    is_draining: bool


class Connection(asyncio.Protocol):
    """HTTP/1.1 (and 1.0) with keep-alive and pipelining.

    A request that is malformed, or too large, is handed on with its `fault`, in its turn among
    those before it; its answer is the last. An ``Upgrade`` is not followed, as RFC 9110, section
    7.8, lets a server: the request is answered, and the connection ends.
    """

    def __init__(self, owner: Owner, respond: Respond) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._respond = respond
        self._parser = httptools.HttpRequestParser(self)
        self._remote = ""
        self._incoming: Request | None = None
        self._in_head = False
        self._head_bytes = self._unread_bytes = 0
        self._target = b""
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._waiting: deque[Request] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._owes_continue = False
        self._takes_no_more = False
        self._is_congested = False
        self._is_lost = False
        self._since_s = self._loop.time()

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._remote = peer[0] if peer else ""
        self._owner.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = self._takes_no_more = True
        self._waiting.clear()
        if self._answering is None:
            self._owner.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._takes_no_more:
            return
        if self._incoming is None:
            self._since_s = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # A fault of ours.
        except httptools.HttpParserUpgrade:
            pass  # Of a request that is complete, and the last.
        except httptools.HttpParserError as error:
            log.debug("malformed HTTP", reason=str(error))
            self._refuse(InvalidRequest("The request is malformed HTTP"))
        if self._in_head:
            self._unread_bytes += len(data)  # The parser holds a field until it has it whole.
            self._check_head(self._unread_bytes)

    def eof_received(self) -> bool:
        """Keep the connection open for the answers that are still to be given."""
        self._takes_no_more = True
        return self.is_busy

    def pause_writing(self) -> None:
        self._is_congested = True

    def resume_writing(self) -> None:
        self._is_congested = False
        self._since_s = self._loop.time()
        self._go_on()

    # The parser's side.

    def on_message_begin(self) -> None:
        self._incoming = Request(self._remote)
        self._in_head = True
        self._head_bytes = self._unread_bytes = 0
        self._target = b""

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._incoming is None or not self._in_head:
            return  # A trailer, which nobody asked for.
        self._head_bytes += len(name) + len(value) + _FIELD_BYTES
        if self._head_bytes > MAX_HEAD_BYTES:
            return  # Refused as soon as the head is complete.
        headers, name = self._incoming.headers, name.lower()
        if name in headers:
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        request = self._incoming
        if request is None:
            return
        self._in_head = False
        parser, headers = self._parser, request.headers
        self._check_head(self._head_bytes)
        if self._takes_no_more:
            return
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(InvalidRequest("Only HTTP/1.1 and 1.0 are spoken here"))
            return
        request.is_old = version == "1.0"
        if b"host" not in headers and not request.is_old:  # RFC 9112, section 3.2
            self._refuse(InvalidRequest("The request has no Host header", "Host"))
            return
        request.method = parser.get_method().decode("ascii")
        try:
            request.path, request.query = _path_and_query(self._target)
        except ValueError:
            self._refuse(InvalidRequest("The request's target is malformed"))
            return
        if int(headers.get(b"content-length", 0)) > MAX_BODY_BYTES:
            self._refuse(too_large())
        elif b"expect" in headers:
            self._expected(headers[b"expect"], request)

    def on_body(self, body: bytes) -> None:
        if self._takes_no_more:
            return
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(too_large())
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        request = self._incoming
        if request is None or self._takes_no_more:
            return
        if self._chunks:
            request.body = b"".join(self._chunks)
            self._chunks = []
            self._body_bytes = 0
        self._takes_no_more = not self._parser.should_keep_alive() or self._parser.should_upgrade()
        self._enqueue(request)

    # In between.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, or waits for it."""
        return self._answering is not None or bool(self._waiting)

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD_BYTES:
            self._refuse(InvalidRequest(f"The request's head is over {MAX_HEAD_BYTES} bytes"))

    def _expected(self, expectation: bytes, request: Request) -> None:
        """Answer an ``Expect`` header: let the body come, or refuse the request."""
        if expectation.lower() != b"100-continue":
            self._refuse(InvalidRequest("Only Expect: 100-continue is known", "Expect"))
        elif not request.is_old:
            self._owes_continue = True
            self._go_on()

    def _refuse(self, fault: RookeryError) -> None:
        """Take no more from this client, and tell it why."""
        if not self._takes_no_more:
            self._takes_no_more = True
            request = self._incoming or Request(self._remote)
            request.fault = fault
            self._enqueue(request)

    def _enqueue(self, request: Request) -> None:
        self._incoming = None
        self._in_head = False
        self._owes_continue = False
        self._waiting.append(request)
        self._go_on()
        if self._waiting and not self._takes_no_more:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Answer the next request, if there is one and its turn has come."""
        if self._answering is not None or self._is_congested:
            return
        if self._waiting:
            request = self._waiting.popleft()
            self._answering = self._loop.create_task(self._answer(request))
            if not self._waiting and not self._transport.is_reading():
                self._transport.resume_reading()
        elif self._owes_continue:
            self._owes_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _answer(self, request: Request) -> None:
        transport = self._transport
        try:
            response = await self._respond(request)
            if transport.is_closing():
                return
            is_last = (self._takes_no_more and not self._waiting) or self._owner.is_draining
            transport.write(response.encoded(request, is_last))
            self._since_s = self._loop.time()
            if is_last:
                self._end(request)
        except BaseException:
            transport.abort()
            raise
        finally:
            self._answering = None
            if self._is_lost:
                self._owner.connections.discard(self)
            elif not transport.is_closing():
                self._go_on()

    def _end(self, request: Request) -> None:
        """End the connection once all is sent; at once where the client has nothing to send."""
        self._takes_no_more = True
        self._waiting.clear()
        if request.fault is None:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._loop.call_later(LINGERING_S, self._transport.close)

    def expire(self, now_s: float) -> None:
        """Cut the connection if its client was silent, or dragged something out, for too long."""
        if self._answering is None:
            is_sending = self._is_congested or self._transport.is_closing()
            is_idle = self._incoming is None and not is_sending
            if is_idle and now_s - self._since_s > KEEP_ALIVE_S:
                self._transport.close()
            elif not is_idle and now_s - self._since_s > REQUEST_S:
                self._transport.abort()

    def close_if_idle(self) -> None:
        """End the connection, unless it owes an answer."""
        if not self.is_busy:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection, and what was being answered."""
        if self._answering is not None:
            self._answering.cancel()
        self._transport.abort()


def _path_and_query(target: bytes) -> tuple[str, str]:
    """Of a request target in any of its forms (RFC 9112, section 3.2); the path may be empty.

    Raises:
        ValueError: it is none.
    """
    text = target.decode("ascii")
    if not text.startswith("/"):
        parts = urlsplit(text)
        return (parts.path or "/", parts.query) if parts.scheme and parts.netloc else ("", "")
    path, _, query = text.partition("#")[0].partition("?")
    return path, query
