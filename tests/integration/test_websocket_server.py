"""The WebSocket server over real sockets, with independent clients and a shard made of lists."""

import asyncio
import base64
import gc
import json
import os
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from rookery.connection.hub import Hub
from rookery.connection.ports import Attached, Push
from rookery.connection.server import ConnectionListener
from rookery.connection.settings import StreamSettings
from rookery.errors import DeviceRevoked, InvalidToken, PortTaken, TokenExpired
from rookery.models import EventKind, Identity, TweetCounts

MSGPACK = Subprotocol("rookery.v1.msgpack")
JSON = Subprotocol("rookery.v1.json")
SETTINGS = StreamSettings(
    handshake_timeout_s=1.0,
    close_timeout_s=0.5,
    stop_timeout_s=2.0,
    counts_interval_s=0.01,
    reconcile_interval_s=0.2,
    reconcile_grace_s=0.02,
)
WITHIN_S = 10.0


class Shard:
    """Event logs in lists."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.logs: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self.registered: set[int] = set()
        self.attaches = 0
        self.first_held = 0
        self.positions_known = True

    async def attach(self, user_id: int, epoch: str | None, offset: int | None) -> Attached:
        self.attaches += 1
        self.registered.add(user_id)
        log = self.logs[user_id]
        events = None
        if epoch == self.epoch and offset is not None and self.first_held <= offset <= len(log):
            events = log[offset:]
        return Attached(self.epoch, len(log), events)

    async def detach(self, user_id: int) -> None:
        self.registered.discard(user_id)

    async def positions(self, user_ids: Sequence[int]) -> list[tuple[str, int] | None]:
        return [
            (self.epoch, len(self.logs[user_id])) if user_id in self.registered else None
            for user_id in user_ids
        ]

    def publish(self, users: Sequence[int], subject_id: int, card: bytes = b"") -> Push:
        kind = EventKind.TWEET if card else EventKind.TWEET_DELETED
        offsets = []
        for user_id in users:
            log = self.logs[user_id]
            log.append((len(log) + 1, int(kind), subject_id))
            offsets.append(len(log))
        ids = np.array(users, "<i8").tobytes()
        return (int(kind), subject_id, card, ids, np.array(offsets, "<i8").tobytes())


def card(tweet_id: int, text: str = "hello") -> bytes:
    return bytes(msgpack.packb({"id": str(tweet_id), "text": text, "author": {"id": "1"}}))


class Server:
    """A running listener and what surrounds it. Tokens are ``USER/DEVICE``."""

    def __init__(self, settings: StreamSettings) -> None:
        self.shard = Shard()
        self.cards: dict[int, bytes] = {}
        self.counts: dict[int, TweetCounts] = {}
        self.expires_ms = 2**60
        self.hub = Hub(self.shard, self.fetch_counts, self.fetch_cards, settings)
        self.listener = ConnectionListener("127.0.0.1", 0, self.hub, self.authenticate)
        self.port = 0
        self.hang = False

    async def authenticate(self, token: str) -> tuple[Identity, int]:
        if self.hang:
            await asyncio.Event().wait()
        match token:
            case "expired":
                raise TokenExpired()
            case "revoked":
                raise DeviceRevoked()
            case "broken":
                raise RuntimeError("a fault of ours")
        user, slash, device = token.partition("/")
        if not slash:
            raise InvalidToken()
        return Identity(int(user), f"user{user}", device), self.expires_ms

    async def fetch_counts(self, ids: Sequence[int]) -> dict[int, TweetCounts]:
        return {n: self.counts[n] for n in ids if n in self.counts}

    async def fetch_cards(self, ids: Sequence[int]) -> dict[int, bytes]:
        return {n: self.cards[n] for n in ids if n in self.cards}

    def connect(
        self, token: str = "7/d", query: str = "", protocol: Subprotocol | None = JSON
    ) -> connect:
        return connect(
            f"ws://127.0.0.1:{self.port}/stream{query}",
            subprotocols=None if protocol is None else [protocol],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            proxy=None,
        )

    async def welcomed(
        self, stack: AsyncExitStack, token: str = "7/d", query: str = "", protocol: Any = JSON
    ) -> ClientConnection:
        """A client that has read its welcome."""
        client = await stack.enter_async_context(self.connect(token, query, protocol))
        assert (await read(client))["type"] == "welcome"
        return client


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """Starts servers, which are stopped after the test; nothing may go unhandled."""
    servers: list[Server] = []
    unhandled: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unhandled.append(context))

    async def start_server(settings: StreamSettings = SETTINGS) -> Server:
        server = Server(settings)
        server.port = await server.listener.start()
        servers.append(server)
        return server

    yield start_server
    for server in servers:
        await server.listener.stop()
    gc.collect()
    await asyncio.sleep(0)
    assert unhandled == []


@pytest.fixture
async def server(start: Callable[..., Any]) -> Server:
    started: Server = await start()
    return started


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def read(client: ClientConnection) -> dict[str, Any]:
    data = await asyncio.wait_for(client.recv(), WITHIN_S)
    message: dict[str, Any] = json.loads(data) if isinstance(data, str) else msgpack.unpackb(data)
    return message


async def closed(client: ClientConnection) -> int:
    """Read to the end; returns the close code."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                await client.recv()
    except ConnectionClosed as error:
        return 1006 if error.rcvd is None else error.rcvd.code


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# Events


@pytest.mark.parametrize("protocol", [MSGPACK, JSON, None])
async def test_events_are_pushed_in_the_encoding_of_the_client(
    server: Server, stack: AsyncExitStack, protocol: Subprotocol | None
) -> None:
    """Binary MessagePack or text JSON, as negotiated; JSON when nothing was offered."""
    client = await stack.enter_async_context(server.connect(protocol=protocol))
    welcome = await read(client)
    assert client.subprotocol == protocol
    assert (welcome["userId"], welcome["epoch"], welcome["offset"]) == ("7", "e1", 0)

    server.hub.push(
        [server.shard.publish([7], 50, card(50, "é" * 300)), server.shard.publish([7], 50)]
    )

    tweet = {"id": "50", "text": "é" * 300, "author": {"id": "1"}}
    assert await read(client) == {"type": "tweet", "offset": 1, "tweet": tweet}
    assert await read(client) == {"type": "tweet_deleted", "offset": 2, "tweetId": "50"}


async def test_a_client_that_resumes_gets_what_it_missed(
    server: Server, stack: AsyncExitStack
) -> None:
    """In order, before anything new, and nothing else."""
    for n in range(1, 6):
        server.shard.publish([7], n, card(n))
        server.cards[n] = card(n)

    client = await stack.enter_async_context(server.connect(query="?epoch=e1&offset=2"))

    welcome = await read(client)
    assert (welcome["resumed"], welcome["offset"]) == (True, 2)
    server.hub.push([server.shard.publish([7], 6, card(6))])
    messages = [await read(client) for _ in range(4)]
    assert [message["offset"] for message in messages] == [3, 4, 5, 6]
    assert [message["tweet"]["id"] for message in messages] == ["3", "4", "5", "6"]


@pytest.mark.parametrize("query", ["?epoch=other&offset=2", "?epoch=e1&offset=0"])
async def test_a_client_that_cannot_resume_is_reset(
    server: Server, stack: AsyncExitStack, query: str
) -> None:
    """Another epoch, or events that are no longer held."""
    for n in range(1, 6):
        server.shard.publish([7], n, card(n))
    server.shard.first_held = 1

    client = await stack.enter_async_context(server.connect(query=query))

    assert (await read(client))["resumed"] is False
    assert await read(client) == {
        "type": "reset",
        "epoch": "e1",
        "offset": 5,
        "reason": "unknown_position",
    }


async def test_a_lost_push_is_filled_in(server: Server, stack: AsyncExitStack) -> None:
    """The client sees no gap."""
    client = await server.welcomed(stack)
    server.cards[1] = card(1)
    server.shard.publish([7], 1, card(1))

    server.hub.push([server.shard.publish([7], 2)])

    assert [(await read(client))["offset"] for _ in range(2)] == [1, 2]
    assert server.shard.attaches == 2


async def test_live_counts_reach_who_watches(server: Server, stack: AsyncExitStack) -> None:
    """After `watch`, changes of counts are pushed without an offset."""
    client = await server.welcomed(stack, protocol=MSGPACK)
    server.counts[5] = TweetCounts(likes=1)
    await client.send(bytes(msgpack.packb({"type": "watch", "tweetIds": ["5"]})))
    assert await read(client) == {"type": "watching", "tweetIds": ["5"]}
    assert (await read(client))["counts"][0]["likeCount"] == 1

    server.counts[5] = TweetCounts(likes=2)
    server.hub.counts_changed([5])

    counts = {"retweetCount": 0, "replyCount": 0, "quoteCount": 0}
    assert await read(client) == {
        "type": "counts",
        "counts": [{"tweetId": "5", "likeCount": 2, **counts}],
    }


async def test_pings_of_both_kinds_are_answered(server: Server, stack: AsyncExitStack) -> None:
    """The message, for browsers, and the frame."""
    client = await server.welcomed(stack)

    await client.send('{"type":"ping"}')

    assert await read(client) == {"type": "pong"}
    await asyncio.wait_for(await client.ping(b"x"), WITHIN_S)


async def test_fragmented_messages_are_joined(server: Server, stack: AsyncExitStack) -> None:
    """Also with a control frame in between."""
    client = await server.welcomed(stack)

    async def parts() -> AsyncIterator[str]:
        yield '{"type"'
        await client.pong()
        yield ""
        yield ':"ping"}'

    await client.send(parts())

    assert await read(client) == {"type": "pong"}


# The end of sessions


async def test_a_revoked_device_is_closed_within_a_second(
    server: Server, stack: AsyncExitStack
) -> None:
    """And no other."""
    revoked = await server.welcomed(stack, "7/a")
    kept = await server.welcomed(stack, "7/b")

    server.hub.close_devices([(7, "a")])

    assert await asyncio.wait_for(closed(revoked), 1) == 4403
    server.hub.push([server.shard.publish([7], 1)])
    assert (await read(kept))["offset"] == 1


async def test_a_session_ends_with_its_token(start: Callable[..., Any]) -> None:
    """The client is to refresh and to come back."""
    import time

    server = await start()
    server.expires_ms = int(time.time() * 1000) + 300
    async with server.connect() as client:
        assert await closed(client) == 4402


async def test_a_client_that_leaves_is_detached(server: Server) -> None:
    """The shard learns when the last session of a user ends."""
    async with server.connect() as client:
        await read(client)
        assert server.shard.registered == {7}

    await until(lambda: not server.shard.registered)
    assert server.hub.figures()["closed_1000"] == 1


async def test_a_silent_client_is_closed(start: Callable[..., Any]) -> None:
    """One that answers no ping, although it reads."""
    server = await start(replace(SETTINGS, heartbeat_s=0.2))
    reader, writer = await raw_session(server)

    assert await close_code(reader) == 4410
    writer.close()


async def test_stopping_closes_all_with_1001(start: Callable[..., Any]) -> None:
    """Clients are to reconnect elsewhere."""
    server = await start()
    async with server.connect("1/a") as first, server.connect("2/a", protocol=MSGPACK) as second:
        await read(first)
        await read(second)

        stopping = asyncio.create_task(server.listener.stop())

        assert [await closed(first), await closed(second)] == [1001, 1001]
        await asyncio.wait_for(stopping, WITHIN_S)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", server.port)
    assert not server.shard.registered


async def test_stopping_does_not_wait_for_the_unwilling(start: Callable[..., Any]) -> None:
    """A client that does not answer the close is cut off."""
    server = await start(replace(SETTINGS, stop_timeout_s=0.3, close_timeout_s=30))
    _, writer = await raw_session(server)

    await asyncio.wait_for(server.listener.stop(), 3)

    writer.close()


# Slow clients


def slow_socket(port: int) -> socket.socket:
    """A connection whose receive buffer is small, so that the server's fills soon."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


async def test_a_slow_client_is_merged_and_then_goes_on(start: Callable[..., Any]) -> None:
    """It reads late: single events, one `more` for what did not fit, single events again."""
    settings = replace(
        SETTINGS, soft_buffer_bytes=50_000, hard_buffer_bytes=200_000, send_buffer_bytes=4096
    )
    server = await start(settings)
    reader, writer = await raw_session(server, slow_socket(server.port), limit=2048)
    text = "x" * 1000
    for n in range(1, 501):
        server.hub.push([server.shard.publish([7], n, card(n, text))])
    assert server.hub.figures()["events_merged"] > 300

    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != "more":
        messages.append(await raw_message(reader))

    singles = messages[:-1]
    assert [message["offset"] for message in singles] == list(range(1, len(singles) + 1))
    assert messages[-1] == {"type": "more", "offset": 500, "count": 500 - len(singles)}
    server.hub.push([server.shard.publish([7], 501, card(501))])
    assert (await raw_message(reader))["offset"] == 501
    writer.close()


async def test_a_client_that_does_not_read_is_closed_and_costs_little(
    start: Callable[..., Any],
) -> None:
    """Whatever is pushed, what waits for it stays under the bound, and after the grace it goes."""
    settings = replace(
        SETTINGS,
        soft_buffer_bytes=50_000,
        hard_buffer_bytes=200_000,
        send_buffer_bytes=4096,
        slow_grace_s=0.5,
    )
    server = await start(settings)
    _, writer = await raw_session(server, slow_socket(server.port), limit=2048)
    (connection,) = server.listener._connections
    most = 0
    for n in range(1, 3001):
        server.hub.push([server.shard.publish([7], n, card(n, "x" * 1000))])
        most = max(most, connection._transport.get_write_buffer_size())
        if n % 100 == 0:
            await asyncio.sleep(0)

    await until(lambda: server.hub.figures().get("closed_4408") == 1)
    await until(lambda: not server.listener._connections)

    assert 40_000 < most <= 50_000
    writer.close()


# Refused handshakes


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


UPGRADE = (
    b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(b"0" * 16) + b"\r\n"
)


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


# Malformed frames


async def raw_session(
    server: Server, sock: socket.socket | None = None, limit: int = 2**16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A session in JSON without a library, after its welcome."""
    if sock is None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=limit)
    else:
        reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
    request = b"GET /stream?access_token=7/d HTTP/1.1\r\n" + UPGRADE
    writer.write(request + b"Sec-WebSocket-Protocol: rookery.v1.json\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert (await raw_message(reader))["type"] == "welcome"
    return reader, writer


async def raw_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(first byte, payload) of the next frame."""
    async with asyncio.timeout(WITHIN_S):
        first, length = await reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack(">H", await reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await reader.readexactly(8))
        return first, await reader.readexactly(length)


async def raw_message(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next data frame; pings are passed over."""
    while True:
        first, payload = await raw_frame(reader)
        if first == 0x81:
            message: dict[str, Any] = json.loads(payload)
            return message
        assert first == 0x89


async def close_code(reader: asyncio.StreamReader) -> int:
    """Read to the close frame, and see that the connection ends after it."""
    while True:
        first, payload = await raw_frame(reader)
        if first == 0x88:
            return int.from_bytes(payload[:2])


def frame(first: int, payload: bytes, length: int | None = None, masked: bool = True) -> bytes:
    """A client's frame; `length` is what it claims to be, where that is not the truth."""
    claimed = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    if claimed < 126:
        header = struct.pack(">BB", first, mask_bit | claimed)
    elif claimed < 65536:
        header = struct.pack(">BBH", first, mask_bit | 126, claimed)
    else:
        header = struct.pack(">BBQ", first, mask_bit | 127, claimed)
    return header + (bytes(4) if masked else b"") + payload


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x82, b"{}"), 1003),
        (frame(0x81, b'{"type":"pi\xff"}'), 1007),
        (frame(0x81, b"{"), 4400),
        (frame(0x81, b""), 4400),
        (frame(0x81, b"[]") * 3, 4400),
        (frame(0x81, b"x" * 20_000), 1009),
        (frame(0x81, b"", length=2**20), 1009),
        (frame(0x81, b"", length=2**62), 1009),
        (frame(0x01, b"x" * 9000) + frame(0x80, b"x" * 9000), 1009),
        (frame(0x01, b"x" * 9000) + frame(0x00, b"x" * 9000), 1009),
        (frame(0x80, b"x"), 1002),
        (frame(0x01, b"x") + frame(0x81, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x8B, b"x"), 1002),
        (frame(0xC1, b"x"), 1002),
        (frame(0x81, b"{}", masked=False), 1002),
        (frame(0x89, b"x" * 126), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x88, b"x"), 1002),
        (frame(0x88, b"\x03\xe8\xff\xff"), 1007),
        (frame(0x88, b"\x00\x00"), 1002),
        (frame(0x88, b"\x03\xe8bye"), 1000),
        (frame(0x89, b"") * 1000, 4400),
        (frame(0x01, b"") + frame(0x00, b"") * 1000, 4400),
        (frame(0x81, b'{"type":"ping"}') * 1000, 4400),
    ],
)
async def test_malformed_input_has_its_close_code(
    server: Server, stack: AsyncExitStack, sent: bytes, code: int
) -> None:
    """The session ends with the documented code; others do not notice."""
    other = await server.welcomed(stack, "8/d")
    reader, writer = await raw_session(server)

    writer.write(sent)

    assert await close_code(reader) == code
    writer.close()
    await until(lambda: len(server.hub) == 1)
    server.hub.push([server.shard.publish([8], 1)])
    assert (await read(other))["offset"] == 1


async def test_frames_sent_with_the_handshake_are_not_lost(server: Server) -> None:
    """A client may send before it has read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = b"GET /stream?access_token=7/d HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    writer.write(request + frame(0x89, b"hi") + frame(0x81, b'{"type":"ping"}'))

    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
    frames = [await raw_frame(reader) for _ in range(3)]

    assert frames[0] == (0x8A, b"hi")
    assert [json.loads(payload)["type"] for _, payload in frames[1:]] == ["welcome", "pong"]
    writer.close()


async def test_noise_ends_every_connection_and_hurts_nobody(
    server: Server, stack: AsyncExitStack
) -> None:
    """Random bytes after the handshake, from many clients at once."""
    other = await server.welcomed(stack, "8/d")

    async def noise() -> None:
        reader, writer = await raw_session(server)
        writer.write(os.urandom(5000))
        writer.write_eof()
        await asyncio.wait_for(reader.read(), WITHIN_S)
        writer.close()

    await asyncio.gather(*(noise() for _ in range(20)))

    await until(lambda: len(server.listener._connections) == 1)
    server.hub.push([server.shard.publish([8], 1)])
    assert (await read(other))["offset"] == 1


async def test_a_connection_that_breaks_off_leaves_nothing(server: Server) -> None:
    """A reset instead of a close."""
    _, writer = await raw_session(server)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    writer.transport.abort()

    await until(lambda: not server.listener._connections and not server.shard.registered)
    assert len(server.hub) == 0
    assert server.hub.figures()["closed_1006"] == 1
