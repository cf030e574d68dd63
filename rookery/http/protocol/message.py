"""A request and a response as values, and the head of a response as bytes. Pure: no I/O."""

from collections.abc import AsyncGenerator, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from rookery.errors import RookeryError
from rookery.http.protocol.bodies import BodyStream

HEAD = "HEAD"
_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n" for each in HTTPStatus}


class Request:
    """What a client sent: whole, or its head with a `stream` of a body that is still arriving.

    `path` is as it was sent, percent-encoded; it is empty where the target is none (``*``, or an
    authority), and `query` is without its question mark. Header names are in lower case; one that
    came several times has its values joined by commas, as RFC 9110, section 5.3, has it, and by
    line breaks in `repeated`. `fault` says what is wrong with it as HTTP; nothing else of it counts
    then. `is_old` if it is HTTP/1.0, where a connection is only kept if both sides say so.
    """

    __slots__ = (
        "body", "fault", "headers", "is_old", "method", "path", "query", "remote", "repeated",
        "stream",
    )  # fmt: skip

    def __init__(self, remote: str) -> None:
        self.method = ""
        self.path = ""
        self.query = ""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.remote = remote
        self.fault: RookeryError | None = None
        self.is_old = False
        self.repeated: dict[bytes, bytes] | None = None
        self.stream: BodyStream | None = None

    def header(self, name: bytes) -> str | None:
        """The value of the header `name` (in lower case); None without it."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def add_value(self, name: bytes, value: bytes) -> None:
        """Keep the value of a header that came before; no value has a line break in it."""
        if self.repeated is None:
            self.repeated = {}
        earlier = self.repeated.get(name, self.headers[name])
        self.repeated[name] = earlier + b"\n" + value

    def header_values(self, name: bytes) -> list[str]:
        """Each value of the header `name` (in lower case), in the order in which they came."""
        if self.repeated is not None and name in self.repeated:
            return self.repeated[name].decode("latin-1").split("\n")
        value = self.header(name)
        return [] if value is None else [value]


class Response:
    """What is answered. The framing headers (length, date, connection) are added by `encoded`.

    `repeated` has headers that come several times, such as ``Set-Cookie``, one entry each.
    """

    __slots__ = ("body", "headers", "repeated", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        repeated: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.repeated = repeated

    def encoded(self, request: Request, is_last: bool) -> bytes:
        """All bytes of the answer to `request`, after which the connection ends if `is_last`."""
        # RFC 9110, section 8.6: no length where there can be no body.
        length = "" if self.status == 204 else f"Content-Length: {len(self.body)}\r\n"
        head = self.head(request, is_last, length)
        return head if request.method == HEAD else head + self.body

    def head(self, request: Request, is_last: bool, framing: str) -> bytes:
        """The head; `framing` says how the end of the body is found."""
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        if self.repeated:
            fields += "".join([f"{name}: {value}\r\n" for name, value in self.repeated])
        connection = ""
        if is_last:
            connection = "Connection: close\r\n"
        elif request.is_old:
            connection = "Connection: keep-alive\r\n"
        return (
            f"{_STATUS_LINES[self.status]}{fields}{framing}"
            f"Date: {_http_date(int(time()))}\r\n{connection}\r\n"
        ).encode("latin-1")


class StreamedResponse(Response):
    """An answer whose body is made while it is sent.

    `chunks` is closed when all is sent, or when the client is gone. Without `length_bytes` the body
    is sent in chunks, or to an HTTP/1.0 client until the connection ends.
    """

    __slots__ = ("chunks", "length_bytes")

    def __init__(
        self,
        status: int,
        chunks: AsyncGenerator[bytes, None],
        headers: dict[str, str],
        repeated: Sequence[tuple[str, str]] = (),
        length_bytes: int | None = None,
    ) -> None:
        super().__init__(status, b"", headers, repeated)
        self.chunks = chunks
        self.length_bytes = length_bytes


@lru_cache(maxsize=1)
def _http_date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
