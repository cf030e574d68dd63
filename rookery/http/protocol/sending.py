"""Answers that are made while they are sent, no faster than the client takes them in."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from rookery.http.protocol.message import HEAD, Request, StreamedResponse


class WrongLength(Exception):
    """A streamed answer has more or fewer bytes than its head promised."""


def ends_connection(response: StreamedResponse, request: Request) -> bool:
    """Whether only the end of the connection tells the end of the body (RFC 9112, section 6.3)."""
    return response.length_bytes is None and request.is_old and request.method != HEAD


async def send(
    response: StreamedResponse,
    request: Request,
    is_last: bool,
    write: Callable[[bytes], None],
    drained: Callable[[], Awaitable[None]],
) -> None:
    """Write the whole answer; `drained` returns when the client may be sent more.

    The chunks' generator is closed, whatever happens.

    Raises:
        WrongLength: the body is not as long as was promised.
        Exception: whatever the generator raises.
    """
    length = response.length_bytes
    is_chunked = length is None and not request.is_old
    async with aclosing(response.chunks) as chunks:
        write(response.head(request, is_last, _framing(length, is_chunked)))
        if request.method == HEAD:
            return
        sent_bytes = 0
        async for chunk in chunks:
            if not chunk:
                continue
            sent_bytes += len(chunk)
            if length is not None and sent_bytes > length:
                raise WrongLength(f"more than the {length} bytes that were promised")
            write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
            await drained()
            await asyncio.sleep(0)  # A generator that never waits must not stop all others.
        if length is not None and sent_bytes < length:
            raise WrongLength(f"{sent_bytes} bytes instead of the {length} that were promised")
        if is_chunked:
            write(b"0\r\n\r\n")


def _framing(length_bytes: int | None, is_chunked: bool) -> str:
    if length_bytes is not None:
        return f"Content-Length: {length_bytes}\r\n"
    return "Transfer-Encoding: chunked\r\n" if is_chunked else ""
