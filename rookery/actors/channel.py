"""Calls between processes of one machine, over a socket, without Ray in between.

A call through Ray passes four threads and an object store's bookkeeping; through here it is one
write and one read on either side (docs/decisions/012). Requests and replies are bytes; what they
mean is the matter of who calls and who answers. Knows nothing of actors or Ray.

The sockets are Linux's abstract ones: no file stays behind a process that was killed. Both sides
must be processes of the same user, and each proves to the other, before any frame is read, that it
knows the secret that goes with the address: whoever may ask for the address has it.

    server → client   a nonce of 32 bytes
    client → server   another one, then HMAC(secret, "client" + the server's + its own)
    server → client   HMAC(secret, "server" + the client's + its own)
"""

import asyncio
import hmac
import os
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

import structlog

from rookery.domain.notices import EVERY_S, Notice, Notices

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES = 256 * 2**20
"""A longer frame is neither sent nor read."""
PROOF_S = 10.0
"""Who has not proved for so long to know the secret is disconnected."""

_NONCE_BYTES = 32
_PROOF_BYTES = 32
_HEADER = struct.Struct("<IQ")  # length of what follows, number of the call
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)


@dataclass(frozen=True)
class Address:
    """Where a socket can be reached from, its name, and the secret that both sides must know."""

    where: str
    name: str
    secret: bytes = field(repr=False)


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


def _user_of(connection: socket.socket) -> int:
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    return int(uid)


def _is_own_user(connection: socket.socket) -> bool:
    return _user_of(connection) == os.getuid()


def _proof(secret: bytes, side: bytes, other_nonce: bytes, own_nonce: bytes) -> bytes:
    return hmac.digest(secret, side + other_nonce + own_nonce, "sha256")


class _Frames(asyncio.Protocol):
    """Exchanges proofs, then cuts what arrives into numbered frames."""

    def __init__(self, secret: bytes) -> None:
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._secret = secret
        self._nonce = secrets.token_bytes(_NONCE_BYTES)
        self._expected_bytes = 0
        """Of what the other side has to say before the first frame; 0: no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while self._expected_bytes:
            if len(buffer) < self._expected_bytes:
                return
            said = bytes(buffer[: self._expected_bytes])
            del buffer[: self._expected_bytes]
            if not self._greeted(said):
                buffer.clear()
                self._transport.abort()
                return
        start = 0
        while len(buffer) - start >= _HEADER.size:
            length, number = _HEADER.unpack_from(buffer, start)
            if length > MAX_FRAME_BYTES:
                log.error("a call or an answer is too long", bytes=length, limit=MAX_FRAME_BYTES)
                buffer.clear()
                self._transport.abort()
                return
            end = start + _HEADER.size + length
            if len(buffer) < end:
                break
            self._received(number, bytes(memoryview(buffer)[start + _HEADER.size : end]))
            start = end
        if start:
            del buffer[:start]

    def _greeted(self, said: bytes) -> bool:
        """Take what was expected; False: that is not who should be there."""
        raise NotImplementedError

    def _received(self, number: int, frame: bytes) -> None:
        raise NotImplementedError

    def send(self, number: int, frame: bytes) -> None:
        self._transport.writelines((_HEADER.pack(len(frame), number), frame))


class Channel(_Frames):
    """A connection to a `ChannelServer`: any number of calls at once, answered as they are done."""

    def __init__(self, secret: bytes) -> None:
        super().__init__(secret)
        self.is_open = False
        self._loop = asyncio.get_running_loop()
        self._server_nonce = b""
        self._proved: asyncio.Future[None] = self._loop.create_future()
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0

    @classmethod
    async def open(cls, address: Address) -> "Channel | None":
        """Connect; None if `address` cannot be reached from here.

        Raises:
            OSError: nobody listens there any more, or somebody who does not know the secret.
        """
        if not address.where or address.where != here():
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, f"\0{address.name}")
            if not _is_own_user(connection):
                raise ConnectionRefusedError("a process of another user listens there")
            _, channel = await loop.create_unix_connection(
                lambda: cls(address.secret), sock=connection
            )
        except BaseException:
            connection.close()
            raise
        try:
            async with asyncio.timeout(PROOF_S):
                await channel._proved
        except BaseException:
            channel.close()
            raise
        return channel

    @property
    def is_usable(self) -> bool:
        """Whether it is open, and of the event loop that runs."""
        return self.is_open and self._loop is asyncio.get_running_loop()

    async def call(self, request: bytes) -> bytes:
        """Send a request, and wait for its reply.

        Raises:
            ValueError: it is longer than `MAX_FRAME_BYTES`.
            ConnectionError: the other side died, or this one was closed; whether the request was
                carried out is not known.
        """
        if not self.is_open:
            raise ConnectionResetError
        if len(request) > MAX_FRAME_BYTES:
            raise ValueError(f"a call of {len(request)} bytes is too long")
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
        self._expected_bytes = _NONCE_BYTES

    def _greeted(self, said: bytes) -> bool:
        if not self._server_nonce:
            self._server_nonce = said
            own = self._nonce
            self._transport.write(own + _proof(self._secret, b"client", said, own))
            self._expected_bytes = _PROOF_BYTES
            return True
        right = _proof(self._secret, b"server", self._nonce, self._server_nonce)
        if not hmac.compare_digest(said, right):
            return False
        self._expected_bytes = 0
        self.is_open = True
        if not self._proved.done():
            self._proved.set_result(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if not self._proved.done():
            self._proved.set_exception(
                ConnectionRefusedError("whoever listens there does not know the secret")
            )
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
        super().__init__(server.secret)
        self._server = server
        self._alarm: asyncio.TimerHandle | None = None
        self._user = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._expected_bytes = _NONCE_BYTES + _PROOF_BYTES
        self._server.connections.add(self)
        connection = transport.get_extra_info("socket")
        self._user = _user_of(connection)
        if not _is_own_user(connection):
            self._refuse("another user's")
            return
        self._transport.write(self._nonce)
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(PROOF_S, self._refuse, "silent")

    def _greeted(self, said: bytes) -> bool:
        nonce, proof = said[:_NONCE_BYTES], said[_NONCE_BYTES:]
        if not hmac.compare_digest(proof, _proof(self._secret, b"client", self._nonce, nonce)):
            self._server.refused("without the secret", self._user)
            return False
        self._expected_bytes = 0
        if self._alarm is not None:
            self._alarm.cancel()
        self._transport.write(_proof(self._secret, b"server", nonce, self._nonce))
        return True

    def _refuse(self, whose: str) -> None:
        self._server.refused(whose, self._user)
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._server.connections.discard(self)

    def _received(self, number: int, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._server.begin(self._answer(number, frame))

    async def _answer(self, number: int, request: bytes) -> None:
        reply = await self._server.answer(request)
        if not self._transport.is_closing():
            self.send(number, reply)

    def close(self) -> None:
        self._transport.abort()


class ChannelServer:
    """Answers the calls of other processes on this machine that know its secret."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """`answer` must not raise, nor answer with more than `MAX_FRAME_BYTES`."""
        self.answer = answer
        self.secret = secrets.token_bytes(32)
        self.connections: set[_Answering] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._notices = Notices()
        self._telling: asyncio.TimerHandle | None = None

    async def start(self) -> Address:
        """Listen; the address for `Channel.open`."""
        if not here():
            return Address("", "", b"")
        name = f"rookery/{secrets.token_hex(16)}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(f"\0{name}")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Answering(self), sock=listening)
        return Address(here(), name, self.secret)

    def refused(self, whose: str, user: int) -> None:
        """Log it now and then, with how often: every local user can connect as it likes."""
        loop = asyncio.get_running_loop()
        self._notices.count(whose, str(user))
        due = self._notices.due(loop.time())
        self._tell(due)
        if not due and self._telling is None:
            self._telling = loop.call_later(EVERY_S, self._tell_rest)

    def _tell_rest(self) -> None:
        self._telling = None
        self._tell(self._notices.rest())

    @staticmethod
    def _tell(notices: list[Notice]) -> None:
        for each in notices:
            log.warning(
                "connections for calls were refused",
                process=each.limit,
                user=each.address,
                times=each.times,
            )

    def begin(self, answering: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Break all connections; calls that are being answered are given up."""
        if self._server is not None:
            self._server.close()
        if self._telling is not None:
            self._telling.cancel()
        self._tell_rest()
        for connection in list(self.connections):
            connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
