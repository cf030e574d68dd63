"""Passing by an offered ``Upgrade``, as RFC 9110, section 7.8, lets a server. Pure: no I/O."""

from collections.abc import Callable
from typing import Protocol


class ParserEvents(Protocol):
    """What the parser calls."""

    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_message_begin(self) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


def head_of_body(headers: dict[bytes, bytes], keeps_alive: bool) -> bytes:
    """A head that offers no upgrade, and tells of the body and of nothing else."""
    head = b"POST / HTTP/1.1\r\n"
    if not keeps_alive:
        head += b"Connection: close\r\n"
    if b"transfer-encoding" in headers:
        head += b"Transfer-Encoding: chunked\r\n"
    else:
        head += b"Content-Length: %b\r\n" % headers.get(b"content-length", b"0")
    return head + b"\r\n"


class Replay:
    """A parser's protocol that passes by the head which it is told instead of the real one."""

    def __init__(self, reader: ParserEvents) -> None:
        self.is_over = False
        self.on_url = self._unless_replayed(reader.on_url)
        self.on_header = reader.on_header  # It takes none outside a head.
        self.on_message_begin = self._unless_replayed(reader.on_message_begin)
        self.on_headers_complete = self._unless_replayed(reader.on_headers_complete)
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete

    def _unless_replayed(self, callback: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: bytes) -> None:
            if self.is_over:
                callback(*arguments)

        return called
