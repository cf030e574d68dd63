"""Calls between processes of one machine, over a socket, without Ray in between.

A call through Ray passes four threads and an object store's bookkeeping; through here it is one
write and one read on either side (docs/decisions/012). Requests and replies are bytes; what they
mean is the matter of who calls and who answers. Knows nothing of actors or Ray.

The sockets are Linux's abstract ones: no file stays behind a process that was killed. Whoever
connects must be a process of the same user, since requests may be pickles.
"""

import asyncio
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import cast

_HEADER = struct.Struct("<IQ")  # length of what follows, number of the call
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)

Address = tuple[str, str]
"""Where a socket can be reached from, and its name."""


@lru_cache
def here() -> str:
    """Names the machine and network namespace of this process; empty where there is no such socket.

    Abstract names are valid within one network namespace.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/net').st_ino}"
    except OSError:
        return ""


def _is_own_user(connection: socket.socket) -> bool:
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return bool(uid == os.getuid())


class _Frames(asyncio.Protocol):
    """Cuts what arrives into numbered frames."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEADER.size:
            length, number = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            self._received(number, bytes(memoryview(buffer)[start + _HEADER.size : end]))
            start = end
        if start:
            del buffer[:start]

    def _received(self, number: int, frame: bytes) -> None:
        raise NotImplementedError

    def send(self, number: int, frame: bytes) -> None:
        self._transport.writelines((_HEADER.pack(len(frame), number), frame))


class Channel(_Frames):
    """A connection to a `ChannelServer`: any number of calls at once, answered as they are done."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0

    @classmethod
    async def open(cls, address: Address) -> "Channel | None":
        """Connect; None if `address` cannot be reached from here.

        Raises:
            OSError: nobody listens there any more.
        """
        where, name = address
        if not where or where != here():
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, f"\0{name}")
            if not _is_own_user(connection):
                raise ConnectionRefusedError("a process of another user listens there")
            _, channel = await loop.create_unix_connection(cls, sock=connection)
        except BaseException:
            connection.close()
            raise
        return channel

    @property
    def is_usable(self) -> bool:
        """Whether it is open, and of the event loop that runs."""
        return self.is_open and self._loop is asyncio.get_running_loop()

    async def call(self, request: bytes) -> bytes:
        """Send a request, and wait for its reply.

        Raises:
            ConnectionError: the other side died, or this one was closed; whether the request was
                carried out is not known.
        """
        if not self.is_open:
            raise ConnectionResetError
        self._last = number = self._last + 1
        reply: asyncio.Future[bytes] = self._loop.create_future()
        self._calls[number] = reply
        self.send(number, request)
        try:
            return await reply
        finally:
            self._calls.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_open = True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        for reply in self._calls.values():
            if not reply.done():
                reply.set_exception(ConnectionResetError())

    def _received(self, number: int, frame: bytes) -> None:
        reply = self._calls.get(number)
        if reply is not None and not reply.done():  # else its caller waits no longer
            reply.set_result(frame)

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()


class _Answering(_Frames):
    def __init__(self, server: "ChannelServer") -> None:
        super().__init__()
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if _is_own_user(transport.get_extra_info("socket")):
            self._server.connections.add(self)
        else:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)

    def _received(self, number: int, frame: bytes) -> None:
        if self in self._server.connections:
            self._server.begin(self._answer(number, frame))

    async def _answer(self, number: int, request: bytes) -> None:
        reply = await self._server.answer(request)
        if not self._transport.is_closing():
            self.send(number, reply)

    def close(self) -> None:
        self._transport.abort()


class ChannelServer:
    """Answers the calls of other processes of this user on this machine."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """`answer` must not raise: what it has to tell of failures is in its reply."""
        self.answer = answer
        self.connections: set[_Answering] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> Address:
        """Listen; the address for `Channel.open`."""
        if not here():
            return "", ""
        name = f"rookery/{secrets.token_hex(16)}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(f"\0{name}")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Answering(self), sock=listening)
        return here(), name

    def begin(self, answering: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Break all connections; calls that are being answered are given up."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
