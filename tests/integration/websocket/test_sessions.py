"""What reaches clients of the WebSocket server, and how their sessions end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websockets.typing import Subprotocol

from rookery.models import TweetCounts
from tests.integration.websocket.serving import (
    JSON,
    MSGPACK,
    SETTINGS,
    UPGRADE,
    WITHIN_S,
    Server,
    close_code,
    closed,
    frame,
    raw_message,
    raw_session,
    read,
    until,
)
from tests.streamed import packed, record


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
        [server.shard.publish([7], 50, packed(50, "é" * 300)), server.shard.publish([7], 50)]
    )

    message = await read(client)
    assert (message["type"], message["offset"]) == ("tweet", 1)
    assert (message["tweet"]["id"], message["tweet"]["text"]) == ("50", "é" * 300)
    assert await read(client) == {"type": "tweet_deleted", "offset": 2, "tweetId": "50"}


async def test_a_client_that_resumes_gets_what_it_missed(
    server: Server, stack: AsyncExitStack
) -> None:
    """In order, before anything new, and nothing else."""
    for n in range(1, 6):
        server.shard.publish([7], n, packed(n))
        server.tweets.tweets[n] = record(n)

    client = await stack.enter_async_context(server.connect(query="?epoch=e1&offset=2"))

    welcome = await read(client)
    assert (welcome["resumed"], welcome["offset"]) == (True, 2)
    server.hub.push([server.shard.publish([7], 6, packed(6))])
    messages = [await read(client) for _ in range(4)]
    assert [message["offset"] for message in messages] == [3, 4, 5, 6]
    assert [message["tweet"]["id"] for message in messages] == ["3", "4", "5", "6"]


@pytest.mark.parametrize("query", ["?epoch=other&offset=2", "?epoch=e1&offset=0"])
async def test_a_client_that_cannot_resume_is_reset(
    server: Server, stack: AsyncExitStack, query: str
) -> None:
    """Another epoch, or events that are no longer held."""
    for n in range(1, 6):
        server.shard.publish([7], n, packed(n))
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
    server.tweets.tweets[1] = record(1)
    server.shard.publish([7], 1, packed(1))

    server.hub.push([server.shard.publish([7], 2)])

    assert [(await read(client))["offset"] for _ in range(2)] == [1, 2]
    assert server.shard.attaches == 2


async def test_live_counts_reach_who_watches(server: Server, stack: AsyncExitStack) -> None:
    """After `watch`, changes of counts are pushed without an offset."""
    client = await server.welcomed(stack, protocol=MSGPACK)
    server.tweets.values[5] = TweetCounts(likes=1)
    await client.send(bytes(msgpack.packb({"type": "watch", "tweetIds": ["5"]})))
    assert await read(client) == {"type": "watching", "tweetIds": ["5"]}
    assert (await read(client))["counts"][0]["likeCount"] == 1

    server.tweets.values[5] = TweetCounts(likes=2)
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
        server.hub.push([server.shard.publish([7], n, packed(n, text))])
    assert server.hub.figures()["events_merged"] > 300

    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != "more":
        messages.append(await raw_message(reader))

    singles = messages[:-1]
    assert [message["offset"] for message in singles] == list(range(1, len(singles) + 1))
    assert messages[-1] == {"type": "more", "offset": 500, "count": 500 - len(singles)}
    server.hub.push([server.shard.publish([7], 501, packed(501))])
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
        server.hub.push([server.shard.publish([7], n, packed(n, "x" * 1000))])
        most = max(most, connection._transport.get_write_buffer_size())
        if n % 100 == 0:
            await asyncio.sleep(0)

    await until(lambda: server.hub.figures().get("closed_4408") == 1)
    await until(lambda: not server.listener._connections)

    assert 40_000 < most <= 50_000
    writer.close()


async def test_sessions_that_end_make_room_before_strangers(start: Callable[..., Any]) -> None:
    """Whoever is closed and does not go holds no more places than one who says nothing."""
    settings = replace(
        SETTINGS, max_sessions_per_user=1, max_handshakes=3, max_connections=6, close_timeout_s=60.0
    )
    server = await start(settings)
    head = b"GET /stream?access_token=7/d HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    writers = []
    async with AsyncExitStack() as stack:
        first = await server.welcomed(stack, "7/a")
        stranger = await asyncio.open_connection("127.0.0.1", server.port)
        writers.append(stranger[1])
        for _ in range(12):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writers.append(writer)
            writer.write(head)
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN_S)
            assert await close_code(reader) == 4429
        await until(lambda: len(server.listener._connections) <= 1 + 3)
        stranger[1].write(head.replace(b"7/d", b"8/d"))
        answer = await asyncio.wait_for(stranger[0].readuntil(b"\r\n\r\n"), WITHIN_S)
        assert answer.startswith(b"HTTP/1.1 101 ")
        await first.ping()
    for writer in writers:
        writer.close()


class _Counted:
    """A transport that counts what is written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.writes = 0
        self.written_bytes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.written_bytes += len(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_little_is_parsed_of_a_read_full_of_frames(server: Server) -> None:
    """Frames are counted as they are read: what comes after too many of them costs nothing."""
    _, writer = await raw_session(server)
    (connection,) = server.listener._connections
    counted: Any = _Counted(connection._transport)
    connection._transport = counted
    connection.data_received(frame(0x89, b"") * 40_000)
    assert counted.writes < 10
    assert counted.written_bytes < 4096
    writer.close()
