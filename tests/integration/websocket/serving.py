"""A WebSocket server over real sockets, with a shard made of lists."""

import asyncio
import base64
import json
import socket
import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rookery.connection.hub import Hub
from rookery.connection.ports import Attached
from rookery.connection.server import ConnectionListener
from rookery.connection.settings import StreamSettings
from rookery.errors import DeviceRevoked, InvalidToken, TokenExpired
from rookery.messages import Push
from rookery.models import EventKind, Identity
from tests.streamed import FakeTweets

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
UPGRADE = (
    b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(b"0" * 16) + b"\r\n"
)


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

    async def recently_notified(self) -> list[int] | None:
        return None

    async def positions(self, user_ids: Sequence[int]) -> list[tuple[str, int] | None]:
        return [
            (self.epoch, len(self.logs[user_id])) if user_id in self.registered else None
            for user_id in user_ids
        ]

    def publish(self, users: Sequence[int], subject_id: int, record: bytes = b"") -> Push:
        kind = EventKind.TWEET if record else EventKind.TWEET_DELETED
        offsets = []
        for user_id in users:
            log = self.logs[user_id]
            log.append((len(log) + 1, int(kind), subject_id))
            offsets.append(len(log))
        ids = np.array(users, "<i8").tobytes()
        return Push(int(kind), subject_id, record, ids, np.array(offsets, "<i8").tobytes())


class Server:
    """A running listener and what surrounds it. Tokens are ``USER/DEVICE``."""

    def __init__(self, settings: StreamSettings) -> None:
        self.shard = Shard()
        self.tweets = FakeTweets()
        self.expires_ms = 2**60
        self.hub = Hub(self.shard, self.tweets, settings)
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
