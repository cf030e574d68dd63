"""`rookery.actors.channel`: calls over a real socket, and what becomes of them when a side dies."""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import uvloop
from structlog.testing import capture_logs

from rookery.actors.channel import MAX_FRAME_BYTES, Address, Channel, ChannelServer, here

SOON_S = 5.0


@asynccontextmanager
async def serving(answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[Address]:
    server = ChannelServer(answer)
    try:
        yield await server.start()
    finally:
        await server.stop()


async def opened(address: Address) -> Channel:
    channel = await Channel.open(address)
    assert channel is not None
    return channel


async def echo(request: bytes) -> bytes:
    return request


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("size", [0, 1, 11, 70_000, 5_000_000])
def test_frames_of_any_length_come_back_whole(
    run: Callable[[Coroutine[None, None, None]], None], size: int
) -> None:
    """Also several at once, which the socket cuts anywhere; on the loop of actors, too."""

    async def there_and_back() -> None:
        async with serving(echo) as address:
            channel = await opened(address)
            requests = [os.urandom(size) for _ in range(5)]
            assert await asyncio.gather(*map(channel.call, requests)) == requests
            channel.close()

    run(there_and_back())


async def test_requests_begin_in_order_and_are_answered_as_they_are_done() -> None:
    """A slow one holds up nobody."""
    begun: list[bytes] = []
    may_end = asyncio.Event()

    async def answer(request: bytes) -> bytes:
        begun.append(request)
        if request == b"slow":
            await may_end.wait()
        return request

    async with serving(answer) as address:
        channel = await opened(address)
        slow = asyncio.create_task(channel.call(b"slow"))
        await asyncio.sleep(0)
        for number in range(20):
            await channel.call(b"%d" % number)
        assert not slow.done()
        assert begun == [b"slow", *(b"%d" % number for number in range(20))]
        may_end.set()
        assert await slow == b"slow"
        channel.close()


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    """The caller gave up; the next call gets its own answer."""
    may_end = asyncio.Event()

    async def answer(request: bytes) -> bytes:
        if request == b"first":
            await may_end.wait()
        return request

    async with serving(answer) as address:
        channel = await opened(address)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.call(b"first"), 0.05)
        may_end.set()
        assert await channel.call(b"second") == b"second"
        channel.close()


async def test_calls_fail_at_once_when_the_other_process_is_killed() -> None:
    """Those that wait and those that come later; nobody can connect there any more."""
    program = """
import asyncio
from rookery.actors.channel import ChannelServer
async def never(request):
    await asyncio.Event().wait()
async def main():
    address = await ChannelServer(never).start()
    print(address.where, address.name, address.secret.hex(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    where, name, secret = (await process.stdout.readline()).decode().split()
    address = Address(where, name, bytes.fromhex(secret))
    channel = await opened(address)
    waiting = asyncio.create_task(channel.call(b""))
    await asyncio.sleep(0)
    process.kill()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(waiting, SOON_S)
    assert not channel.is_usable
    with pytest.raises(ConnectionError):
        await channel.call(b"")
    await process.wait()
    with pytest.raises(OSError, match="refused"):
        await Channel.open(address)


async def test_who_is_on_another_machine_is_not_connected_to() -> None:
    """The caller is told, and goes another way."""
    async with serving(echo) as address:
        assert await Channel.open(replace(address, where="elsewhere")) is None
        assert await Channel.open(Address("", "", b"")) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_processes_of_other_users_are_refused() -> None:
    """They are cut off before anything they say is read."""
    program = """
import os, sys, socket
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect("\\0" + sys.argv[1])
    connection.settimeout(5)
    try:
        print(connection.recv(1))
    except ConnectionResetError:
        print(b"")
"""
    heard: list[bytes] = []

    async def answer(request: bytes) -> bytes:
        heard.append(request)
        return request

    async with serving(answer) as address:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, address.name, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert told.decode().strip() == "b''"
        assert heard == []


@pytest.mark.parametrize("whose", ["another user's", "without the secret"])
async def test_a_flood_of_refused_connections_is_a_few_lines(
    monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """With how many there were, the last when the server stops."""
    if whose == "another user's":
        monkeypatch.setattr("rookery.actors.channel._is_own_user", lambda _: False)
    with capture_logs() as logs:
        async with serving(echo) as address:
            for _ in range(200):
                reader, writer = await raw(address)
                writer.write(bytes(64))
                with suppress(ConnectionError):
                    await reader.read()
                writer.close()
    assert 1 <= len(logs) <= 4
    assert {each["process"] for each in logs} == {whose}
    assert {each["user"] for each in logs} == {str(os.getuid())}
    assert sum(each["times"] for each in logs) == 200


async def test_who_does_not_know_the_secret_is_refused() -> None:
    """Though it is of the same user; nothing it sends is taken for a call."""
    heard: list[bytes] = []

    async def answer(request: bytes) -> bytes:
        heard.append(request)
        return request

    async with serving(answer) as address:
        with pytest.raises(ConnectionRefusedError, match="does not know the secret"):
            await Channel.open(replace(address, secret=b"guessed"))
        reader, writer = await raw(address)
        nonce = await reader.readexactly(32)
        frame = b"a call"
        writer.write(nonce + bytes(32) + struct.pack("<IQ", len(frame), 1) + frame)
        assert await reader.read() == b""
        assert heard == []
        writer.close()


async def test_who_answers_without_knowing_the_secret_is_not_called() -> None:
    """A process that has taken the name of an actor that died."""
    name = f"rookery/test-{os.getpid()}"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"\0{name}")
    told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(32) + bytes(32))
        told.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_unix_server(impostor, sock=listening):
        with pytest.raises(ConnectionRefusedError):
            await Channel.open(Address(here(), name, b"secret"))
        assert len(await told) == 64


async def test_a_frame_longer_than_the_limit_is_not_read() -> None:
    """Its header ends the connection, before room is made for it."""
    async with serving(echo) as address:
        channel = await opened(address)
        channel._transport.write(struct.pack("<IQ", MAX_FRAME_BYTES + 1, 1))
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(SOON_S):
                await channel.call(b"")


async def raw(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection without a channel's manners."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"\0{address.name}")
    return await asyncio.open_unix_connection(sock=connection)
