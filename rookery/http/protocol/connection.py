"""One connection of a client: requests, one answered after another, over a transport.

What is read stands in `reading`. Requests and answers are bounded and held whole, unless an
endpoint declares a stream: then its task runs while the body arrives (`bodies`), or goes on while
the answer leaves (`sending`). One task a request, and no timer: the server looks at all connections
every few seconds (`Connection.expire`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import structlog

from rookery.http.protocol.bodies import MAX_BODY_BYTES
from rookery.http.protocol.message import Request, Response, StreamedResponse
from rookery.http.protocol.reading import FREE_BYTES, BoundsOf, RequestReader
from rookery.http.protocol.sending import ends_connection, send

log = structlog.get_logger(__name__)

SLICE_BYTES = 1 << 10
"""So much is parsed at a time: no more requests are made of what was received than can wait, some
dozens of the smallest."""
KEEP_ALIVE_S = 75.0
"""For so long a connection may be idle."""
REQUEST_S = 60.0
"""So long a client may take to send one request, or to take in one answer."""
LINGERING_S = 2.0
"""So long a client may go on sending after it was refused: a reset would lose the answer."""
LINGERING_BYTES = MAX_BODY_BYTES + (256 << 10)
"""And so much of it is read: a client that sends a body which is a little too large, and reads
nothing before, gets to know it all the same; a refusal costs hardly more than what is taken."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
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

    def hold(self, connection: "Connection", remote: str, size_bytes: int) -> bool:
        """Whether it may hold so many more bytes of unfinished messages; `release` them.

        Others may be ended for that.
        """

    def release(self, connection: "Connection") -> None:
        """It holds none any more."""

    def hold_unread(self, connection: "Connection", remote: str, size_bytes: int) -> bool:
        """The same for answers that are not taken in, whose room is their own."""

    def release_unread(self, connection: "Connection") -> None: ...

    def limit_reached(self, limit: str, remote: str) -> None:
        """To be told in the log."""


class Connection(RequestReader, asyncio.Protocol):
    """HTTP/1.1 (and 1.0) with keep-alive and pipelining.

    The answer to a request with a `fault` comes in its turn among those before it, and is the last.
    """

    __slots__ = (
        "__weakref__", "_answering", "_held_bytes", "_is_congested", "_is_lost", "_is_paused",
        "_is_sending", "_loop", "_owes_continue", "_owner", "_passed_by_bytes", "_respond",
        "_taken_in", "_transport", "_unparsed", "_waiting",
    )  # fmt: skip

    def __init__(self, owner: Owner, respond: Respond, bounds_of: BoundsOf | None = None) -> None:
        self._loop = loop = asyncio.get_running_loop()
        super().__init__(loop.time, bounds_of)
        self._owner = owner
        self._respond = respond
        # What was received and is not parsed yet, and what is held beyond what everybody may.
        self._unparsed: memoryview | None = None
        self._held_bytes = 0
        self._passed_by_bytes = 0  # What came after the last request that is taken.
        # Answering.
        self._waiting: deque[Request] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._owes_continue = False
        self._is_congested = False
        self._is_paused = False
        self._is_lost = False
        # A streamed answer: whether there is one, and what waits until the client takes it in.
        self._is_sending = False
        self._taken_in: asyncio.Future[None] | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=FREE_BYTES)
        peer = transport.get_extra_info("peername")
        self._remote = peer[0] if peer else ""
        self._owner.opened(self, self._remote)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._waiting.clear()
        self._unparsed = None
        self.let_go()
        if self._answering is None:
            self._forget()
        elif self._is_sending:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        if self._takes_no_more:
            self._pass_by(len(data))
            return
        if len(data) <= SLICE_BYTES and self._unparsed is None:
            self.parse(data)
        else:
            rest = memoryview(data)
            if self._unparsed is not None:  # A transport that does not pause at once.
                rest = memoryview(bytes(self._unparsed) + data)
            self._unparsed = rest
            self._parse_on()

    def eof_received(self) -> bool:
        """Keep the connection open for the answers that are still to be given."""
        self.cut_off()
        return self._owes_answers

    def pause_writing(self) -> None:
        self._is_congested = True
        unread_bytes = self._transport.get_write_buffer_size()
        if not self._owner.hold_unread(self, self._remote, unread_bytes):
            self._transport.abort()

    def resume_writing(self) -> None:
        self._is_congested = False
        self._owner.release_unread(self)
        self.active_s = self._loop.time()
        if self._taken_in is not None and not self._taken_in.done():
            self._taken_in.set_result(None)
        self._go_on()

    # From bytes to the parser.

    def _parse_on(self) -> None:
        """Parse what was received, as long as no request waits for those before it."""
        rest = self._unparsed
        while rest and not self._waiting and not self._takes_no_more and not self._is_paused:
            self.parse(rest[:SLICE_BYTES])
            rest = rest[SLICE_BYTES:]
        self._unparsed = rest = None if self._takes_no_more else rest or None
        if rest is not None and not self.may_hold(len(rest)):
            self._transport.abort()

    def _pass_by(self, size_bytes: int) -> None:
        """Read what comes after the last request for a while; the rest waits to be cut.

        It is not cut at once, for a client that reads meanwhile finds the answer.
        """
        self._passed_by_bytes += size_bytes
        if self._passed_by_bytes > LINGERING_BYTES:
            self._owner.limit_reached("lingering_bytes", self._remote)
            self._transport.pause_reading()

    # The reader's side.

    def may_hold(self, size_bytes: int) -> bool:
        more_bytes = size_bytes - self._held_bytes
        if more_bytes > 0:
            if not self._owner.hold(self, self._remote, more_bytes):
                return False
            self._held_bytes = size_bytes
        return True

    def limit_reached(self, limit: str) -> None:
        self._owner.limit_reached(limit, self._remote)

    def reading_failed(self, error: Exception) -> None:
        log.error("reading a request failed", exc_info=error)

    def body_expected(self) -> None:
        self._owes_continue = True
        self._go_on()

    def read(self, request: Request) -> None:
        """Put the request in its turn."""
        self._incoming = None
        self._in_head = False
        self._owes_continue = False
        self._waiting.append(request)
        self._go_on()
        if self._waiting and not self._takes_no_more:
            self._pause()

    def stream_begun(self, request: Request) -> None:
        """As `read`, but for the body, which the client may wait to be asked for."""
        self._owes_continue = b"expect" in request.headers and not request.is_old
        self._waiting.append(request)
        self._go_on()
        if self._waiting:
            self._pause()

    def stream_wanted(self) -> None:
        if self._owes_continue:
            self._owes_continue = False
            self._transport.write(_CONTINUE)
        if self._is_paused and not self._waiting:
            self._read_on()

    def stream_filled(self) -> None:
        self._pause()

    def stream_ended(self) -> None:
        self._incoming = None
        self._in_head = False
        self._owes_continue = False

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    # In between.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered: it has an effect, of which the client is to know."""
        return self._answering is not None

    @property
    def _owes_answers(self) -> bool:
        """Whether a request is being answered, or waits for it, if only for a client that reads."""
        return self._answering is not None or bool(self._waiting)

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
            self._transport.write(_CONTINUE)

    def _read_on(self) -> None:
        """Go on with what was received already, then with what comes.

        After a refusal that is read, too: a connection that ends with unread bytes is reset.
        """
        self._is_paused = False
        if self._unparsed is not None:
            self._parse_on()
        has_turn = not self._waiting or self._takes_no_more
        if has_turn and not self._is_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _answer(self, request: Request) -> None:
        transport = self._transport
        try:
            response = await self._respond(request)
            if transport.is_closing():
                if isinstance(response, StreamedResponse):
                    await response.chunks.aclose()
                return
            is_last = (self._takes_no_more and not self._waiting) or self._owner.is_draining
            if request.stream is not None and not request.stream.is_complete:
                is_last = True  # Nobody reads the rest of the body.
            if isinstance(response, StreamedResponse):
                is_last = await self._send(response, request, is_last)
            else:
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
                if self._held_bytes and self._incoming is None and not self._owes_answers:
                    self._release()

    async def _send(self, response: StreamedResponse, request: Request, is_last: bool) -> bool:
        """Send an answer that is made meanwhile; whether the connection ends with it."""
        is_last = is_last or ends_connection(response, request)
        self._is_sending = True
        try:
            await send(response, request, is_last, self._transport.write, self._drained)
        except Exception as error:
            # The client must not take what it has for the whole.
            log.error("a streamed answer broke off", path=request.path[:200], exc_info=error)
            self._transport.abort()
        finally:
            self._is_sending = False
        return is_last

    async def _drained(self) -> None:
        """Return when the client may be sent more."""
        if self._is_congested:
            self._taken_in = self._loop.create_future()
            try:
                await self._taken_in
            finally:
                self._taken_in = None
        self.active_s = self._loop.time()

    def _release(self) -> None:
        if self._held_bytes:
            self._owner.release(self)
            self._held_bytes = 0
        self._allowed_bytes = FREE_BYTES

    def _forget(self) -> None:
        self._release()
        self._owner.release_unread(self)
        self._owner.closed(self)

    # The end.

    def _end(self, request: Request) -> None:
        """End the connection once all is sent; at once where the client has nothing to send."""
        self._takes_no_more = True
        self._owes_continue = False
        self._waiting.clear()
        self._unparsed = None
        has_sent_all = request.stream is None or request.stream.is_complete
        if request.fault is None and has_sent_all:
            self._transport.close()
        else:
            self._transport.write_eof()
            if self._is_paused:
                self._read_on()
            self._loop.call_later(LINGERING_S, self._transport.close)

    def expire(self, now_s: float) -> None:
        """Cut the connection if its client was silent, or dragged something out, for too long."""
        self.expire_stream(now_s)
        if self._answering is None or self._taken_in is not None:
            is_sending = self._is_congested or self._transport.is_closing()
            is_idle = self._incoming is None and not is_sending
            if is_idle and now_s - self.active_s > KEEP_ALIVE_S:
                self._transport.close()
            elif not is_idle and now_s - self.active_s > REQUEST_S:
                self._owner.limit_reached("request_s", self._remote)
                self._transport.abort()

    def close_if_idle(self) -> None:
        """End the connection, unless it owes an answer."""
        if not self._owes_answers:
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
