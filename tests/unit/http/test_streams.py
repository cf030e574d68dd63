"""Bodies and answers that are streamed, over a transport that is none."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from rookery.errors import InvalidRequest, PayloadTooLarge, RequestTooSlow, RookeryError
from rookery.http.protocol.bodies import STREAM_BUFFER_BYTES, StreamBounds
from rookery.http.protocol.connection import REQUEST_S, Connection
from rookery.http.protocol.message import Request, Response, StreamedResponse
from rookery.http.protocol.server import Server
from tests.unit.http.test_connection_bounds import Transport

MOST_BYTES = 300_000
WITHIN_S = 30.0
Handle = Callable[[Request], Awaitable[Response]]


def bounds_of(request: Request) -> StreamBounds | None:
    return StreamBounds(MOST_BYTES, WITHIN_S) if request.path == "/stream" else None


def connected(handle: Handle) -> tuple[Server, Connection, Transport]:
    async def respond(request: Request) -> Response:
        if request.fault is not None:
            return Response(request.fault.status, b"", {})
        try:
            return await handle(request)
        except RookeryError as error:
            return Response(error.status, type(error).__name__.encode(), {})

    server, transport = Server(respond, bounds_of=bounds_of), Transport()
    connection = Connection(server, respond, bounds_of)
    connection.connection_made(transport)
    return server, connection, transport


def head(length: int, more: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"PUT /stream HTTP/%b\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n" % (
        version, length, more,
    )  # fmt: skip


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def total(request: Request) -> Response:
    """Answers how many bytes came."""
    size = 0
    assert request.stream is not None
    async for chunk in request.stream:
        size += len(chunk)
    return Response(200, b"%d" % size, {})


async def test_a_handler_reads_while_the_body_arrives() -> None:
    """Each piece is there before the next one was sent; then the connection goes on."""
    seen: list[bytes] = []

    async def handle(request: Request) -> Response:
        assert request.stream is not None
        async for chunk in request.stream:
            seen.append(chunk)
        return Response(200, b"", {})

    _, connection, transport = connected(handle)
    connection.data_received(head(6))
    for piece in (b"one", b"two"):
        connection.data_received(piece)
        await settled()
        assert seen[-1] == piece
    assert transport.sent.startswith(b"HTTP/1.1 200 ")
    connection.data_received(head(1) + b"x" + head(2) + b"xy")
    await settled()
    assert transport.sent.count(b"HTTP/1.1 200 ") == 3 and not transport.is_over


async def test_a_slow_handler_makes_the_client_wait() -> None:
    """No more is held than the buffer and what was received at once."""
    may_read = asyncio.Event()

    async def handle(request: Request) -> Response:
        await may_read.wait()
        return await total(request)

    server, connection, transport = connected(handle)
    connection.data_received(head(250_000))
    sent = 0
    while transport.is_reading_now:
        connection.data_received(bytes(10_000))
        sent += 10_000
        await settled()
    assert STREAM_BUFFER_BYTES <= sent <= STREAM_BUFFER_BYTES + 20_000
    assert server.figures()["http_held_bytes"] >= STREAM_BUFFER_BYTES
    may_read.set()
    await settled()
    assert transport.is_reading_now
    while sent < 250_000:
        connection.data_received(bytes(10_000))
        sent += 10_000
        await settled()
    assert transport.sent.endswith(b"\r\n\r\n250000")
    assert server.figures()["http_held_bytes"] == 0


async def test_what_a_handler_does_not_read_is_passed_by() -> None:
    """A connection that ends with unread bytes is reset, and the answer lost."""
    may_answer = asyncio.Event()

    async def refuse(request: Request) -> Response:
        await may_answer.wait()
        return Response(403, b"", {})

    _, connection, transport = connected(refuse)
    connection.data_received(head(250_000))
    connection.data_received(bytes(100_000))
    assert not transport.is_reading_now
    may_answer.set()
    await settled()
    assert b"HTTP/1.1 403 " in transport.sent and b"Connection: close" in transport.sent
    assert transport.is_reading_now and not transport.is_over
    connection.data_received(bytes(100_000))
    assert transport.sent.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_streamed_body_over_its_bound_is_refused(is_chunked: bool) -> None:
    """By its announced length before the handler hears of it; else where the bound is reached."""
    outcome: list[object] = []

    async def handle(request: Request) -> Response:
        try:
            return await total(request)
        except RookeryError as error:
            outcome.append(type(error))
            raise

    server, connection, transport = connected(handle)
    if is_chunked:
        connection.data_received(
            b"PUT /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await settled()
        for _ in range(MOST_BYTES // 1000 + 1):
            connection.data_received(b"3e8\r\n" + bytes(1000) + b"\r\n")
            await settled()
        assert outcome == [PayloadTooLarge]
    else:
        connection.data_received(head(MOST_BYTES + 1))
        await settled()
        assert outcome == []
    assert transport.sent.startswith(b"HTTP/1.1 413 ") and b"Connection: close" in transport.sent
    assert server.figures()["http_limited_body_bytes"] == 1


async def test_other_bodies_keep_the_bound_of_all() -> None:
    """What is held whole is not larger for what another endpoint streams."""
    _, connection, transport = connected(total)
    connection.data_received(
        b"PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % ((1 << 20) + 1)
    )
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("end", "expected"),
    [("gone", InvalidRequest), ("cut off", InvalidRequest), ("malformed", InvalidRequest),
     ("late", RequestTooSlow)],
)  # fmt: skip
async def test_a_body_that_does_not_come_to_its_end_fails(
    end: str, expected: type[RookeryError]
) -> None:
    """The handler gets what arrived, then the error; it never waits for ever."""
    outcome: list[object] = []

    async def handle(request: Request) -> Response:
        assert request.stream is not None
        try:
            async for chunk in request.stream:
                outcome.append(chunk)
        except RookeryError as error:
            outcome.append(type(error))
            raise
        return Response(200, b"", {})

    _, connection, transport = connected(handle)
    connection.data_received(
        b"PUT /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    )
    await settled()
    if end == "gone":
        transport.is_over = True
        connection.connection_lost(None)
    elif end == "cut off":
        assert connection.eof_received()
    elif end == "malformed":
        connection.data_received(b"no size\r\n")
    else:
        connection.expire(connection._loop.time() + WITHIN_S - 1)
        await settled()
        assert outcome == [b"x"]
        connection.expire(connection._loop.time() + WITHIN_S + 1)
    await settled()
    assert outcome == [b"x", expected]
    if end != "gone":
        assert transport.sent.startswith(b"HTTP/1.1 %d " % expected.status)
        assert b"Connection: close" in transport.sent


async def test_a_client_that_waits_is_told_to_send_when_the_handler_reads() -> None:
    """A handler that refuses beforehand spares it the body."""
    _, connection, transport = connected(total)
    connection.data_received(head(1, b"Expect: 100-continue\r\n"))
    assert transport.sent == b""
    await settled()
    assert transport.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"x")
    await settled()
    assert transport.sent.endswith(b"\r\n\r\n1")

    async def refuse(request: Request) -> Response:
        return Response(403, b"", {})

    _, connection, transport = connected(refuse)
    connection.data_received(head(1, b"Expect: 100-continue\r\n"))
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 403 ") and b"100 Continue" not in transport.sent
    assert b"Connection: close" in transport.sent


def streaming(chunks: list[bytes], length_bytes: int | None = None) -> tuple[Handle, list[str]]:
    """A handler that streams, and what became of its generator."""
    told: list[str] = []

    async def generate() -> AsyncGenerator[bytes, None]:
        try:
            for chunk in chunks:
                told.append("made")
                yield chunk
        finally:
            told.append("closed")

    async def handle(request: Request) -> Response:
        return StreamedResponse(200, generate(), {}, length_bytes=length_bytes)

    return handle, told


GET = b"%b / HTTP/%b\r\nHost: a\r\n\r\n"


async def test_a_streamed_answer_comes_in_chunks() -> None:
    """Empty ones are left out, for they would end it; the connection goes on."""
    handle, told = streaming([b"one", b"", b"seventeen letters"])
    _, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.1"))
    await settled()
    sent_head, _, body = transport.sent.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in sent_head and b"Content-Length" not in sent_head
    assert body == b"3\r\none\r\n11\r\nseventeen letters\r\n0\r\n\r\n"
    assert told[-1] == "closed" and not transport.is_over


async def test_a_streamed_answer_of_a_given_length() -> None:
    """Is sent as it is."""
    handle, _ = streaming([b"one", b"two"], 6)
    _, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.1"))
    await settled()
    assert b"Content-Length: 6\r\n" in transport.sent and transport.sent.endswith(b"\r\n\r\nonetwo")


@pytest.mark.parametrize("length_bytes", [5, 7])
async def test_an_answer_that_is_not_as_long_as_promised_is_cut(length_bytes: int) -> None:
    """Else the client would take the next answer for a part of it, or this one for whole."""
    handle, told = streaming([b"one", b"two"], length_bytes)
    _, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.1"))
    await settled()
    assert transport.is_over and told[-1] == "closed"


async def test_an_old_client_finds_the_end_by_the_end_of_the_connection() -> None:
    """HTTP/1.0 has no chunks."""
    handle, _ = streaming([b"one", b"two"])
    _, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.0"))
    await settled()
    assert transport.sent.endswith(b"\r\n\r\nonetwo") and transport.is_over


async def test_head_gets_the_head_of_a_streamed_answer() -> None:
    """Nothing is made for it."""
    handle, told = streaming([b"one"], 3)
    _, connection, transport = connected(handle)
    connection.data_received(GET % (b"HEAD", b"1.1"))
    await settled()
    assert transport.sent.endswith(b"\r\n\r\n") and "made" not in told


async def test_no_more_is_made_than_the_client_takes_in() -> None:
    """It goes on when the client does; one that takes nothing for a minute is cut."""
    handle, told = streaming([b"x"] * 50)
    server, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.1"))
    connection.pause_writing()
    await settled()
    assert told == ["made"]
    connection.resume_writing()
    await settled()
    made = len(told)
    assert made > 1
    connection.pause_writing()
    await settled()
    assert len(told) <= made + 1
    connection.expire(connection._loop.time() + REQUEST_S + 1)
    assert transport.is_over and server.figures()["http_limited_request_s"] == 1


async def test_a_client_that_is_gone_ends_what_is_made_for_it() -> None:
    """Also where it waits for something that may never come."""
    told: list[str] = []

    async def generate() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            told.append("closed")

    async def handle(request: Request) -> Response:
        return StreamedResponse(200, generate(), {})

    server, connection, transport = connected(handle)
    connection.data_received(GET % (b"GET", b"1.1"))
    await settled()
    transport.is_over = True
    connection.connection_lost(None)
    await settled()
    assert told == ["closed"] and not server.connections


async def test_headers_of_one_name_are_kept_apart() -> None:
    """Those of the request as well as joined, those of the answer one by one."""
    seen: list[object] = []

    async def handle(request: Request) -> Response:
        seen.append(
            (request.header(b"x"), request.header_values(b"x"), request.header_values(b"y"))
        )
        return Response(200, b"", {}, (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")))

    _, connection, transport = connected(handle)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1, 2\r\nx: 3\r\nX: 4\r\n\r\n")
    await settled()
    assert seen == [("1, 2, 3, 4", ["1, 2", "3", "4"], [])]
    assert b"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in transport.sent
