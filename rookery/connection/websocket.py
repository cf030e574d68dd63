"""One TCP connection of a WebSocket client: `websockets`' Sans-I/O protocol over asyncio.

Nothing that a client sends raises out of here: each wrong input has its HTTP status or close code
(``docs/protocol.md``). No compression, since it costs more memory for each connection than
everything else together.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Protocol, TypeAlias, cast

import structlog
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from rookery.connection.closings import LIMITS
from rookery.connection.handshake import codec_of, parse_request
from rookery.connection.hub import Hub
from rookery.connection.ports import Authenticate
from rookery.connection.session import Session
from rookery.connection.settings import StreamSettings
from rookery.connection.upgrade import answer_to, new_protocol, refusal
from rookery.errors import RookeryError

log = structlog.get_logger(__name__)

SLICE_BYTES = 4 << 10
"""So much of what a client sent is parsed before its frames are counted: some hundred of them."""

OnRefused: TypeAlias = Callable[[RookeryError, str, Request], None]
"""Told why a stream was refused, of which peer's address, and its request."""


class Listener(Protocol):
    """What a connection knows of whoever listens."""

    hub: Hub
    settings: StreamSettings
    authenticate: Authenticate
    redeem: Authenticate
    on_refused: OnRefused

    def has_room(self) -> bool:
        """Whether another session may be opened; asked by a connection in its handshake."""

    def opened(self, connection: "Connection", remote: str) -> None:
        """A TCP connection was accepted; it may be ended at once, or another one for it."""

    def limit_reached(self, limit: str, remote: str) -> None:
        """To be told in the log."""

    def handshake_done(self, connection: "Connection") -> None:
        """The connection becomes a session; its time is the hub's from now on."""

    def ending(self, connection: "Connection", remote: str) -> None:
        """The connection is closing, and has a bounded time for that."""

    def lost(self, connection: "Connection") -> None:
        """The connection is gone."""


class _Stage(Enum):
    """HEAD: reading the request. WAITING: authenticating. OPEN: with the hub. ENDING: closing."""

    HEAD = 1
    WAITING = 2
    OPEN = 3
    ENDING = 4


class Connection(asyncio.Protocol):
    """One TCP connection; a `Peer` of the hub once it is open."""

    __slots__ = (
        "_buffer",
        "_is_text",
        "_listener",
        "_protocol",
        "_session",
        "_stage",
        "_task",
        "_transport",
        "active_s",
        "alarm_tick",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._stage = _Stage.HEAD
        self._buffer: bytearray | None = bytearray()  # request head; early data; a fragmented msg
        self._is_text = False
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._protocol: ServerProtocol | None = None
        self.alarm_tick = 0
        self.active_s = 0.0  # Before it is a session it is silent, or `is_busy`.

    @property
    def is_busy(self) -> bool:
        """Whether its token is being looked at."""
        return self._stage is _Stage.WAITING

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    @property
    def was_session(self) -> bool:
        """Whether it is one, or was one before it began to end."""
        return self._session is not None

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = self._listener.settings
        low_bytes = settings.low_buffer_bytes
        self._transport.set_write_buffer_limits(high=low_bytes, low=low_bytes // 2)
        peer = transport.get_extra_info("peername")
        self._listener.opened(self, peer[0] if peer else "")

    def data_received(self, data: bytes) -> None:
        try:
            if self._stage is _Stage.HEAD:
                self._head_received(data)
            elif self._stage is _Stage.WAITING:
                self._keep_early(data)
            elif self._protocol is not None:
                self._frames_received(self._protocol, data)
        except Exception:
            log.exception("a connection failed")
            self._fail()

    def eof_received(self) -> bool:
        if self._session is not None:
            self._listener.hub.leave(self, 1006)
        if self._protocol is not None:
            self._protocol.receive_eof()
        self._end()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._session is not None:
            received = None if self._protocol is None else self._protocol.close_rcvd
            self._listener.hub.leave(self, 1006 if received is None else received.code)
        self._listener.lost(self)
        self._stage = _Stage.ENDING
        self._protocol = None
        self._buffer = None

    def pause_writing(self) -> None:
        """The session knows from `written`; nothing waits on this."""

    def resume_writing(self) -> None:
        if self._stage is _Stage.OPEN:
            self._listener.hub.drained(self, self._transport.get_write_buffer_size())

    # The handshake

    def _head_received(self, data: bytes) -> None:
        """Collect the request's head, so that the library sees it whole and nothing beyond."""
        buffer = self._buffer
        assert buffer is not None
        searched = max(len(buffer) - 3, 0)
        buffer += data
        end = buffer.find(b"\r\n\r\n", searched)
        if 0 <= end <= self._listener.settings.max_head_bytes - 4:
            head, rest = bytes(buffer[: end + 4]), bytes(buffer[end + 4 :])
            self._buffer = bytearray(rest)
            self._request_received(head)
        elif len(buffer) > self._listener.settings.max_head_bytes:
            self._limit_reached("head_bytes")
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too large.")
        elif not buffer[:1].isupper():  # TLS, or nothing of HTTP
            self._reject(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")

    def _request_received(self, head: bytes) -> None:
        protocol = self._protocol = new_protocol(self._listener.settings)
        protocol.receive_data(head)
        events = protocol.events_received()
        if protocol.eof_sent:
            self._malformed(protocol)
            return
        request = events[0]
        assert isinstance(request, Request)
        response = answer_to(protocol, request, self._listener.has_room)
        protocol.send_response(response)
        if response.status_code != 101:
            self._end()
            return
        if len(self._buffer or b"") > self._listener.settings.max_early_bytes:
            self._limit_reached("early_bytes")
            self._transport.abort()
            return
        self._send_protocol()
        self._stage = _Stage.WAITING
        self._transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._open(request))

    def _malformed(self, protocol: ServerProtocol) -> None:
        """Answer what the library gave up on; some of it already has an answer."""
        if not any(protocol.writes):
            answer = refusal(protocol, HTTPStatus.BAD_REQUEST, "The HTTP request cannot be read.")
            self._transport.write(answer.serialize())
        self._end()

    def _reject(self, status: HTTPStatus, text: str) -> None:
        """Answer a request that was not read with an HTTP error."""
        protocol = self._protocol = new_protocol(self._listener.settings)
        protocol.send_response(refusal(protocol, status, text))
        self._end()

    def turn_away(self) -> None:
        """Answer with 503 before anything was read."""
        self._reject(HTTPStatus.SERVICE_UNAVAILABLE, "The server is full.")
        self._transport.close()

    async def _open(self, request: Request) -> None:
        """Authenticate, and hand over to the hub."""
        try:
            wanted = parse_request(request)
            redeem, authenticate = self._listener.redeem, self._listener.authenticate
            admit = redeem if wanted.is_ticket else authenticate
            identity, expires_ms = await admit(wanted.token)
        except RookeryError as error:
            peer = self._transport.get_extra_info("peername")
            self._listener.on_refused(error, peer[0] if peer else "", request)
            self.close(error.close_code, str(error))
            return
        except Exception:
            log.exception("authenticating a connection failed")
            self.close(4500, "internal error")
            return
        finally:
            self._task = None
        if self._stage is not _Stage.WAITING or self._protocol is None:
            return
        hub = self._listener.hub
        codec = codec_of(self._protocol.subprotocol)
        self._session = hub.new_session(identity, expires_ms, codec, wanted.epoch, wanted.offset)
        self._listener.handshake_done(self)
        self._stage = _Stage.OPEN
        early, self._buffer = bytes(self._buffer or b""), None
        hub.join(self)
        if early:
            self.data_received(early)
        self._resume_reading()

    def _resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _keep_early(self, data: bytes) -> None:
        buffer = self._buffer
        assert buffer is not None
        buffer += data
        if len(buffer) > self._listener.settings.max_early_bytes:
            self._transport.abort()

    # Frames

    def _frames_received(self, protocol: ServerProtocol, data: bytes) -> None:
        """Take in what a client sent, in pieces: what comes after the limit was reached costs
        nothing, and is dropped."""
        for at in range(0, len(data), SLICE_BYTES):
            protocol.receive_data(data[at : at + SLICE_BYTES])
            self._send_protocol()
            for frame in protocol.events_received():
                if self._stage is not _Stage.OPEN:
                    return
                self._listener.hub.frame_received(self)
                if isinstance(frame, Frame):
                    self._frame(frame)
            if self._stage is not _Stage.OPEN or protocol.state is not State.OPEN:
                break
        if protocol.state is not State.OPEN and self._stage is _Stage.OPEN:
            sent = protocol.close_sent
            if sent is not None and sent.code == 1009:
                self._limit_reached("message_bytes")
            self._listener.hub.leave(self, 1006 if sent is None else sent.code)
            self._end()

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.CONT:
            if self._buffer is None:
                return
            self._buffer += frame.data
            if not frame.fin:
                return
            data, self._buffer = bytes(self._buffer), None
        elif opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._is_text = opcode is Opcode.TEXT
            if not frame.fin:
                self._buffer = bytearray(frame.data)
                return
            data = bytes(frame.data)
        else:
            return
        if self._stage is _Stage.OPEN:
            self._listener.hub.message_received(self, data, self._is_text)

    # What the hub asks for

    def write(self, data: bytes) -> int:
        """See `Peer`; dropped once the closing handshake has begun."""
        transport = self._transport
        protocol = self._protocol
        if protocol is not None and protocol.state is State.OPEN and not transport.is_closing():
            transport.write(data)
        return transport.get_write_buffer_size()

    def ping(self) -> None:
        """See `Peer`."""
        if self._protocol is not None and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._send_protocol()

    def close(self, code: int, reason: str) -> None:
        """See `Peer`. Also ends connections that are not open yet; once is enough."""
        if self._stage is _Stage.ENDING:
            return
        if self._protocol is None:
            self._stage = _Stage.ENDING
            self._transport.abort()
            return
        if reason in LIMITS:
            self._limit_reached(LIMITS[reason])
        if self._protocol.state is State.OPEN and code != 1006:
            text = reason.encode()[:123].decode(errors="ignore")
            self._protocol.send_close(code, text)
        paused = self._stage is _Stage.WAITING
        self._end()
        if paused:
            self._resume_reading()

    # The end

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def alarm(self) -> None:
        """The handshake or the closing took too long."""
        if self._stage is _Stage.HEAD:
            self._limit_reached("handshake_s")
            self._reject(HTTPStatus.REQUEST_TIMEOUT, "The handshake took too long.")
        elif self._stage is _Stage.WAITING:
            if self._task is not None:
                self._task.cancel()
            self.close(4503, "the token could not be checked in time; try again shortly")
        else:
            self.abort()

    def _limit_reached(self, limit: str) -> None:
        peer = self._transport.get_extra_info("peername")
        self._listener.limit_reached(limit, peer[0] if peer else "")

    def _end(self) -> None:
        """Write what the protocol has left, and let the client close; by force after a while."""
        self._stage = _Stage.ENDING
        self._buffer = None
        self._send_protocol()
        peer = self._transport.get_extra_info("peername")
        self._listener.ending(self, peer[0] if peer else "")

    def _send_protocol(self) -> None:
        protocol = self._protocol
        transport = self._transport
        if protocol is None:
            return
        pending = protocol.data_to_send()
        if not pending or transport.is_closing():
            return
        if data := b"".join(pending):
            transport.write(data)
        if pending[-1]:  # Else the library ends the stream, by an empty piece behind the others.
            return
        is_answered = protocol.state is State.CLOSING and protocol.close_rcvd is not None
        if is_answered or not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()

    def _fail(self) -> None:
        """A fault of ours: end this connection only."""
        if self._session is not None:
            self._session.close(4500, "internal error")
            self._listener.hub.settle(self)
        self.close(4500, "internal error")
