"""WebSocket clients that only count: a child process that reads frames from the raw stream.

As cheap as it can be, since it shares the machine with the server. Frames are cut from the stream
by their headers, every session counts its own, and a few sessions keep whole payloads for the
parent to check.
"""

import asyncio
import base64
import os
from time import monotonic
from typing import cast

import msgspec
import uvloop

from bench import children

AT_ONCE = 100
ID_FIELD = b"\xa2id\xb3"
"""MessagePack of the key "id" and the head of its value, a string of 19 digits."""
ID_CHARS = 19
CLOSE, PING = 8, 9
PONG = b"\x8a\x80\0\0\0\0"


class Job(msgspec.Struct, kw_only=True):
    """Open a session for each of `heads` (request heads, see `handshake`).

    The first `greeting` data frames of each are not counted. Whenever `round_frames` more frames
    have arrived in total, the child prints their number. With `times`, it notes when each tweet
    arrived at each session. The first `kept` sessions keep their payloads.
    """

    port: int
    heads: list[bytes]
    greeting: int = 1
    round_frames: int = 0
    times: bool = False
    kept: int = 2


class Received(msgspec.Struct, kw_only=True):
    """What came. `tweets` are (tweet id, `time.monotonic` of its arrival), of all sessions."""

    frames: int
    least: int
    most: int
    closed: int
    tweets: list[tuple[str, float]]
    payloads: list[list[bytes]]


def handshake(token: str = "", path: str = "/stream") -> bytes:
    """The request that opens a session."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: bench",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: rookery.v1.msgpack",
        f"Sec-WebSocket-Key: {key}",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class _Clients:
    """What the sessions share."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.frames = 0
        self.closed = 0
        self.next_round = job.round_frames or 1 << 62
        self.tweets: list[tuple[bytes, float]] = []

    def counted(self, frames: int) -> None:
        self.frames += frames
        if self.frames >= self.next_round:
            self.next_round += self.job.round_frames
            children.tell(self.frames)


class _Session(asyncio.Protocol):
    def __init__(self, clients: _Clients, head: bytes, keeps: bool) -> None:
        self._clients = clients
        self._head = head
        self._buffer = b""
        self._greeting = clients.job.greeting
        self._times = clients.job.times
        self.payloads: list[bytes] | None = [] if keeps else None
        self.frames = 0
        self.is_open = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at = 0
        if not self.is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                raise RuntimeError(f"the handshake was refused: {data[:200]!r}")
            self.is_open = True
            at = end + 4
            if not self._greeting:
                self.ready.set_result(None)
        self._frames(data, at)

    def _frames(self, data: bytes, at: int) -> None:
        """Count the data frames from `at` on; RFC 6455, section 5.2, of a server's frames."""
        size = len(data)
        counted = 0
        while size - at >= 4 or (size - at >= 2 and data[at + 1] < 126):
            length = data[at + 1]
            begin = at + 2
            if length == 126:
                length = data[at + 2] << 8 | data[at + 3]
                begin = at + 4
            elif length == 127:
                raise RuntimeError("a frame of more than 65,535 bytes")
            end = begin + length
            if end > size:
                break
            opcode = data[at] & 15
            at = end
            if opcode >= CLOSE:
                if opcode == PING:
                    self._transport.write(PONG)
            elif self._greeting:
                self._greeting -= 1
                if not self._greeting:
                    self.ready.set_result(None)
            else:
                counted += 1
                if self._times:
                    id_at = data.find(ID_FIELD, begin, end) + len(ID_FIELD)
                    self._clients.tweets.append((data[id_at : id_at + ID_CHARS], monotonic()))
                if self.payloads is not None:
                    self.payloads.append(data[begin:end])
        if at < size:
            self._buffer = data[at:]
        if counted:
            self.frames += counted
            self._clients.counted(counted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.closed += 1
        if not self.ready.done():
            self.ready.set_exception(exc or RuntimeError("the server closed a connection"))


async def _receive(job: Job) -> Received:
    loop = asyncio.get_running_loop()
    clients = _Clients(job)
    sessions: list[_Session] = []
    for first in range(0, len(job.heads), AT_ONCE):
        opening: list[_Session] = []
        for head in job.heads[first : first + AT_ONCE]:
            session = _Session(clients, head, len(sessions) + len(opening) < job.kept)
            opening.append(session)
            await loop.create_connection(lambda made=session: made, "127.0.0.1", job.port)  # type: ignore[misc]
        await asyncio.wait_for(asyncio.gather(*(each.ready for each in opening)), 30)
        sessions += opening
    children.tell(len(sessions))
    await children.until_told(str)
    return Received(
        frames=clients.frames,
        least=min(each.frames for each in sessions),
        most=max(each.frames for each in sessions),
        closed=clients.closed,
        tweets=[(raw.decode(), at_s) for raw, at_s in clients.tweets],
        payloads=[each.payloads for each in sessions if each.payloads is not None],
    )


class Receivers:
    """The parent's side. An async context manager; the sessions are open inside it."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def __aenter__(self) -> "Receivers":
        self._child = await children.Child.start("bench.sockets", self._job)
        try:
            opened = await self._child.answer(int)
        except BaseException:
            await self._child.stop()
            raise
        if opened != len(self._job.heads):
            raise AssertionError(f"{opened} sessions instead of {len(self._job.heads)}")
        return self

    async def round(self) -> int:
        """Wait for the next round's frames; how many came so far.

        Raises:
            RuntimeError: they do not come.
        """
        return await self._child.answer(int, within_s=30)

    async def received(self) -> Received:
        """End the counting, and tell what came."""
        await self._child.tell("enough")
        return await self._child.answer(Received)

    async def __aexit__(self, *_: object) -> None:
        await self._child.stop()


if __name__ == "__main__":
    children.tell(uvloop.run(_receive(children.job(Job))))
