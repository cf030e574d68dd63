"""A connection as its client sees it: framing, turns, limits and the end."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rookery.http.protocol import connection as connections
from rookery.http.protocol import server as servers
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.server import Server, serve
from tests.integration.http_world import http_world

Respond = Callable[[Request], Awaitable[Response]]


async def echo(request: Request) -> Response:
    """Says what arrived."""
    fault = None if request.fault is None else request.fault.code
    seen = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode(),
        "fault": fault,
        "headers": {name.decode(): value.decode() for name, value in request.headers.items()},
    }
    return Response(200 if fault is None else 400, json.dumps(seen).encode(), {})


class Peer:
    """A client that sends bytes, and reads answers one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)

    async def head(self) -> dict[str, str]:
        """Status and headers of the next answer; the status under an empty name."""
        raw = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode()
        lines = raw.split("\r\n")[:-2]
        fields = (line.split(": ", 1) for line in lines[1:])
        return {"": lines[0].split(" ")[1]} | dict(fields)

    async def answer(self) -> tuple[int, dict[str, object], dict[str, str]]:
        head = await self.head()
        body = await self.reader.readexactly(int(head["Content-Length"]))
        return int(head[""]), json.loads(body), head

    async def is_closed(self, within_s: float = 5.0) -> bool:
        """Whether the server ends the connection, without another byte."""
        try:
            return await asyncio.wait_for(self.reader.read(1), within_s) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


@asynccontextmanager
async def served(
    respond: Respond = echo, **settings: Any
) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[Peer]]]]:
    server = await serve(respond, "127.0.0.1", 0, **settings)
    peers: list[Peer] = []

    async def connect() -> Peer:
        peers.append(Peer(*await asyncio.open_connection("127.0.0.1", server.port)))
        return peers[-1]

    try:
        yield server, connect
    finally:
        for peer in peers:
            peer.writer.close()
        await server.close()


GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_request_may_come_in_single_bytes() -> None:
    """However the bytes are cut, the request is the same."""
    sent = (
        b"POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
    )
    async with served() as (_, connect):
        peer = await connect()
        for at in range(len(sent)):
            peer.send(sent[at : at + 1])
            await peer.writer.drain()
            await asyncio.sleep(0)
        status, seen, _ = await peer.answer()
    assert status == 200
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == (
        "POST", "/a%20b", "c=d", "hello",
    )  # fmt: skip
    headers = seen["headers"]
    assert isinstance(headers, dict)
    assert headers["x-a"] == "1, 2"


async def test_chunked_body_is_whole_and_its_trailers_are_no_headers() -> None:
    """A trailer must not pass for a header, least of all for one that signs in."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\nAuthorization: Bearer forged\r\n\r\n"
        )
        _, seen, _ = await peer.answer()
        assert seen["body"] == "abcde"
        headers = seen["headers"]
        assert isinstance(headers, dict)
        assert "authorization" not in headers
        peer.send(GET % 1)  # and the body of one request is not the next one's
        assert (await peer.answer())[1]["body"] == ""


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://example.org/x?y", "/x", "y"),
        (b"http://example.org", "/", ""),
        (b"*", "", ""),
        (b"/x?a?b#c", "/x", "a?b"),
    ],
)
async def test_target_has_several_forms(target: bytes, path: str, query: str) -> None:
    """Absolute targets, as proxies send them, name the same path."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        _, seen, _ = await peer.answer()
    assert (seen["path"], seen["query"]) == (path, query)


async def test_pipelined_requests_are_answered_in_turn() -> None:
    """Several requests in one packet: one at a time, in their order, the first being slow."""
    under_way = most = 0

    async def slow_at_first(request: Request) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05 if request.path == "/0" else 0)
        under_way -= 1
        return await echo(request)

    async with served(slow_at_first) as (_, connect):
        peer = await connect()
        peer.send(b"".join(GET % n for n in range(20)))
        paths = [(await peer.answer())[1]["path"] for _ in range(20)]
        peer.send(GET % 20)
        paths.append((await peer.answer())[1]["path"])
    assert paths == [f"/{n}" for n in range(21)]
    assert most == 1


async def test_malformed_request_is_refused_after_those_before_it() -> None:
    """What came before nonsense is answered; the nonsense is the last."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(GET % 1 + b"nonsense\r\n\r\n" + GET % 2)
        assert (await peer.answer())[0] == 200
        status, seen, head = await peer.answer()
        assert (status, seen["fault"], head["Connection"]) == (400, "invalid_request", "close")
        assert await peer.is_closed()


async def test_refusal_reaches_a_client_that_is_still_sending() -> None:
    """A body too large is refused at its header; the answer is not lost to a reset."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        for _ in range(50):
            peer.send(b"x" * 65536)
            await asyncio.sleep(0)
        status, seen, _ = await peer.answer()
        assert (status, seen["fault"]) == (400, "payload_too_large")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", None, None),
        (b"1.1", b"close", "close"),
        (b"1.0", None, "close"),
        (b"1.0", b"keep-alive", "keep-alive"),
    ],
)
async def test_connection_is_kept_as_the_client_asks(
    version: bytes, connection: bytes | None, kept: str | None
) -> None:
    """HTTP/1.1 keeps it unless told otherwise, HTTP/1.0 closes it unless told otherwise."""
    wish = b"" if connection is None else b"Connection: " + connection + b"\r\n"
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"GET / HTTP/" + version + b"\r\nHost: x\r\n" + wish + b"\r\n")
        _, _, head = await peer.answer()
        assert head.get("Connection") == kept
        assert await peer.is_closed(within_s=0.2) is (kept == "close")


async def test_head_is_answered_with_the_length_alone() -> None:
    """HEAD has no body, and the next request on the connection is understood."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET % 1)
        assert int((await peer.head())["Content-Length"]) > 0
        assert (await peer.answer())[1]["path"] == "/1"


async def test_client_that_has_sent_all_still_gets_its_answers() -> None:
    """A half-closed connection is answered, then closed."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(GET % 1 + GET % 2)
        peer.writer.write_eof()
        assert [(await peer.answer())[1]["path"] for _ in range(2)] == ["/1", "/2"]
        assert await peer.is_closed()


async def test_client_that_reads_nothing_is_answered_no_further() -> None:
    """Answers wait until they are taken: they are not piled up in memory."""
    answered = 0

    async def large(request: Request) -> Response:
        nonlocal answered
        answered += 1
        return Response(200, b"x" * 1_000_000, {})

    async with served(large) as (_, connect):
        peer = await connect()
        peer.send(b"".join(GET % n for n in range(200)))
        await asyncio.sleep(0.3)
        assert answered < 100
        for _ in range(200):
            head = await peer.head()
            await peer.reader.readexactly(int(head["Content-Length"]))
        assert answered == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        GET % 1,
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nHo",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
    ],
)
async def test_silent_connection_is_cut(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Idle, or in the middle of a request: nobody holds a connection for ever."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    monkeypatch.setattr(connections, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    async with served() as (server, connect):
        peer = await connect()
        peer.send(sent)
        if sent.endswith(b"\r\n\r\n"):
            await peer.answer()
        assert await peer.is_closed()
        assert not server.connections


BODY_BYTES = 30_000_000
CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def huge(request: Request) -> Response:
    return Response(200, b"x" * BODY_BYTES, {})


async def test_last_answer_that_nobody_takes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is to end does not wait for its client for ever."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    async with served(huge) as (server, connect):
        peer = await connect()
        peer.send(CLOSE)
        await asyncio.sleep(1)
        assert not server.connections
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await peer.reader.readexactly(BODY_BYTES)


async def test_end_waits_until_the_last_answer_is_sent() -> None:
    """Closing the server does not cut off what a slow client is still reading."""
    async with served(huge) as (server, connect):
        peer = await connect()
        peer.send(CLOSE)
        head = await peer.head()
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0.2)
        assert not closing.done()
        await peer.reader.readexactly(int(head["Content-Length"]))
        await closing


async def test_dripping_request_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not buy more time."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    async with served() as (_, connect):
        peer = await connect()
        closed = asyncio.create_task(peer.is_closed())
        for byte in b"GET / HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
            if closed.done():
                break
            peer.send(bytes([byte]))
            await asyncio.sleep(0.02)
        assert closed.done()
        assert await closed


async def test_end_lets_a_request_under_way_finish() -> None:
    """Closing the server cuts idle connections at once, and waits for answers."""
    begun = asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await asyncio.sleep(0.2)
        return await echo(request)

    async with served(slow) as (server, connect):
        idle, busy = await connect(), await connect()
        busy.send(GET % 1)
        await begun.wait()
        closing = asyncio.create_task(server.close())
        assert await idle.is_closed()
        _, seen, head = await busy.answer()
        assert (seen["path"], head["Connection"]) == ("/1", "close")
        await closing


async def test_drained_connection_ends_with_its_next_answer() -> None:
    """A client that is draining away loses no request."""
    async with served() as (server, connect):
        peer = await connect()
        peer.send(GET % 1)
        assert "Connection" not in (await peer.answer())[2]
        draining = asyncio.create_task(server.drain(5))
        await asyncio.sleep(0.05)
        assert not draining.done()
        peer.send(GET % 2)
        assert (await peer.answer())[2]["Connection"] == "close"
        await draining


async def test_request_is_carried_out_though_its_client_has_gone() -> None:
    """Whoever leaves gets no answer; what was asked for is not broken off half way."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await asyncio.sleep(0.1)
        done.set()
        return await echo(request)

    async with served(slow) as (server, connect):
        peer = await connect()
        peer.send(GET % 1)
        await begun.wait()
        peer.writer.transport.abort()
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0.05)
        assert not server.connections


async def test_compressed_body_is_unpacked() -> None:
    """gzip is taken; a bomb is too large, and an unknown encoding not supported."""
    text = json.dumps({"username": "nobody", "password": "wrong password"}).encode()
    sent = {
        "gzip": (gzip.compress(text), 401),
        "deflate": (gzip.compress(text), 401),
        "br": (text, 415),
        "x-gzip": (gzip.compress(b" " * (20 << 20)), 413),
        "gzip ": (gzip.compress(text)[:-4], 400),
    }
    async with http_world() as world:
        for encoding, (body, expected) in sent.items():
            headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
            async with world.session.post(
                f"{world.base}/login", data=body, headers=headers
            ) as answer:
                assert (encoding, answer.status) == (encoding, expected)
