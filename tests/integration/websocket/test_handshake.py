"""Who is let in by the WebSocket server, and what all others are told."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
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
        (b"GET /stream HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"12") + b"\r\n", 426),
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


async def test_silent_connections_do_not_close_the_port(start: Callable[..., Any]) -> None:
    """The oldest of them gives way: who comes with a request is let in at once."""
    server = await start(replace(SETTINGS, max_handshakes=10, handshake_timeout_s=30))
    with capture_logs() as logs:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        async with server.connect() as client:
            assert (await read(client))["type"] == "welcome"
        await until(lambda: logs)
    assert len(server.listener._connections) <= 11
    assert server.listener.figures()["limited_connections"] >= 40
    assert logs[0]["address"] == "127.0.0.1"
    for _, writer in silent:
        writer.close()


async def test_an_address_has_a_bound_of_its_own(start: Callable[..., Any]) -> None:
    """Its oldest silent connection ends; sessions are not counted with them."""
    settings = replace(SETTINGS, max_handshakes_per_address=2, handshake_timeout_s=30)
    server = await start(settings)
    async with AsyncExitStack() as stack:
        for number in range(5):
            await server.welcomed(stack, f"{number + 1}/d")
        first, *others = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        assert await ended(first[0])
        async with server.connect("9/d") as client:
            await read(client)
        for _, writer in (first, *others):
            writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), WITHIN_S) == b""
    except ConnectionResetError:
        return True


async def test_one_address_does_not_push_out_another(start: Callable[..., Any]) -> None:
    """A stranger's slow handshake from elsewhere is finished, however many others there are."""
    settings = replace(SETTINGS, max_handshakes=4, max_handshakes_per_address=0)
    server = await start(replace(settings, handshake_timeout_s=30))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /stream?access_token=7/d HTTP/1.1\r\n")
    await until(lambda: server.listener._connections)
    others = [
        await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
        for _ in range(20)
    ]
    writer.write(UPGRADE + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
    assert answer.startswith(b"HTTP/1.1 101 ")
    for _, other in (*others, (reader, writer)):
        other.close()


async def test_refused_connections_that_stay_make_room(start: Callable[..., Any]) -> None:
    """Being refused is no way to keep a connection."""
    settings = replace(SETTINGS, max_handshakes=3, handshake_timeout_s=30, close_timeout_s=30)
    server = await start(settings)
    staying = []
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        staying.append(writer)
    async with server.connect() as client:
        await read(client)
    assert len(server.listener._connections) <= 4
    for writer in staying:
        writer.close()


async def test_sessions_and_handshakes_keep_below_the_open_files(
    start: Callable[..., Any],
) -> None:
    """The more sessions there are, the fewer strangers wait beside them."""
    server = await start(replace(SETTINGS, max_connections=6, handshake_timeout_s=30))
    async with AsyncExitStack() as stack:
        for number in range(4):
            await server.welcomed(stack, f"{number + 1}/d")
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
        await until(lambda: len(server.listener._connections) == 6)
        for _, writer in silent:
            writer.close()


def fields(answer: bytes) -> list[bytes]:
    return answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")


async def exchange(server: Server, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), WITHIN_S)
    writer.close()
    return answer


@pytest.mark.parametrize("version", [b"12", b"8", b"0", b"14", b"13, 8", b"x"])
async def test_another_version_is_told_ours(server: Server, version: bytes) -> None:
    """RFC 6455, section 4.4: 426 with the version that is spoken here."""
    answer = await exchange(
        server, b"GET /stream HTTP/1.1\r\n" + UPGRADE.replace(b"13", version) + b"\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"sec-websocket-version: 13" in fields(answer)
    assert b"upgrade: websocket" in fields(answer)
    assert b"connection: upgrade, close" in fields(answer)


async def test_an_old_version_without_a_key_is_told_ours(server: Server) -> None:
    """Drafts before 4 had two keys of other names."""
    request = (
        b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key1: 1\r\nSec-WebSocket-Version: 0\r\n\r\n"
    )
    answer = await exchange(server, request)
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"sec-websocket-version: 13" in fields(answer)


KEY = UPGRADE.split(b"Sec-WebSocket-Key: ")[1]


@pytest.mark.parametrize(
    "head",
    [
        UPGRADE.replace(b"Host: x\r\n", b""),
        UPGRADE.replace(b"Host: x", b"Host: a b"),
        UPGRADE.replace(b"Host: x", b"Host:"),
        UPGRADE.replace(b"Host: x", b"Host: x\r\nHost: x"),
        UPGRADE.replace(KEY, b"\r\n"),
        UPGRADE.replace(KEY, b"MDAw\r\n"),
        UPGRADE.replace(b"Sec-WebSocket-Key: " + KEY, b""),
        UPGRADE + b"Sec-WebSocket-Key: " + KEY,
        UPGRADE.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
        UPGRADE + b"Sec-WebSocket-Version: 13\r\n",
        UPGRADE + b"Origin: a\r\nOrigin: b\r\n",
        UPGRADE + b"Transfer-Encoding: chunked\r\n",
        UPGRADE + b"A: b\r\n c\r\n",
        UPGRADE + b"A\x01: b\r\n",
        UPGRADE + b"A: b\x00\r\n",
    ],
)
async def test_a_handshake_that_breaks_a_rule_is_refused(server: Server, head: bytes) -> None:
    """RFC 6455, section 4.2.1, and RFC 9112 for what surrounds it."""
    answer = await exchange(server, b"GET /stream HTTP/1.1\r\n" + head + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("target", "connection"),
    [
        (b"/stream", b"keep-alive, Upgrade"),
        (b"/stream", b"upgrade"),
        (b"/stream", b"keep-alive\r\nConnection: UPGRADE"),
        (b"http://x/stream", b"Upgrade"),
        (b"ws://x/stream", b"Upgrade"),
    ],
)
async def test_a_handshake_has_several_forms(
    server: Server, target: bytes, connection: bytes
) -> None:
    """Lists of options, in any case; a target that is a whole URI."""
    head = UPGRADE.replace(b"Connection: Upgrade", b"Connection: " + connection)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET " + target + b"?access_token=7/d HTTP/1.1\r\n" + head + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
    assert answer.startswith(b"HTTP/1.1 101 ")
    writer.close()


async def test_two_authorizations_are_none(server: Server) -> None:
    """Which one counts must not depend on who reads them."""
    token = [("Authorization", "Bearer 7/d"), ("Authorization", "Bearer 8/d")]
    uri = f"ws://127.0.0.1:{server.port}/stream"
    async with connect(uri, additional_headers=token, proxy=None) as client:
        assert await closed(client) == 4400


async def test_what_comes_before_the_answer_is_bounded(start: Callable[..., Any]) -> None:
    """Nobody is authenticated yet: what is held of a stranger is some kilobytes."""
    server = await start()
    server.hang = True
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: server.listener._connections)
    (connection,) = server.listener._connections
    head = b"GET /stream?access_token=7/d HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    connection.data_received(head + b"x" * 50_000)
    assert await ended(reader)
    writer.close()
