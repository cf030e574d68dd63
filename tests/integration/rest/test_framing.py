"""Where a message begins and ends, and what it may weigh outside its body (RFC 9112)."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from rookery.http.protocol import connection as connections
from rookery.http.protocol import reading
from rookery.http.protocol import server as servers
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.reading import MAX_FRAMING_BYTES, MAX_HEAD_BYTES
from rookery.http.protocol.server import Server, ServerLimits
from tests.integration.rest.test_connection import GET, Peer, echo, served

POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def refused(peer: Peer, status: int = 400) -> dict[str, object]:
    """What the last answer says."""
    got, seen, head = await peer.answer()
    assert (got, head["Connection"]) == (status, "close"), seen
    assert await peer.is_closed()
    return seen


async def pour(peer: Peer, parts: Iterable[bytes]) -> None:
    """Send until the server wants no more, or all is sent."""
    try:
        for part in parts:
            peer.send(part)
            await peer.writer.drain()
    except ConnectionError:
        pass


ENDLESS = {
    "a trailer": (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 1000),
    "trailers": (CHUNKED + b"0\r\n", b"X: a\r\n" * 200),
    "the name of a trailer": (CHUNKED + b"0\r\n", b"a" * 1000),
    "an extension of a chunk": (CHUNKED + b"1;a=", b"a" * 1000),
    "the size of a chunk": (CHUNKED, b"0" * 1000),
    "chunks of one byte": (CHUNKED, b"1\r\na\r\n" * 200),
    "a field of the head": (b"GET / HTTP/1.1\r\nX: ", b"a" * 1000),
    "the target": (b"GET /", b"a" * 1000),
    "blank lines": (b"", b"\r\n" * 500),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_nothing_that_is_no_body_is_endless(what: str) -> None:
    """Whatever a client goes on sending, it is refused after some kilobytes."""
    begin, more = ENDLESS[what]
    bound = (MAX_HEAD_BYTES + MAX_FRAMING_BYTES) * 2
    async with served() as (_, connect):
        peer = await connect()
        await pour(peer, [begin, *[more] * (bound // len(more))])
        await refused(peer)


async def test_a_drip_of_trailers_buys_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has its time in all, however its bytes are spread over it."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    async with served() as (_, connect):
        peer = await connect()
        closed = asyncio.create_task(peer.is_closed())
        peer.send(CHUNKED + b"0\r\nX: ")
        async with asyncio.timeout(5):
            while not closed.done():
                peer.send(b"a")
                await asyncio.sleep(0.01)
        assert await closed


async def test_blank_lines_buy_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty lines before a request are let pass, and are no sign of life."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    monkeypatch.setattr(connections, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(reading, "MAX_BLANK_BYTES", 1 << 20)
    async with served() as (_, connect):
        peer = await connect()
        closed = asyncio.create_task(peer.is_closed())
        async with asyncio.timeout(5):
            while not closed.done():
                peer.send(b"\r\n")
                await asyncio.sleep(0.01)
        assert await closed


async def test_some_blank_lines_are_let_pass() -> None:
    """RFC 9112, section 2.2."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"\r\n\r\n" + GET % 1)
        assert (await peer.answer())[1]["path"] == "/1"
        peer.send(b"\r\n")
        peer.send(GET % 2)
        assert (await peer.answer())[1]["path"] == "/2"


async def test_small_chunks_are_taken_while_they_cost_little() -> None:
    """A body of a few kilobytes may come in single bytes."""
    async with served() as (_, connect):
        peer = await connect()
        await pour(peer, [CHUNKED, *[b"1\r\na\r\n"] * 5000, b"0\r\n\r\n"])
        status, seen, _ = await peer.answer()
        assert (status, seen["body"]) == (200, "a" * 5000)


async def test_a_body_in_chunks_of_some_hundred_bytes_may_have_its_full_size() -> None:
    """The bound on framing does not lower the bound on bodies."""
    chunk = b"100\r\n" + b"a" * 256 + b"\r\n"
    async with served() as (_, connect):
        peer = await connect()
        await pour(peer, [CHUNKED, *[chunk * 16] * 256, b"0\r\n\r\n"])
        status, seen, _ = await peer.answer()
        assert status == 200
        assert len(str(seen["body"])) == 1 << 20


async def test_a_body_in_tiny_pieces_takes_no_more_memory_than_its_size() -> None:
    """One buffer a body, and no object for each piece."""
    async with served() as (server, connect):
        peer = await connect()
        size = 300_000
        peer.send(POST + b"Content-Length: %d\r\n\r\n" % (size + 1))
        (connection,) = await _until_one(server)
        for _ in range(size // 100):
            peer.send(b"a" * 100)
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while connection._body_bytes < size:  # noqa: ASYNC110
                await asyncio.sleep(0)
        gc.collect()
        assert sys.getsizeof(connection._body) < size * 1.3
        assert isinstance(connection._body, bytearray)


async def _until_one(server: Server) -> list[connections.Connection]:
    async with asyncio.timeout(10):
        while not server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return list(server.connections)


async def test_pipelined_requests_wait_as_bytes() -> None:
    """What one packet holds is parsed as it is answered: thousands of requests are not objects."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await go.wait()
        return await echo(request)

    many = 20_000
    async with served(slow) as (server, connect):
        peer = await connect()
        sending = asyncio.create_task(pour(peer, [GET % n for n in range(many)]))
        await begun.wait()
        (connection,) = server.connections
        async with asyncio.timeout(10):
            while not connection._is_paused:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert len(connection._waiting) < 500
        go.set()
        for number in range(many):
            assert (await peer.answer())[1]["path"] == f"/{number}"
        await sending


async def test_a_head_behind_others_in_one_packet_is_not_too_large() -> None:
    """What belongs to the requests before is not counted with it."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"".join(GET % n for n in range(2000)) + b"GET /last HT")
        for number in range(2000):
            assert (await peer.answer())[1]["path"] == f"/{number}"
        peer.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert (await peer.answer())[1]["path"] == "/last"


async def test_unfinished_bodies_have_one_budget() -> None:
    """What strangers leave unfinished is bounded in sum, and told; small bodies go on.

    Where all of it is of one address, its oldest request makes room.
    """
    limits = ServerLimits(held_bytes=200_000)
    with capture_logs() as logs:
        async with served(limits=limits) as (server, connect):
            first, second, small = [await connect() for _ in range(3)]
            first.send(POST + b"Content-Length: 90000\r\n\r\n" + b"a" * 80_000)
            async with asyncio.timeout(10):
                while not server.figures()["http_held_bytes"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            second.send(POST + b"Content-Length: 90000\r\n\r\n" + b"a" * 80_000)
            assert await first.is_closed()
            small.send(POST + b"Content-Length: 5\r\n\r\nhello")
            assert (await small.answer())[1]["body"] == "hello"
            second.send(b"a" * 10_000)
            assert (await second.answer())[0] == 200
            assert server.figures()["http_held_bytes"] == 0
    assert [line["times"] for line in logs if line.get("limit") == "held_bytes"] == [1]


async def test_a_body_larger_than_all_there_is_room_for_is_refused() -> None:
    """Nobody has to go for it."""
    async with served(limits=ServerLimits(held_bytes=60_000)) as (_, connect):
        peer = await connect()
        peer.send(POST + b"Content-Length: 90000\r\n\r\n" + b"a" * 80_000)
        assert (await peer.answer())[1]["fault"] == "overloaded"


HOSTS = {
    "two": b"Host: x\r\nHost: x\r\n",
    "two that differ": b"Host: x\r\nHost: y\r\n",
    "a space": b"Host: a b\r\n",
    "empty": b"Host:\r\n",
    "blank": b"Host:   \r\n",
    "only a port": b"Host: :80\r\n",
    "no number": b"Host: x:a\r\n",
    "a port too high": b"Host: x:65536\r\n",
    "a path": b"Host: x/y\r\n",
    "a user": b"Host: u@x\r\n",
    "a list": b"Host: x, y\r\n",
    "half a bracket": b"Host: [::1\r\n",
    "no address": b"Host: [x]\r\n",
    "not ASCII": b"Host: \xc3\xa4\r\n",
    "a bad escape": b"Host: a%zz\r\n",
}


@pytest.mark.parametrize("what", HOSTS)
async def test_a_host_that_is_none_is_refused(what: str) -> None:
    """RFC 9112, section 3.2: more than one, or an invalid one, is 400."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET / HTTP/1.1\r\n" + HOSTS[what] + b"\r\n")
        assert (await refused(peer))["fault"] == "invalid_request"


@pytest.mark.parametrize(
    "host",
    [
        b"x", b"x:80", b"x:", b"a.b-c_d.example", b"127.0.0.1:8000", b"[::1]", b"[::1]:8000",
        b"[::ffff:127.0.0.1]", b"[v1.a:b]", b"a%20b", b"xn--bcher-kva.example",
    ],
)  # fmt: skip
async def test_every_form_of_a_host_is_taken(host: bytes) -> None:
    """RFC 3986, section 3.2.2, and a port or none."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert (await peer.answer())[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        b"http://", b"http:///x", b"http://a b/", b"http://u@x/", b"http://x:99999/", b"ftp://x/",
        b"http://[::1/", b"x", b"/a b", b"/\x80", b"/a\x00",
    ],
)  # fmt: skip
async def test_a_target_that_is_none_is_refused(target: bytes) -> None:
    """RFC 9112, section 3.2; the authority of an absolute one: RFC 9110, section 4.2.1."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await refused(peer)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        (b"Transfer-Encoding: identity, chunked", 501),
        (b"Transfer-Encoding: gzip", 400),
        (b"Transfer-Encoding: identity", 400),
        (b"Transfer-Encoding: xchunked", 400),
        (b"Transfer-Encoding: chunked;q=1", 400),
        (b"Transfer-Encoding: chunked, gzip", 400),
        (b"Transfer-Encoding: chunked, chunked", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding:", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 1", 400),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Content-Length: " + b"9" * 5000, 400),
        (b"Content-Length: " + b"0" * 5000 + b"1", 400),
        (b"Content-Length: 99999999999999999999", 400),
        (b"Content-Length: +1", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 0x1", 400),
        (b"Content-Length: 1, 1", 400),
        (b"Content-Length: 1 1", 400),
        (b"Content-Length: 1.0", 400),
        (b"Content-Length: \xc2\xb2", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: 1\r\nContent-Length: 1", 400),
        (b"Content-Length: 1\r\nContent-Length: 2", 400),
        (b"Content-Length: 9999999", 413),
    ],
)
async def test_framing_that_is_faulty_ends_the_connection(fields: bytes, status: int) -> None:
    """RFC 9112, sections 6.1 to 6.3 and 7; answered, without a fault of ours in the log."""

    async def by_status(request: Request) -> Response:
        response = await echo(request)
        response.status = 200 if request.fault is None else request.fault.status
        return response

    with capture_logs() as logs:
        async with served(by_status) as (_, connect):
            peer = await connect()
            peer.send(POST + fields + b"\r\n\r\n1\r\na\r\n0\r\n\r\n" + GET % 1)
            await refused(peer, status)
    assert not [line for line in logs if line["log_level"] == "error"]


@pytest.mark.parametrize("connection", [b"", b"Connection: keep-alive\r\n"])
async def test_chunks_in_http_1_0_are_faulty(connection: bytes) -> None:
    """RFC 9112, section 6.1: whatever else it says, the connection ends."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(
            b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + connection
            + b"\r\n1\r\na\r\n0\r\n\r\n" + GET % 1
        )  # fmt: skip
        await refused(peer)


@pytest.mark.parametrize(
    "line",
    [
        b"A: b\r\n c", b"A: b\r\n\tc", b"A: \x00", b"A: b\x01c", b"A: b\x7fc", b"A: b\rc",
        b"A: b\nc",        b"A : b", b" A: b", b"A\x01: b", b"A\xe4: b", b": b", b"A(b): c", b"A",
    ],
)  # fmt: skip
async def test_a_field_that_is_none_is_refused(line: bytes) -> None:
    """RFC 9112, sections 5.1 and 5.2 (no folding), RFC 9110, section 5.5 (no controls)."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n")
        await refused(peer)


@pytest.mark.parametrize(
    "name", ["Authorization", "Content-Type", "Idempotency-Key", "Origin", "authorization"]
)
async def test_two_of_what_there_may_be_one_of_are_refused(name: str) -> None:
    """RFC 9110, section 5.3: joined by a comma they would be another value, or none."""
    field = name.encode() + b": a\r\n"
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + field + field.upper() + b"\r\n")
        await refused(peer)


OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
)


@pytest.mark.parametrize("cut", [0, 1, 40, 130, 175])
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ],
)
async def test_an_offer_to_upgrade_is_passed_by(body: bytes, cut: int) -> None:
    """RFC 9110, section 7.8: the request is answered with its body, and the next one after it."""
    sent = POST + OFFER + body + GET % 1
    async with served() as (_, connect):
        peer = await connect()
        for part in (sent[:cut], sent[cut:]):
            peer.send(part)
            await peer.writer.drain()
            await asyncio.sleep(0.01)
        status, seen, head = await peer.answer()
        assert (status, seen["path"], seen["body"]) == (200, "/a", "hello")
        assert "Connection" not in head
        assert (await peer.answer())[1]["path"] == "/1"
        peer.send(sent)
        assert [(await peer.answer())[1]["path"] for _ in range(2)] == ["/a", "/1"]


async def test_an_offer_to_upgrade_in_single_bytes() -> None:
    """However its bytes are cut."""
    async with served() as (_, connect):
        peer = await connect()
        for byte in POST + OFFER + b"Content-Length: 5\r\n\r\nhello" + GET % 1:
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await peer.answer())[1]["body"] == "hello"
        assert (await peer.answer())[1]["path"] == "/1"


async def test_a_websocket_is_not_opened_here() -> None:
    """Its request is one like any other to this port."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n" + GET % 1)
        assert (await peer.answer())[:2][0] == 200
        assert (await peer.answer())[1]["path"] == "/1"


async def test_an_offer_to_upgrade_ends_where_the_client_says_so() -> None:
    """``close`` beside ``upgrade`` still closes."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(
            b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
        )
        assert (await peer.answer())[2]["Connection"] == "close"
        assert await peer.is_closed()


async def test_a_body_too_large_is_refused_behind_an_offer_to_upgrade() -> None:
    """The offer is no way around the limits."""
    async with served() as (_, connect):
        peer = await connect()
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        await pour(peer, [POST + OFFER + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 17])
        assert (await refused(peer))["fault"] == "payload_too_large"


async def test_a_fault_of_ours_in_reading_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """500, and the connection ends: it is not cut without a word."""

    def broken(target: bytes) -> tuple[str, str]:
        raise RuntimeError

    monkeypatch.setattr(reading, "path_and_query", broken)
    with capture_logs() as logs:
        async with served() as (_, connect):
            peer = await connect()
            peer.send(GET % 1)
            assert (await refused(peer))["fault"] == "internal"
    assert [line for line in logs if line["log_level"] == "error"]


async def test_a_head_request_that_is_refused_gets_no_body() -> None:
    """RFC 9110, section 9.3.2."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert (await peer.head())[""] == "400"
        assert await peer.is_closed()


async def test_a_connection_that_is_cut_leaves_nothing_behind() -> None:
    """Its unfinished body is freed at once, not when the garbage collector comes by."""
    async with served() as (server, connect):
        peer = await connect()
        peer.send(POST + b"Content-Length: 90000\r\n\r\n" + b"a" * 80_000)
        (connection,) = await _until_one(server)
        async with asyncio.timeout(10):
            while connection._body_bytes < 80_000:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        left = weakref.ref(connection)
        gc.disable()
        try:
            del connection
            peer.writer.transport.abort()
            async with asyncio.timeout(10):
                while left() is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        finally:
            gc.enable()
