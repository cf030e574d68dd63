"""Who is let in by the WebSocket server, and what all others are told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rookery.connection.server import ConnectionListener
from rookery.errors import PortTaken
from tests.integration.websocket.serving import (
    MSGPACK,
    SETTINGS,
    UPGRADE,
    WITHIN_S,
    Server,
    closed,
    read,
    until,
)


@pytest.mark.parametrize(
    ("token", "query", "code"),
    [
        ("nonsense", "", 4401),
        ("expired", "", 4402),
        ("revoked", "", 4403),
        ("broken", "", 4500),
        ("7/d", "?epoch=e1", 4400),
        ("7/d", "?epoch=e1&offset=-3", 4400),
    ],
)
async def test_a_refused_client_sees_a_close_code(
    server: Server, token: str, query: str, code: int
) -> None:
    """The handshake succeeds, since a browser would not see why it failed."""
    async with server.connect(token, query) as client:
        assert await closed(client) == code


async def test_a_token_may_come_in_the_query(server: Server) -> None:
    """Browsers cannot set headers."""
    uri = f"ws://127.0.0.1:{server.port}/stream?access_token=7/d"
    async with connect(uri, subprotocols=[MSGPACK], proxy=None) as client:
        assert (await read(client))["userId"] == "7"


async def test_a_full_server_refuses_with_503(start: Callable[..., Any]) -> None:
    """Before the upgrade, so that a proxy may try another."""
    server = await start(replace(SETTINGS, max_sessions=1))
    async with server.connect("1/a") as client:
        await read(client)
        with pytest.raises(InvalidStatus) as refused:
            async with server.connect("2/a"):
                pass

    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "5"


async def test_a_taken_port_is_named(start: Callable[..., Any]) -> None:
    """The error says which, and what to do."""
    server = await start()
    other = ConnectionListener("127.0.0.1", server.port, server.hub, server.authenticate)

    with pytest.raises(PortTaken, match=f"Port {server.port} on 127.0.0.1 is in use"):
        await other.start()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (b"GET /other HTTP/1.1\r\n" + UPGRADE + b"\r\n", 404),
        (b"POST /stream HTTP/1.1\r\n" + UPGRADE + b"\r\n", 405),
        (b"GET /stream HTTP/1.0\r\n" + UPGRADE + b"\r\n", 505),
        (b"GET /stream HTTP/1.1\r\n" + UPGRADE + b"Sec-WebSocket-Protocol: x\r\n\r\n", 400),
        (b"GET /stream HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"12") + b"\r\n", 400),
        (b"GET /stream HTTP/1.1\r\n" + UPGRADE.replace(b"Key: M", b"Key: ?") + b"\r\n", 400),
        (b"GET /stream HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 4\r\n\r\nabcd", 400),
        (b"GET /stream HTTP/9\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"\r\n\r\n", 400),
        (b"GET /stream HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
async def test_other_requests_get_an_http_answer(
    server: Server, request_bytes: bytes, status: int
) -> None:
    """Each with its status and a short text, and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_bytes)

    answer = await asyncio.wait_for(reader.read(), WITHIN_S)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.partition(b"\r\n\r\n")[2]
    writer.close()
    await until(lambda: not server.listener._connections)


@pytest.mark.parametrize("sent", [b"", b"GET /stream HTT"])
async def test_a_handshake_that_takes_too_long_is_ended(
    start: Callable[..., Any], sent: bytes
) -> None:
    """A client that trickles its request holds nothing for long."""
    server = await start(replace(SETTINGS, handshake_timeout_s=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)

    answer = await asyncio.wait_for(reader.read(), WITHIN_S)

    assert answer.startswith(b"HTTP/1.1 408 ")
    await until(lambda: not server.listener._connections)
    writer.close()


async def test_authentication_that_hangs_is_ended(start: Callable[..., Any]) -> None:
    """The client is to come back later."""
    server = await start(replace(SETTINGS, handshake_timeout_s=0.2))
    server.hang = True
    async with server.connect() as client:
        assert await closed(client) == 4503


async def test_handshakes_under_way_are_bounded(start: Callable[..., Any]) -> None:
    """Those beyond are turned away at once."""
    server = await start(replace(SETTINGS, max_handshakes=2, handshake_timeout_s=30))
    waiting = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    await until(lambda: len(server.listener._connections) == 2)

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    answer = await asyncio.wait_for(reader.read(), WITHIN_S)
    assert answer.startswith(b"HTTP/1.1 503 ")
    for _, other in [*waiting, (reader, writer)]:
        other.close()
