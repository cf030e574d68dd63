"""Answers without an end: what is read of them, and what the client says."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from rookery.client import ApiError, Client, Disconnected, InvalidResponse
from rookery.client import dialing as dialings
from rookery.client import transport as transports
from tests.integration.client.answering import QUICK
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.streaming import QUICK as QUICK_STREAM
from tests.integration.client.streaming import client_of, sends, take

PIECE_BYTES = 64 << 10
FAR_TOO_MUCH_BYTES = 16 << 20
"""Of what is sent; unpacked it is far more."""


@dataclass
class Endless:
    """Answers every request with more than anybody wants."""

    status: int = 200
    packed: bool = False
    announced: bool = False
    url: str = ""
    sent_bytes: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Endless"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        framing = "Transfer-Encoding: chunked"
        if self.announced:
            framing = f"Content-Length: {FAR_TOO_MUCH_BYTES}"
        encoding = "Content-Encoding: gzip\r\n" if self.packed else ""
        writer.write(f"HTTP/1.1 {self.status} Any\r\n{framing}\r\n{encoding}\r\n".encode())
        packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            for _ in range(FAR_TOO_MUCH_BYTES // PIECE_BYTES):
                piece = b" " * PIECE_BYTES
                if self.packed:
                    piece = packing.compress(piece * 16) + packing.flush(zlib.Z_SYNC_FLUSH)
                writer.write(piece if self.announced else b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                self.sent_bytes += PIECE_BYTES
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests would take long."""
    monkeypatch.setattr(transports, "MAX_ANSWER_BYTES", 256 << 10)


@pytest.mark.parametrize(
    "server", [Endless(), Endless(announced=True), Endless(packed=True)], ids=str
)
async def test_an_answer_without_an_end_is_given_up(server: Endless) -> None:
    """However it is framed or packed; the error names the limit."""
    async with server.running():
        async with Client(server.url, token="t", timeout_s=30.0, retries=QUICK) as client:
            with pytest.raises(InvalidResponse, match=f"more than {256 << 10} bytes"):
                await client.health()
    # Packed, all of it may lie in the kernel.
    assert server.packed or server.sent_bytes < FAR_TOO_MUCH_BYTES


async def test_little_is_read_of_a_refusal() -> None:
    """It is one all the same, by its status."""
    server = Endless(404)
    async with server.running():
        async with Client(server.url, token="t", timeout_s=30.0, retries=QUICK) as client:
            with pytest.raises(ApiError, match="404") as raised:
                await client.health()
    assert raised.value.status == 404
    assert server.sent_bytes < FAR_TOO_MUCH_BYTES


async def test_a_message_of_a_stream_is_bounded_in_all_its_fragments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stream says so, and connects again."""
    monkeypatch.setattr(dialings, "MAX_MESSAGE_BYTES", 10_000)

    async def endless(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.send("x" * 1_000 for _ in range(1_000))
        await peer.stay()

    server = ScriptedServer(endless, sends(1))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK_STREAM, connection_events=True) as stream:
            found = [each for each in await take(stream, 2) if isinstance(each, Disconnected)]
            assert "1009" in found[0].reason
