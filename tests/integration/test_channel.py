"""`rookery.actors.channel`: calls over a real socket, and what becomes of them when a side dies."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from rookery.actors.channel import Address, Channel, ChannelServer

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
    print(*await ChannelServer(never).start(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    where, name = (await process.stdout.readline()).decode().split()
    channel = await opened((where, name))
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
        await Channel.open((where, name))


async def test_who_is_on_another_machine_is_not_connected_to() -> None:
    """The caller is told, and goes another way."""
    async with serving(echo) as (_, name):
        assert await Channel.open(("elsewhere", name)) is None
        assert await Channel.open(("", "")) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_processes_of_other_users_are_refused() -> None:
    """Requests may be pickles, which can do anything."""
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

    async with serving(answer) as (_, name):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, name, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert told.decode().strip() == "b''"
        assert heard == []
