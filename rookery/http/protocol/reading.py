"""From bytes to requests: what a client sends, bounded and judged as HTTP. Pure: no I/O.

The parsing is llhttp's (by httptools), as strict as it comes. The parser counts nothing, and holds
a field until it has it whole, so what it is given is counted here: all bytes of a message that are
not of its body have a bound, whatever they are.
"""

from collections.abc import Callable

import httptools

from rookery.domain.hosts import is_host
from rookery.errors import (
    InvalidRequest,
    NotSupported,
    Overloaded,
    PayloadTooLarge,
    RequestTooSlow,
    RookeryError,
    VersionNotSupported,
)
from rookery.http.protocol.bodies import MAX_BODY_BYTES, BodyStream, StreamBounds, too_large
from rookery.http.protocol.heads import (
    SINGLE_FIELDS,
    framing_fault,
    parsing_fault,
    path_and_query,
)
from rookery.http.protocol.message import Request
from rookery.http.protocol.upgrades import Replay, head_of_body

MAX_HEAD_BYTES = 16 << 10
MAX_HEAD_FIELDS = 100
"""So many fields of different names; those of one name are one field, which the bytes bound."""
MAX_FRAMING_BYTES = 64 << 10
"""What may come with a body beyond the head: sizes and extensions of chunks, trailers."""
MAX_BLANK_BYTES = 64
"""Empty lines before a request, which RFC 9112, section 2.2, lets pass."""
FREE_BYTES = 8 << 10
"""So much of a message is held for every connection; for more there is one budget for all."""
_FIELD_BYTES = len(b": \r\n")
_HELD_FIELD_BYTES = 160
"""What a field takes beyond its bytes while it is held."""
_SPACE = ord(" ")
_SMALL_DIGITS = len(str(MAX_BODY_BYTES)) - 1
"""A length of no more digits is no body too large."""

BoundsOf = Callable[[Request], StreamBounds | None]
"""Says of a head whose body is to come whether the body is streamed; it raises nothing."""


class RequestReader:
    """Reads the requests of one connection; `parse` is given its bytes.

    A request that is malformed, or too large, is handed on with its `fault`, and is the last; where
    it was handed on before, as a stream, the stream fails. An
    ``Upgrade`` is not followed, as RFC 9110, section 7.8, lets a server: the request is read as if
    it did not offer any. Whoever inherits says what becomes of requests.
    """

    __slots__ = (
        "_allowed_bytes", "_blank_bytes", "_body", "_body_bytes", "_bounds", "_bounds_of",
        "_head_bytes", "_headers", "_in_head", "_incoming", "_is_shared_read", "_known_host",
        "_message_bytes", "_now_s", "_parser", "_remote", "_repeated", "_stream", "_stream_ends_s",
        "_takes_no_more", "_target", "_upgrading", "active_s",
    )  # fmt: skip

    def __init__(self, now_s: Callable[[], float], bounds_of: BoundsOf | None = None) -> None:
        self._now_s = now_s
        self._bounds_of = bounds_of
        self._parser = httptools.HttpRequestParser(self)
        self._remote = ""
        self._takes_no_more = False
        self.active_s = now_s()
        # The message that is arriving.
        self._incoming: Request | None = None
        self._headers: dict[bytes, bytes] = {}
        self._in_head = False
        self._target = b""
        self._known_host: bytes | None = None  # Each request of a client names the same one.
        self._repeated: bytes | None = None
        self._upgrading: bytes | None = None  # A head that tells of the body alone.
        self._body: bytes | bytearray = b""
        # The body that is read while it arrives, and when it must have arrived.
        self._bounds: StreamBounds | None = None
        self._stream: BodyStream | None = None
        self._stream_ends_s = 0.0
        # How much of it there is. A read is shared if another message ended in it.
        self._head_bytes = self._body_bytes = self._message_bytes = self._blank_bytes = 0
        self._allowed_bytes = FREE_BYTES
        self._is_shared_read = False

    # For whoever inherits.

    def read(self, request: Request) -> None:
        """A request is there, whole or with its fault."""
        raise NotImplementedError

    def stream_begun(self, request: Request) -> None:
        """A request is there, whose body is still arriving."""
        raise NotImplementedError

    def stream_wanted(self) -> None:
        """The reader of a streamed body asks for more of it."""
        raise NotImplementedError

    def stream_filled(self) -> None:
        """The reader of a streamed body is slower than its client."""
        raise NotImplementedError

    def stream_ended(self) -> None:
        """A streamed body has arrived; the next request may come."""
        raise NotImplementedError

    def body_expected(self) -> None:
        """The client waits to be told that it may send the body."""
        raise NotImplementedError

    def may_hold(self, size_bytes: int) -> bool:
        """Whether the message under way may grow to `size_bytes`."""
        raise NotImplementedError

    def limit_reached(self, limit: str) -> None:
        """To be told in the log."""
        raise NotImplementedError

    def reading_failed(self, error: Exception) -> None:
        """A fault of ours, which the client is told of by 500."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Drop what is held of an unfinished message; nothing is parsed any more.

        The parser and this refer to each other: else both would wait for the garbage collector.
        """
        self.cut_off()
        self._incoming = None
        self._headers = {}
        self._body = b""
        del self._parser

    def cut_off(self) -> None:
        """The client sends no more, whether it was at an end or not."""
        self._fail_stream(InvalidRequest("The body is cut off"))
        self._takes_no_more = True

    def expire_stream(self, now_s: float) -> None:
        """End a streamed body that takes longer than it may."""
        if self._stream is not None and now_s > self._stream_ends_s:
            self._over("stream_s", RequestTooSlow())

    # From bytes to the parser.

    def parse(self, data: bytes | memoryview) -> None:
        self._is_shared_read = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as paused:
            self._pass_by_upgrade(data[paused.args[0] :])
            return
        except httptools.HttpParserCallbackError as error:
            self.reading_failed(error)
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
        held_bytes = self._message_bytes
        if self._stream is not None:
            held_bytes = self._stream.buffered_bytes
        if self._in_head:
            self._check_head(held_bytes)
            self._check_fields()
            held_bytes += _HELD_FIELD_BYTES * len(self._headers)
        elif self._message_bytes - self._body_bytes > MAX_HEAD_BYTES + MAX_FRAMING_BYTES:
            self._over("framing_bytes", InvalidRequest(
                f"More than {MAX_FRAMING_BYTES} bytes of chunk sizes, extensions and trailers"
            ))  # fmt: skip
        if held_bytes > self._allowed_bytes:
            self._allowed_bytes = max(2 * self._allowed_bytes, held_bytes)
            if not self.may_hold(self._allowed_bytes):
                self._refuse(Overloaded())

    def _malformed(self, error: Exception, data: bytes | memoryview) -> None:
        is_first = not self._is_shared_read and not self._message_bytes
        self._refuse(parsing_fault(error, self._parser, data if is_first else b""))

    def _pass_by_upgrade(self, rest: bytes | memoryview) -> None:
        """Read the body that the parser takes for another protocol; RFC 9110, section 7.8.

        A new parser is told of the body alone, so that what follows is HTTP to it.
        """
        head, self._upgrading = self._upgrading, None
        if head is not None and not self._takes_no_more:
            replay = Replay(self)
            self._parser = httptools.HttpRequestParser(replay)
            self._parser.feed_data(head)
            replay.is_over = True
            if rest and not self._takes_no_more:
                self.parse(rest)

    # The parser's side.

    def on_message_begin(self) -> None:
        if self._takes_no_more:
            return
        self._incoming = request = Request(self._remote)
        self._headers = request.headers
        self._in_head = True
        self._head_bytes = self._message_bytes = self._body_bytes = self._blank_bytes = 0
        self._target = b""
        self.active_s = self._now_s()

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # A trailer, which nobody asked for.
        self._head_bytes = head_bytes = self._head_bytes + len(name) + len(value) + _FIELD_BYTES
        if head_bytes > MAX_HEAD_BYTES:
            return  # Refused as soon as the head is complete.
        # The parser takes off only what stands before a value (RFC 9110, section 5.6.3).
        if value and value[-1] <= _SPACE:
            value = value.rstrip(b" \t")
        headers, name = self._headers, name.lower()
        if name in headers:
            if name in SINGLE_FIELDS:
                self._repeated = name
            if self._incoming is not None:
                self._incoming.add_value(name, value)
            value = headers[name] + b", " + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        request = self._incoming
        if request is None:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._check_head(self._head_bytes)
            return
        if self._takes_no_more or len(request.headers) > MAX_HEAD_FIELDS:
            self._check_fields()
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
            if isinstance(fault, PayloadTooLarge):
                self._over("body_bytes", fault)
            else:
                self._refuse(fault)
            return
        if b"expect" in request.headers:
            self._expect(request.headers[b"expect"], request)
        if parser.should_upgrade():
            self._upgrade_offered(request)
        if self._bounds is not None and not self._takes_no_more:
            self._stream_ends_s = self._now_s() + self._bounds.within_s
            self._stream = request.stream = BodyStream(self.stream_wanted)
            self.stream_begun(request)

    def on_body(self, body: bytes) -> None:
        if self._takes_no_more:
            return
        self._body_bytes += len(body)
        if self._stream is not None:
            self._feed_stream(self._stream, body)
        elif self._body_bytes > MAX_BODY_BYTES:
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
        if self._stream is None:
            self.read(request)
            return
        stream, self._stream, self._bounds = self._stream, None, None
        stream.finish()
        self.stream_ended()

    # Judging.

    def _head_fault(self, request: Request) -> RookeryError | None:
        headers = request.headers
        host = headers.get(b"host")
        if self._repeated is not None:
            name = self._repeated.decode("ascii").title()
            return InvalidRequest(f"The header {name} came more than once", name)
        if host is None:
            if not request.is_old:  # RFC 9112, section 3.2
                return InvalidRequest("The request has no Host header", "Host")
        elif host != self._known_host:
            if not is_host(host):
                text = "The Host header is not a host, with a port or without"
                return InvalidRequest(text, "Host")
            self._known_host = host
        try:
            request.path, request.query = path_and_query(self._target)
        except ValueError:
            if request.method == "CONNECT":
                return NotSupported("CONNECT is not known here")
            return InvalidRequest("The request's target is malformed")
        length = headers.get(b"content-length")
        if b"transfer-encoding" not in headers:
            if length is None:
                return None
            if self._bounds_of is None and len(length) <= _SMALL_DIGITS and length.isdigit():
                return None
        bounds = self._bounds = None if self._bounds_of is None else self._bounds_of(request)
        most_bytes = MAX_BODY_BYTES if bounds is None else bounds.most_bytes
        return framing_fault(headers, request.is_old, most_bytes)

    def _check_head(self, size_bytes: int) -> None:
        if size_bytes > MAX_HEAD_BYTES:
            text = f"The request's head is over {MAX_HEAD_BYTES} bytes"
            self._over("head_bytes", InvalidRequest(text))

    def _check_fields(self) -> None:
        if len(self._headers) > MAX_HEAD_FIELDS:
            text = f"The request's head has more than {MAX_HEAD_FIELDS} fields"
            self._over("head_fields", InvalidRequest(text))
            self._headers.clear()

    def _upgrade_offered(self, request: Request) -> None:
        """Keep in mind how the body ends, for a parser that knows of no upgrade."""
        if request.method == "CONNECT":
            self._refuse(NotSupported("CONNECT is not known here"))
            return
        self._upgrading = head_of_body(request.headers, self._parser.should_keep_alive())

    def _over(self, limit: str, fault: RookeryError) -> None:
        if not self._takes_no_more:
            self.limit_reached(limit)
            self._refuse(fault)

    def _refuse(self, fault: RookeryError) -> None:
        """Take no more from this client, and tell it why."""
        if not self._takes_no_more:
            self._takes_no_more = True
            if self._fail_stream(fault):
                return
            request = self._incoming or Request(self._remote)
            if not request.method and self._in_head and self._target:
                request.method = self._parser.get_method().decode("ascii")  # HEAD has no body.
            request.fault = fault
            self._body = b""
            self.read(request)

    def _feed_stream(self, stream: BodyStream, body: bytes) -> None:
        assert self._bounds is not None
        if self._body_bytes > self._bounds.most_bytes:
            self._over("body_bytes", too_large(self._bounds.most_bytes))
            return
        stream.feed(body)
        if stream.is_full:
            self.stream_filled()

    def _fail_stream(self, fault: RookeryError) -> bool:
        """Whether the request under way was handed on already, and now fails."""
        stream, self._stream = self._stream, None
        if stream is None:
            return False
        stream.fail(fault)
        return True

    def _expect(self, expectation: bytes, request: Request) -> None:
        """Answer an ``Expect`` header: let the body come, or refuse the request."""
        if expectation.lower() != b"100-continue":
            self._refuse(InvalidRequest("Only Expect: 100-continue is known", "Expect"))
        elif not request.is_old and self._bounds is None:
            self.body_expected()
