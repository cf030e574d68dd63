"""One connection of a client: from bytes to requests, one answered after another.

The parsing is llhttp's (by httptools), as strict as it comes. What is left is small, because both
requests and answers are bounded and held whole: there is no streaming. One task a request, and no
timer: the server looks at all connections every few seconds (`Connection.expire`).

The parser counts nothing and holds a field until it has it whole, so what it is given is counted
here: the bytes of a message outside its body are bounded, whatever they are.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import httptools
import structlog

from rookery.domain.hosts import is_host
from rookery.errors import (
    InvalidRequest,
    NotSupported,
    Overloaded,
    RookeryError,
    VersionNotSupported,
)
from rookery.http.heads import (
    SINGLE_FIELDS,
    framing_fault,
    is_unknown_method,
    path_and_query,
)
from rookery.http.message import Request, Response
from rookery.http.requests import MAX_BODY_BYTES, too_large

log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 16 << 10
MAX_FRAMING_BYTES = 64 << 10
"""What may come with a body beyond the head: sizes and extensions of chunks, trailers."""
MAX_BLANK_BYTES = 64
"""Empty lines before a request, which RFC 9112, section 2.2, lets pass."""
SLICE_BYTES = 8 << 10
"""So much is parsed at a time: no more requests are made of what was received than can wait."""
FREE_BYTES = 8 << 10
"""So much of a message is held for every connection; for more there is one budget for all."""
KEEP_ALIVE_S = 75.0
"""For so long a connection may be idle."""
REQUEST_S = 60.0
"""So long a client may take to send one request, or to take in one answer."""
LINGERING_S = 2.0
"""So long a client may go on sending after it was refused: a reset would lose the answer."""
_FIELD_BYTES = len(b": \r\n")
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)

Respond = Callable[[Request], Awaitable[Response]]
"""Answers a request. It raises nothing: a fault of ours is an answer, too."""


class Owner(Protocol):
    """What a connection knows of its server."""

    is_draining: bool

    def opened(self, connection: "Connection", remote: str) -> None:
        """A connection was made; the server may end it at once, or another one for it."""

    def closed(self, connection: "Connection") -> None:
        """The connection is gone, and what it was asked is answered."""

    def hold(self, size_bytes: int) -> bool:
        """Whether so many more bytes of unfinished messages may be held; `release` them."""

    def release(self, size_bytes: int) -> None: ...

    def limit_reached(self, limit: str, remote: str) -> None:
        """To be told in the log."""


class Connection(asyncio.Protocol):
    """HTTP/1.1 (and 1.0) with keep-alive and pipelining.

    A request that is malformed, or too large, is handed on with its `fault`, in its turn among
    those before it; its answer is the last. An ``Upgrade`` is not followed, as RFC 9110, section
    7.8, lets a server: the request is answered as if it did not offer any.
    """

    __slots__ = (
        "_allowed_bytes",
        "_answering",
        "_blank_bytes",
        "_body",
        "_body_bytes",
        "_head_bytes",
        "_headers",
        "_held_bytes",
        "_in_head",
        "_incoming",
        "_is_congested",
        "_is_lost",
        "_is_paused",
        "_is_shared_read",
        "_loop",
        "_message_bytes",
        "_owes_continue",
        "_owner",
        "_parser",
        "_remote",
        "_repeated",
        "_respond",
        "_takes_no_more",
        "_target",
        "_transport",
        "_unparsed",
        "_upgrading",
        "_waiting",
        "active_s",
    )  # fmt: skip

    def __init__(self, owner: Owner, respond: Respond) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._respond = respond
        self._parser = httptools.HttpRequestParser(self)
        self._remote = ""
        # The message that is arriving.
        self._incoming: Request | None = None
        self._headers: dict[bytes, bytes] = {}
        self._in_head = False
        self._target = b""
        self._repeated: bytes | None = None
        self._upgrading: bytes | None = None  # a head that tells of the body alone
        self._body: bytes | bytearray = b""
        # How much of it there is, and how much of what was received is not parsed yet.
        self._head_bytes = self._body_bytes = self._message_bytes = self._blank_bytes = 0
        self._allowed_bytes = FREE_BYTES
        self._held_bytes = 0
        self._is_shared_read = False
        self._unparsed: memoryview | None = None
        # Answering.
        self._waiting: deque[Request] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._owes_continue = False
        self._takes_no_more = False
        self._is_congested = False
        self._is_paused = False
        self._is_lost = False
        self.active_s = self._loop.time()

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._remote = peer[0] if peer else ""
        self._owner.opened(self, self._remote)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = self._takes_no_more = True
        self._waiting.clear()
        self._unparsed = None
        if self._answering is None:
            self._forget()

    def data_received(self, data: bytes) -> None:
        if self._takes_no_more:
            return
        if len(data) <= SLICE_BYTES and self._unparsed is None:
            self._parse(data)
        else:
            rest = memoryview(data)
            if self._unparsed is not None:  # A transport that does not pause at once.
                rest = memoryview(bytes(self._unparsed) + data)
            self._unparsed = rest
            self._parse_on()

    def eof_received(self) -> bool:
        """Keep the connection open for the answers that are still to be given."""
        self._takes_no_more = True
        return self.is_busy

    def pause_writing(self) -> None:
        self._is_congested = True

    def resume_writing(self) -> None:
        self._is_congested = False
        self.active_s = self._loop.time()
        self._go_on()

    # From bytes to the parser.

    def _parse_on(self) -> None:
        """Parse what was received, as long as no request waits for those before it."""
        rest = self._unparsed
        while rest and not self._waiting and not self._takes_no_more:
            self._parse(rest[:SLICE_BYTES])
            rest = rest[SLICE_BYTES:]
        self._unparsed = rest = None if self._takes_no_more else rest or None
        if rest is not None and not self._may_hold(len(rest)):
            self._transport.abort()

    def _parse(self, data: bytes | memoryview) -> None:
        self._is_shared_read = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as paused:
            self._continue_as_if_not_upgraded(data[paused.args[0] :])
        except httptools.HttpParserCallbackError as error:
            log.error("reading a request failed", exc_info=error)
            self._refuse(RookeryError())
        except httptools.HttpParserError as error:
            self._malformed(error, data)
        if self._incoming is not None:
            self._count_unfinished(len(data))
        elif not self._is_shared_read:
            self._blank_bytes += len(data)
            if self._blank_bytes > MAX_BLANK_BYTES:
                self._refuse(InvalidRequest("The request does not begin"))

    def _count_unfinished(self, size_bytes: int) -> None:
        """Bound what was received of a message that has not come to its end."""
        if not self._is_shared_read:  # Else nobody knows how much of it belongs to this message.
            self._message_bytes += size_bytes
        if self._in_head:
            self._check_head(self._message_bytes)
        elif self._message_bytes - self._body_bytes > MAX_HEAD_BYTES + MAX_FRAMING_BYTES:
            self._over("framing_bytes", InvalidRequest(
                f"More than {MAX_FRAMING_BYTES} bytes of chunk sizes, extensions and trailers"
            ))  # fmt: skip
        if self._message_bytes > self._allowed_bytes:
            self._allowed_bytes = max(2 * self._allowed_bytes, self._message_bytes)
            if not self._may_hold(self._allowed_bytes):
                self._refuse(Overloaded())

    def _may_hold(self, size_bytes: int) -> bool:
        more_bytes = size_bytes - self._held_bytes
        if more_bytes > 0:
            if not self._owner.hold(more_bytes):
                self._owner.limit_reached("held_bytes", self._remote)
                return False
            self._held_bytes = size_bytes
        return True

    def _malformed(self, error: Exception, data: bytes | memoryview) -> None:
        text = str(error)
        is_of_method = isinstance(error, httptools.HttpParserInvalidMethodError)
        is_first = not self._is_shared_read and not self._message_bytes
        if text == "Invalid HTTP version":
            self._refuse(VersionNotSupported())
        elif is_of_method and is_first and is_unknown_method(bytes(data)):
            self._refuse(NotSupported("The request's method is not known"))
        else:
            self._refuse(InvalidRequest(f"The request is malformed HTTP: {text}"))

    def _continue_as_if_not_upgraded(self, rest: bytes | memoryview) -> None:
        """Read the body that the parser takes for another protocol; RFC 9110, section 7.8.

        A new parser is told of the body alone, so that what follows is HTTP to it.
        """
        head, self._upgrading = self._upgrading, None
        if head is not None and not self._takes_no_more:
            replay = _Replay(self)
            self._parser = httptools.HttpRequestParser(replay)
            self._parser.feed_data(head)
            replay.is_over = True
            if rest and not self._takes_no_more:
                self._parse(rest)

    # The parser's side.

    def on_message_begin(self) -> None:
        self._incoming = request = Request(self._remote)
        self._headers = request.headers
        self._in_head = True
        self._head_bytes = self._message_bytes = self._body_bytes = self._blank_bytes = 0
        self._target = b""
        self.active_s = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # A trailer, which nobody asked for.
        self._head_bytes += len(name) + len(value) + _FIELD_BYTES
        if self._head_bytes > MAX_HEAD_BYTES:
            return  # Refused as soon as the head is complete.
        headers, name = self._headers, name.lower()
        if name in headers:
            if name in SINGLE_FIELDS:
                self._repeated = name
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        request = self._incoming
        if request is None:
            return
        self._check_head(self._head_bytes)
        if self._takes_no_more:
            return
        self._in_head = False
        parser = self._parser
        request.method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        request.is_old = version == "1.0"
        if version != "1.1" and not request.is_old:
            self._refuse(VersionNotSupported())
            return
        fault = self._head_fault(request)
        if fault is not None:
            self._refuse(fault)
            return
        if b"expect" in request.headers:
            self._expected(request.headers[b"expect"], request)
        if parser.should_upgrade():
            self._upgrade_offered(request)

    def on_body(self, body: bytes) -> None:
        if self._takes_no_more:
            return
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._over("body_bytes", too_large())
        elif not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            self._body = bytearray(self._body) + body

    def on_message_complete(self) -> None:
        request = self._incoming
        if request is None or self._takes_no_more or self._upgrading is not None:
            return
        if self._body:
            request.body = bytes(self._body)
            self._body = b""
        self._is_shared_read = True
        self._takes_no_more = not self._parser.should_keep_alive()
        self._enqueue(request)

    # In between.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, or waits for it."""
        return self._answering is not None or bool(self._waiting)

    def _head_fault(self, request: Request) -> RookeryError | None:
        headers = request.headers
        host = headers.get(b"host")
        if self._repeated is not None:
            name = self._repeated.decode("ascii").title()
            return InvalidRequest(f"The header {name} came more than once", name)
        if host is None:
            if not request.is_old:  # RFC 9112, section 3.2
                return InvalidRequest("The request has no Host header", "Host")
        elif not is_host(host):
            return InvalidRequest("The Host header is not a host, with a port or without", "Host")
        try:
            request.path, request.query = path_and_query(self._target)
        except ValueError:
            if request.method == "CONNECT":
                return NotSupported("CONNECT is not known here")
            return InvalidRequest("The request's target is malformed")
        return framing_fault(headers, request.is_old)

    def _check_head(self, size_bytes: int) -> None:
        if size_bytes > MAX_HEAD_BYTES:
            text = f"The request's head is over {MAX_HEAD_BYTES} bytes"
            self._over("head_bytes", InvalidRequest(text))

    def _upgrade_offered(self, request: Request) -> None:
        """Keep in mind how the body ends, for a parser that knows of no upgrade."""
        headers = request.headers
        if request.method == "CONNECT":
            self._refuse(NotSupported("CONNECT is not known here"))
            return
        head = b"POST / HTTP/1.1\r\n"
        if not self._parser.should_keep_alive():
            head += b"Connection: close\r\n"
        if b"transfer-encoding" in headers:
            head += b"Transfer-Encoding: chunked\r\n"
        else:
            head += b"Content-Length: %b\r\n" % headers.get(b"content-length", b"0")
        self._upgrading = head + b"\r\n"

    def _expected(self, expectation: bytes, request: Request) -> None:
        """Answer an ``Expect`` header: let the body come, or refuse the request."""
        if expectation.lower() != b"100-continue":
            self._refuse(InvalidRequest("Only Expect: 100-continue is known", "Expect"))
        elif not request.is_old:
            self._owes_continue = True
            self._go_on()

    def _over(self, limit: str, fault: RookeryError) -> None:
        if not self._takes_no_more:
            self._owner.limit_reached(limit, self._remote)
            self._refuse(fault)

    def _refuse(self, fault: RookeryError) -> None:
        """Take no more from this client, and tell it why."""
        if not self._takes_no_more:
            self._takes_no_more = True
            request = self._incoming or Request(self._remote)
            if not request.method and self._in_head and self._target:
                request.method = self._parser.get_method().decode("ascii")  # HEAD has no body.
            request.fault = fault
            self._body = b""
            self._enqueue(request)

    def _enqueue(self, request: Request) -> None:
        self._incoming = None
        self._in_head = False
        self._owes_continue = False
        self._waiting.append(request)
        self._go_on()
        if self._waiting and not self._takes_no_more:
            self._is_paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Answer the next request, if there is one and its turn has come."""
        if self._answering is not None or self._is_congested:
            return
        if self._waiting:
            request = self._waiting.popleft()
            self._answering = self._loop.create_task(self._answer(request))
            if self._is_paused and not self._waiting:
                self._read_on()
        elif self._owes_continue:
            self._owes_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_on(self) -> None:
        """Go on with what was received already, then with what comes."""
        self._is_paused = False
        if self._unparsed is not None:
            self._parse_on()
        if not self._waiting and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _answer(self, request: Request) -> None:
        transport = self._transport
        try:
            response = await self._respond(request)
            if transport.is_closing():
                return
            is_last = (self._takes_no_more and not self._waiting) or self._owner.is_draining
            transport.write(response.encoded(request, is_last))
            self.active_s = self._loop.time()
            if is_last:
                self._end(request)
        except BaseException:
            transport.abort()
            raise
        finally:
            self._answering = None
            if self._is_lost:
                self._forget()
            elif not transport.is_closing():
                self._go_on()
                if self._held_bytes and self._incoming is None and not self.is_busy:
                    self._release()

    def _release(self) -> None:
        if self._held_bytes:
            self._owner.release(self._held_bytes)
            self._held_bytes = 0
        self._allowed_bytes = FREE_BYTES

    def _forget(self) -> None:
        self._release()
        self._owner.closed(self)

    # The end.

    def _end(self, request: Request) -> None:
        """End the connection once all is sent; at once where the client has nothing to send."""
        self._takes_no_more = True
        self._waiting.clear()
        self._unparsed = None
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
            if is_idle and now_s - self.active_s > KEEP_ALIVE_S:
                self._transport.close()
            elif not is_idle and now_s - self.active_s > REQUEST_S:
                self._owner.limit_reached("request_s", self._remote)
                self._transport.abort()

    def close_if_idle(self) -> None:
        """End the connection, unless it owes an answer."""
        if not self.is_busy:
            self._transport.close()

    def turn_away(self) -> None:
        """There is no room for this connection: say so."""
        self._takes_no_more = True
        self._transport.write(_FULL)
        self._transport.close()

    def give_way(self) -> None:
        """End a silent connection, whose room another one needs."""
        self._takes_no_more = True
        if self._incoming is None and not self._is_congested:
            self._transport.close()
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Cut the connection, and what was being answered."""
        if self._answering is not None:
            self._answering.cancel()
        self._transport.abort()


class _Replay:
    """A parser's protocol that passes by the head which it is told instead of the real one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_over = False
        self.on_url = self._unless_replayed(connection.on_url)
        self.on_header = connection.on_header  # It takes none outside a head.
        self.on_message_begin = self._unless_replayed(connection.on_message_begin)
        self.on_headers_complete = self._unless_replayed(connection.on_headers_complete)
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete

    def _unless_replayed(self, callback: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: bytes) -> None:
            if self.is_over:
                callback(*arguments)

        return called
