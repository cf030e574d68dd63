"""Malformed frames, noise and connections that break off."""

import asyncio
import json
import os
import socket
import struct
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from tests.integration.websocket.serving import (
    UPGRADE,
    WITHIN_S,
    Server,
    close_code,
    frame,
    raw_frame,
    raw_session,
    read,
    until,
)


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


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        (frame(0x89, b"") * 1000, "frames_per_s"),
        (frame(0x81, b"[]") * 3, "wrong_messages"),
        (frame(0x81, b"x" * 20_000), "message_bytes"),
    ],
)
async def test_limits_of_a_session_are_told_in_the_log(
    server: Server, sent: bytes, limit: str
) -> None:
    """With whose address it was, and how often."""
    with capture_logs() as logs:
        reader, writer = await raw_session(server)
        writer.write(sent)
        await close_code(reader)
        await until(lambda: [line for line in logs if line["event"] == "limit reached"])
        writer.close()
    (line,) = [line for line in logs if line["event"] == "limit reached"]
    assert (line["limit"], line["address"], line["times"]) == (limit, "127.0.0.1", 1)


async def test_a_refusal_is_text_to_browsers(server: Server) -> None:
    """Whatever stands in it."""
    for request in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01", b"GET / HTTP/9\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), WITHIN_S)
        assert b"X-Content-Type-Options: nosniff\r\n" in answer
        writer.close()
