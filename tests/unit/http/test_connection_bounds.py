"""What one connection may make the server hold, over a transport that is none."""

import asyncio

import pytest

from rookery.http.protocol.connection import SLICE_BYTES, Connection
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.reading import FREE_BYTES, MAX_HEAD_FIELDS
from rookery.http.protocol.server import Server

TINY = b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"
BEGIN = b"GET / HTTP/1.1\r\nHost:a\r\n"


class Transport(asyncio.Transport):
    """Takes everything, and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.high_bytes: int | None = None
        self.is_reading_now = True
        self.is_over = False
        self.unsent_bytes = 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.1", 1)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_bytes = high

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def write_eof(self) -> None: ...

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True


async def respond(request: Request) -> Response:
    fault = request.fault
    return Response(200 if fault is None else fault.status, str(fault or "").encode(), {})


def connected() -> tuple[Server, Connection, Transport]:
    server, transport = Server(respond), Transport()
    connection = Connection(server, respond)
    connection.connection_made(transport)
    return server, connection, transport


async def answered(transport: Transport, count: int) -> list[bytes]:
    """The first lines of so many answers."""
    async with asyncio.timeout(5):
        while transport.sent.count(b"HTTP/1.1 ") < count:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return [line for line in transport.sent.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def fields(count: int) -> bytes:
    return b"".join(b"%03x:\r\n" % at for at in range(count))


@pytest.mark.parametrize("end", [b"", b"\r\n"])
async def test_a_head_of_very_many_fields_is_refused(end: bytes) -> None:
    """Also before it is complete, for an empty field takes many times its bytes."""
    server, connection, transport = connected()
    connection.data_received(BEGIN + fields(MAX_HEAD_FIELDS + 1) + end)
    assert (await answered(transport, 1))[0].startswith(b"HTTP/1.1 400 ")
    assert b"more than 100 fields" in transport.sent
    assert server.figures()["http_limited_head_fields"] == 1


async def test_a_head_of_many_fields_is_read() -> None:
    """As many as there may be."""
    _, connection, transport = connected()
    connection.data_received(BEGIN + fields(MAX_HEAD_FIELDS - 1) + b"\r\n")
    assert (await answered(transport, 1))[0].startswith(b"HTTP/1.1 200 ")


async def test_fields_that_are_held_count_more_than_their_bytes() -> None:
    """Each is two objects and a place in a table."""
    server, connection, _ = connected()
    connection.data_received(BEGIN + fields(MAX_HEAD_FIELDS - 1))
    assert server.figures()["http_held_bytes"] >= 12_000


async def test_unread_answers_are_counted_from_the_free_bytes_on() -> None:
    """The transport tells of what waits in it as soon as it is more than everybody may hold."""
    _, _, transport = connected()
    assert transport.high_bytes == FREE_BYTES


async def test_few_requests_are_made_for_a_client_that_does_not_read() -> None:
    """A request that waits takes many times its bytes; the bytes are counted as they are."""
    server, connection, transport = connected()
    connection.pause_writing()
    connection.data_received(TINY * 2000)
    assert len(connection._waiting) <= SLICE_BYTES // len(TINY) + 1 <= 50
    assert server.figures()["http_held_bytes"] > 2000 * len(TINY) - FREE_BYTES
    assert not transport.is_reading_now
    connection.resume_writing()
    assert len(await answered(transport, 2000)) == 2000
    assert transport.is_reading_now
    assert server.figures()["http_held_bytes"] == 0


async def test_reading_goes_on_after_a_refusal_among_what_waited() -> None:
    """Else the connection would end with unread bytes, and the reset would lose the answer."""
    _, connection, transport = connected()
    whole_slices = TINY * 315 + b"\r\n"
    assert len(whole_slices) == 8 << 10
    connection.data_received(whole_slices + b"no HTTP\r\n\r\n")
    assert not transport.is_reading_now
    async with asyncio.timeout(5):
        while b" 400 " not in transport.sent:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert transport.is_reading_now


async def test_the_preface_of_http_2_is_another_version() -> None:
    """RFC 9113, section 3.4: a client that knows beforehand what the server speaks."""
    _, connection, transport = connected()
    connection.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (await answered(transport, 1))[0].startswith(b"HTTP/1.1 505 ")


async def test_nothing_begins_after_a_refusal() -> None:
    """What the same bytes hold behind it is no request that is arriving."""
    _, connection, _ = connected()
    connection.data_received(b"GET / HTTP/1.1\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n")
    assert connection._incoming is None
