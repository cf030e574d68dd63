"""What a hostile behaviour stands on: an address, bounded means, raw connections, a record."""

import asyncio
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil

ANSWER_S = 3.0
CONNECT_S = 3.0
MAX_ANSWER_BYTES = 1 << 20
SEND_BYTES = 32 << 10
BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of Linux, which Python does not name
_LOOK_S = 0.05


class Budget:
    """A share of one core. Whoever has used more waits, so that the server is what is measured."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._process = psutil.Process()
        self._since_s = time.monotonic()
        self._used_before_s = self._used_s()
        self._is_over = False

    def _used_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    async def watch(self) -> None:
        """Keep the account; to be run beside all that asks for turns."""
        while True:
            await asyncio.sleep(_LOOK_S)
            may_s = (time.monotonic() - self._since_s) * self._share
            used_s = self._used_s() - self._used_before_s
            self._is_over = used_s > may_s
            if used_s < may_s - 1.0:  # What was saved up is not spent at once.
                self._since_s = time.monotonic() - (used_s + 1.0) / self._share

    async def turn(self) -> None:
        """Return when this process may go on."""
        await asyncio.sleep(0)
        while self._is_over:  # noqa: ASYNC110 - set once in a look, by time alone
            await asyncio.sleep(_LOOK_S)

    @property
    def used_s(self) -> float:
        """Seconds of a core since the beginning."""
        return self._used_s() - self._used_before_s


class Record:
    """What the server did, counted by behaviour and outcome, with an example of each fault."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.examples: dict[str, str] = {}

    def note(self, behaviour: str, outcome: str, example: str = "") -> None:
        self.outcomes[behaviour, outcome] += 1
        if example:
            self.examples.setdefault(f"{behaviour}: {outcome}", example[:300])


@dataclass
class Member:
    """An account of the attacker's own."""

    user_id: str
    username: str
    token: str
    refresh_token: str


@dataclass
class Ground:
    """All that behaviours of one address share."""

    address: str
    http_port: int
    live_port: int
    budget: Budget
    record: Record
    chance: random.Random
    victim_name: str = ""
    """Whose account is worth guessing at: a known name that is not the victim's who logs in."""
    member: Member | None = None
    posts: int = 0
    """Tweets of the member that the server has accepted."""
    newest: list[str] = field(default_factory=list)
    """Some ids of tweets."""


class Wire:
    """One TCP connection from the attacker's address, raw."""

    def __init__(self, ground: Ground, port: int, receive_bytes: int = 0) -> None:
        """With `receive_bytes`, the kernel and this take in no more than about so much unasked."""
        self._ground = ground
        self._receive_bytes = receive_bytes
        self._port = port
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def open(self) -> "Wire":
        """Connect; raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        # The kernel tells of both ends together, and the attacker's is no matter of the server's.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            if self._receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
            sock.bind((self._ground.address, 0))
            async with asyncio.timeout(CONNECT_S):
                await loop.sock_connect(sock, ("127.0.0.1", self._port))
            limit = self._receive_bytes or 1 << 16
            self._reader, self._writer = await asyncio.open_connection(sock=sock, limit=limit)
        except BaseException:
            sock.close()
            raise
        return self

    async def send(self, data: bytes) -> None:
        """Send all of it, when it is this process's turn; raises OSError when cut."""
        await self._ground.budget.turn()
        assert self._writer is not None
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """Send no more, and go on reading."""
        assert self._writer is not None
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def read(self, most_bytes: int = 1 << 16, within_s: float = ANSWER_S) -> bytes:
        """Something; empty at the end. Raises TimeoutError, OSError."""
        assert self._reader is not None
        async with asyncio.timeout(within_s):
            return await self._reader.read(most_bytes)

    async def exactly(self, count: int, within_s: float = ANSWER_S) -> bytes:
        """So many bytes; raises asyncio.IncompleteReadError (an EOFError) at an early end."""
        assert self._reader is not None
        async with asyncio.timeout(within_s):
            return await self._reader.readexactly(count)

    async def answer(self, within_s: float = ANSWER_S) -> tuple[int, bytes]:
        """Status and body of the next answer of HTTP; status 0 stands for something else.

        Raises:
            TimeoutError: none came.
            EOFError, OSError: the connection ended.
        """
        assert self._reader is not None
        async with asyncio.timeout(within_s):
            status, length = await self._head()
            while status == 100:
                status, length = await self._head()
            if not 0 <= length <= MAX_ANSWER_BYTES:
                return 0, b"a Content-Length of %d" % length
            return status, await self._reader.readexactly(length)

    async def _head(self) -> tuple[int, int]:
        assert self._reader is not None
        head = await self._reader.readuntil(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        parts = line.split(b" ")
        if len(parts) < 2 or parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1].isdigit():
            return 0, 0
        status, length = int(parts[1]), 0
        for each in fields:
            name, _, value = each.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, length

    @property
    def is_cut(self) -> bool:
        """Whether the other side has ended it."""
        assert self._reader is not None
        return self._reader.at_eof() or self._reader.exception() is not None

    @property
    def has_answer(self) -> bool:
        """Whether something has come that was not read, or the end."""
        assert self._reader is not None
        return bool(self._reader._buffer) or self._reader.at_eof()  # type: ignore[attr-defined]

    def cut(self) -> None:
        """End it at once, as a client that vanishes."""
        if self._writer is not None:
            self._writer.transport.abort()
