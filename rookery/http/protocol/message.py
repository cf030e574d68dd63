"""A request and a response as values, and the head of a response as bytes. Pure: no I/O."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from rookery.errors import RookeryError

HEAD = "HEAD"
_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n" for each in HTTPStatus}


class Request:
    """What a client sent, whole.

    `path` is as it was sent, percent-encoded; it is empty where the target is none (``*``, or an
    authority), and `query` is without its question mark. Header names are in lower case; one that
    came several times has its values joined by commas, as RFC 9110, section 5.3, has it. `fault`
    says what is wrong with it as HTTP; nothing else of it counts then. `is_old` if it is HTTP/1.0,
    where a connection is only kept if both sides say so.
    """

    __slots__ = ("body", "fault", "headers", "is_old", "method", "path", "query", "remote")

    def __init__(self, remote: str) -> None:
        self.method = ""
        self.path = ""
        self.query = ""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.remote = remote
        self.fault: RookeryError | None = None
        self.is_old = False

    def header(self, name: bytes) -> str | None:
        """The value of the header `name` (in lower case); None without it."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class Response:
    """What is answered. The framing headers (length, date, connection) are added by `encoded`."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    def encoded(self, request: Request, is_last: bool) -> bytes:
        """All bytes of the answer to `request`, after which the connection ends if `is_last`."""
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        connection = ""
        if is_last:
            connection = "Connection: close\r\n"
        elif request.is_old:
            connection = "Connection: keep-alive\r\n"
        # RFC 9110, section 8.6: no length where there can be no body.
        length = "" if self.status == 204 else f"Content-Length: {len(self.body)}\r\n"
        head = (
            f"{_STATUS_LINES[self.status]}{fields}{length}"
            f"Date: {_http_date(int(time()))}\r\n{connection}\r\n"
        ).encode("latin-1")
        return head if request.method == HEAD else head + self.body


@lru_cache(maxsize=1)
def _http_date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
