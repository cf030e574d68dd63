"""Connections to the REST port: how many, whose, and who gives way."""

import asyncio
import os
import resource
import socket

import pytest
from structlog.testing import capture_logs

from rookery.http.addresses import Addresses
from rookery.http.protocol import connection as connections
from rookery.http.protocol import server as servers
from rookery.http.protocol.message import Request, Response
from rookery.http.protocol.server import (
    RECEIVE_BUFFER_BYTES,
    SEND_BUFFER_BYTES,
    Server,
    ServerLimits,
)
from tests.integration.rest.test_connection import GET, Peer, echo, served


async def until_held(server: Server, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.connections) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def connect_from(server: Server, address: str) -> Peer:
    """A client of another address of the loopback range."""
    reader_writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address, 0))
    return Peer(*reader_writer)


async def test_the_oldest_silent_connection_gives_way() -> None:
    """Of the same address, where that has as many as it may; who is new is served."""
    limits = ServerLimits(connections_per_address=3)
    with capture_logs() as logs:
        async with served(limits=limits) as (server, connect):
            first = await connect()
            await until_held(server, 1)
            others = [await connect() for _ in range(2)]
            await until_held(server, 3)
            newcomer = await connect()
            assert await first.is_closed()
            for peer in (*others, newcomer):
                peer.send(GET % 1)
                assert (await peer.answer())[0] == 200
            assert server.figures()["http_limited_connections_per_address"] == 1
    (line,) = [line for line in logs if line["event"] == "limit reached"]
    assert (line["limit"], line["address"], line["times"]) == (
        "connections_per_address", "127.0.0.1", 1,
    )  # fmt: skip


async def test_one_address_does_not_push_out_another() -> None:
    """Whoever takes all there are loses its own."""
    async with served(limits=ServerLimits(connections=5)) as (server, connect):
        quiet = await connect()
        await until_held(server, 1)
        crowd = [await connect_from(server, "127.0.0.2") for _ in range(20)]
        await until_held(server, 5)
        late = await connect_from(server, "127.0.0.3")
        for peer in (quiet, late):
            peer.send(GET % 1)
            assert (await peer.answer())[0] == 200
        for peer in (*crowd, late):
            peer.writer.close()


async def test_who_is_being_answered_stays() -> None:
    """A newcomer is turned away with 503 where all are busy."""
    begun, go = asyncio.Semaphore(0), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.release()
        await go.wait()
        return await echo(request)

    async with served(slow, limits=ServerLimits(connections_per_address=2)) as (_, connect):
        busy = [await connect() for _ in range(2)]
        for peer in busy:
            peer.send(GET % 1)
            await begun.acquire()
        newcomer = await connect()
        head = await newcomer.head()
        assert (head[""], head["Retry-After"]) == ("503", "5")
        assert await newcomer.is_closed()
        go.set()
        for peer in busy:
            assert (await peer.answer())[0] == 200


async def test_a_trusted_proxy_has_as_many_as_it_needs() -> None:
    """Everybody comes from there."""
    place_of = Addresses("127.0.0.1").place_of
    limits = ServerLimits(connections_per_address=1)
    async with served(limits=limits, place_of=place_of) as (server, connect):
        peers = [await connect() for _ in range(5)]
        await until_held(server, 5)
        for peer in peers:
            peer.send(GET % 1)
            assert (await peer.answer())[0] == 200


async def test_running_out_of_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that cannot be taken are seen by nobody else."""
    monkeypatch.setattr(servers, "LOOK_S", 0.02)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with capture_logs() as logs:
        async with served() as (_, connect):
            peer = await connect()
            resource.setrlimit(resource.RLIMIT_NOFILE, (_open_files(), hard))
            try:
                async with asyncio.timeout(10):
                    while not logs:  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            peer.send(GET % 1)
            assert (await peer.answer())[0] == 200
    assert logs[0]["limit"] == "open_files"


def _open_files() -> int:
    """So many files that there is no room for another one."""
    lowest = os.dup(0)
    os.close(lowest)
    return lowest


async def test_answers_that_nobody_takes_in_are_bounded_in_all() -> None:
    """An address alone makes room for itself, oldest first; what was taken in counts no more."""
    large = 4 << 20

    async def answer(request: Request) -> Response:
        return Response(200, b'"%b"' % (b"x" * large), {})

    with capture_logs() as logs:
        async with served(answer, limits=ServerLimits(held_bytes=large + large // 2)) as (
            server,
            connect,
        ):
            slow = await connect()
            slow.send(GET % 1)
            async with asyncio.timeout(10):
                while not server.figures()["http_unread_bytes"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            greedy = await connect()
            greedy.send(GET % 1)
            assert len(str((await greedy.answer())[1])) == large
            assert server.figures()["http_limited_unread_bytes"] == 1
            with pytest.raises((EOFError, OSError)):
                await slow.answer()
            async with asyncio.timeout(10):
                while server.figures()["http_unread_bytes"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
    assert [line["limit"] for line in logs if line["event"] == "limit reached"] == ["unread_bytes"]


def _unfinished(size_bytes: int) -> bytes:
    """A request whose body lacks its last byte."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size_bytes
    return head + b"x" * (size_bytes - 1)


async def test_unfinished_bodies_of_one_address_leave_room_for_the_others() -> None:
    """The address that holds most gives way, its oldest request first."""
    with capture_logs() as logs:
        async with served(limits=ServerLimits(held_bytes=256 << 10)) as (server, connect):
            hoarders = [await connect_from(server, "127.0.0.2") for _ in range(4)]
            for each in hoarders:
                before_bytes = server.figures()["http_held_bytes"]
                each.send(_unfinished(60 << 10))
                async with asyncio.timeout(10):
                    while server.figures()["http_held_bytes"] < before_bytes + (60 << 10):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
            peer = await connect()
            peer.send(_unfinished(100 << 10), b"x")
            assert (await peer.answer())[0] == 200
            assert await hoarders[0].is_closed()
            for each in hoarders[2:]:
                each.send(b"x")
                assert (await each.answer())[0] == 200
            assert server.figures()["http_held_bytes"] == 0
            for each in hoarders:
                each.writer.close()
    lines = [line for line in logs if line["event"] == "limit reached"]
    assert {(line["limit"], line["address"]) for line in lines} == {("held_bytes", "127.0.0.2")}


async def test_unread_answers_of_one_address_leave_room_for_the_others() -> None:
    """The address that reads nothing gives way, not who comes after it."""
    large = 4 << 20

    async def answer(request: Request) -> Response:
        return Response(200, b'"%b"' % (b"x" * large), {})

    async with served(answer, limits=ServerLimits(held_bytes=large + large // 2)) as (server, _):
        hoarder = await connect_from(server, "127.0.0.2")
        hoarder.send(GET % 1)
        async with asyncio.timeout(10):
            while not server.figures()["http_unread_bytes"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        peer = await connect_from(server, "127.0.0.3")
        peer.send(GET % 1)
        assert len(str((await peer.answer())[1])) == large
        with pytest.raises((EOFError, OSError)):
            await hoarder.answer()
        peer.writer.close()
        hoarder.writer.close()


async def test_little_is_read_of_who_goes_on_sending_after_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer was given; what comes after it waits until it is cut."""
    monkeypatch.setattr(connections, "LINGERING_BYTES", 64 << 10)
    monkeypatch.setattr(connections, "LINGERING_S", 0.2)
    with capture_logs() as logs:
        async with served() as (server, connect):
            peer = await connect()
            peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
            assert (await peer.answer())[1]["fault"] == "payload_too_large"
            sent_bytes, piece = 0, b"x" * 65536
            with pytest.raises((OSError, RuntimeError)):
                while sent_bytes < 48 << 20:
                    peer.send(piece)
                    await peer.writer.drain()
                    sent_bytes += len(piece)
            assert sent_bytes < 16 << 20
            assert server.figures()["http_limited_lingering_bytes"] == 1
    limits = [line["limit"] for line in logs if line["event"] == "limit reached"]
    assert limits == ["body_bytes", "lingering_bytes"]


async def test_the_kernel_holds_little_of_what_is_not_taken_in() -> None:
    """For each connection; what it holds of all together is the machine's."""
    async with served() as (server, connect):
        peer = await connect()
        await until_held(server, 1)
        (connection,) = server.connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER_BYTES
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * RECEIVE_BUFFER_BYTES
        peer.send(GET % 1)
        assert (await peer.answer())[0] == 200


async def test_a_body_that_is_announced_as_too_large_is_told_in_the_log() -> None:
    """As one is that turns out to be."""
    with capture_logs() as logs:
        async with served() as (_, connect):
            peer = await connect()
            peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
            assert (await peer.answer())[1]["fault"] == "payload_too_large"
    assert [line["limit"] for line in logs if line["event"] == "limit reached"] == ["body_bytes"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost:\ta\t\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:  a  \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  2 \t\r\n\r\n{}",
    ],
)
async def test_whitespace_around_values_is_no_part_of_them(head: bytes) -> None:
    """RFC 9110, section 5.5: it is taken off before a value is looked at."""
    async with served() as (_, connect):
        peer = await connect()
        peer.send(head)
        assert (await peer.answer())[0] == 200
