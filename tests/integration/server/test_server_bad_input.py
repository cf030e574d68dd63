"""What hostile or broken clients send to the whole server does not hurt the others.

Requests that are wrong one at a time are in the folders ``rest`` and ``websocket``;
here it is about many at once, and about what they cost.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgpack  # type: ignore[import-untyped]
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rookery.actors import names
from tests.integration.server.reader import Reader
from tests.integration.server.world import (
    SOON,
    Person,
    ServerThread,
    World,
    newest_first,
    pid_of,
    until,
)

pytestmark = pytest.mark.timeout(120)  # the first test starts the server

MSGPACK = Subprotocol("rookery.v1.msgpack")
REFUSALS = {1002, 1003, 1007, 1009, 4400}
DEAF = 40
TWEETS = 2_500
RSS_BOUND_BYTES = 48 << 20
"""Unbounded, the deaf clients of this test would cost twice that."""


@asynccontextmanager
async def socket_of(who: Person) -> AsyncIterator[ClientConnection]:
    """A WebSocket without our client, after its welcome."""
    address = await who.client.discover_stream()
    headers = {"Authorization": f"Bearer {who.session.token}"}
    async with connect(
        address.url, subprotocols=[MSGPACK], additional_headers=headers, compression=None
    ) as ws:
        assert msgpack.unpackb(await ws.recv())["type"] == "welcome"
        yield ws


def malformed(rng: random.Random) -> list[bytes | str]:
    """Frames that no client of the protocol would send."""
    return [
        b"",
        "text in a binary session",
        b"\xc1",
        b"\x81",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffshort",
        b"\x91" * 15_000,
        b"\xc9\x00\x00\x3f\x00\x01" + bytes(0x3F00),
        msgpack.packb({"type": "watch", "tweetIds": ["1"] * 201}) * 50,
        msgpack.packb({"type": "watch"}) + b"rest",
        bytes(20_000),
        *(rng.randbytes(rng.randrange(1, 400)) for _ in range(50)),
    ]


async def ending(who: Person, frame: bytes | str) -> int:
    """Send a frame until the session ends; its close code."""
    async with socket_of(who) as ws:
        try:
            for _ in range(3):  # three messages that are readable but wrong end a session, too
                await ws.send(frame)
            async with asyncio.timeout(10):
                while True:
                    await ws.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code


async def test_malformed_frames_end_their_sessions_and_no_other(world: World) -> None:
    """Each with a documented close code; who is connected beside them goes on undisturbed."""
    ada, bob, *eves = await world.people(4)
    await bob.follow(ada)
    listener = await bob.listen(connection_events=True)
    frames = malformed(random.Random(5))
    codes = await asyncio.gather(
        *(ending(eves[n % len(eves)], frame) for n, frame in enumerate(frames))
    )
    assert set(codes) <= REFUSALS, dict(zip(frames, codes, strict=True))
    tweet_id = await ada.post("still here")
    await listener.until(lambda: listener.tweet_ids)
    assert listener.tweet_ids == [tweet_id]
    assert len(listener.events) == 2  # it was never cut: one `Connected`, one tweet


async def test_clients_that_never_read_cost_little_and_delay_nobody(
    ray_world: World,
    ray_server: ServerThread,
    record_property: Callable[[str, object], None],
) -> None:
    """What waits for them is bounded; who reads gets everything."""
    world, server = ray_world, ray_server
    ada, bob, eve = await world.people(3)
    await bob.follow(ada)
    await eve.follow(ada)
    stream = bob.client.stream(settings=SOON, connection_events=True)
    reader = Reader(stream, bob.home)
    await until(lambda: asyncio.sleep(0, stream.connected), what="a live stream")
    pid = await server.on_loop(pid_of(names.connection_server(0), server.namespace))
    process = psutil.Process(pid)
    async with AsyncExitStack() as stack:
        for _ in range(DEAF):
            stack.callback((await deaf_socket(eve)).close)
        before_bytes = process.memory_info().rss
        posted: list[int] = []
        most_bytes = 0
        for _ in range(TWEETS // 100):
            posts = [(ada.id, "\u4e16" * 140, None, None)] * 100
            posted += map(int, await world.control("post", posts=posts))
            most_bytes = max(most_bytes, process.memory_info().rss - before_bytes)
        await until(lambda: asyncio.sleep(0, reader.known >= set(posted)), within_s=20)
        most_bytes = max(most_bytes, process.memory_info().rss - before_bytes)
    await reader.aclose()
    reader.promise.check()
    assert most_bytes < RSS_BOUND_BYTES
    record_property(
        "measured",
        f"{DEAF} clients that never read while {TWEETS} tweets flow:"
        f" the connection server grew by {most_bytes / 2**20:.0f} MB",
    )
    assert await eve.home() == newest_first(posted)


async def deaf_socket(who: Person) -> socket.socket:
    """A WebSocket whose client shakes hands and then reads nothing."""
    address = await who.client.discover_stream()
    host, port = address.url.removeprefix("ws://").split("/")[0].split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    await loop.sock_sendall(
        connection,
        f"GET /stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {MSGPACK}\r\n"
        f"Authorization: Bearer {who.session.token}\r\n\r\n".encode(),
    )
    assert b" 101 " in await loop.sock_recv(connection, 16)
    return connection


async def upload(world: World, token: str, *, chunked: bool) -> int:
    """Send a tweet of eight megabytes for as long as the server takes it; the status answered."""
    reader, writer = await open_connection(world)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {128 * 65_536}"
    head = (
        f"POST /api/v1/tweets HTTP/1.1\r\nHost: rookery\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\n{length}\r\n\r\n"
    )
    writer.write(head.encode())
    piece = b"x" * 65_536

    async def send() -> None:
        with suppress(ConnectionError):
            for _ in range(128):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()

    sending = asyncio.create_task(send())
    try:
        return int((await reader.readline()).split()[1])
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


async def open_connection(world: World) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = world.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, port)


async def test_huge_bodies_are_refused_and_the_server_answers_on(world: World) -> None:
    """Many at once, of declared and of undeclared length."""
    ada = await world.person()
    uploads = (upload(world, ada.session.token, chunked=n % 2 == 0) for n in range(16))
    assert set(await asyncio.gather(*uploads)) == {413}
    await ada.post("small")


@pytest.mark.parametrize(
    "start",
    [
        b"POST /api/v1/tweets HT",
        b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b'Content-Length: 1000\r\n\r\n{"a',
    ],
    ids=["request line", "header", "body"],
)
async def test_requests_that_never_end_delay_nobody(world: World, start: bytes) -> None:
    """Hundreds of them, trickling; everybody else is answered meanwhile and afterwards."""
    ada = await world.person()
    opened = await asyncio.gather(*(open_connection(world) for _ in range(200)))
    writers: Sequence[asyncio.StreamWriter] = [writer for _, writer in opened]
    try:
        for writer in writers:
            writer.write(start)
        posted = []
        for number in range(10):
            for writer in writers:
                writer.write(b"a")
            posted.append(await ada.post(f"post {number}"))
    finally:
        for writer in writers:
            writer.transport.abort()

    async def all_there() -> bool:
        return await ada.home() == newest_first(posted)

    await until(all_there)
