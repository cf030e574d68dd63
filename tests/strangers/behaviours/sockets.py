"""WebSockets: handshakes that are refused, frames that break the protocol, sessions that cost."""

import asyncio
import os
import struct

from tests.strangers.ground import ANSWER_S, Wire
from tests.strangers.hostile import HOST, Behaviour, outcome_of

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"
ACCEPTED = b"HTTP/1.1 101 "
CLOSE = 0x8
TEXT = 0x1
BINARY = 0x2
PING = 0x9
PONG = 0xA


def handshake(token: str = "", *fields: bytes, path: bytes = b"/stream") -> bytes:
    """A proper request for a stream."""
    if token:
        fields = (*fields, b"Authorization: Bearer " + token.encode() + b"\r\n")
    return b"GET %b HTTP/1.1\r\n%b%b%b%b%b\r\n" % (
        path,
        HOST,
        UPGRADE,
        KEY,
        VERSION,
        b"".join(fields),
    )


def frame(opcode: int, payload: bytes, *, fin: bool = True, first_bits: int = 0) -> bytes:
    """A masked frame (RFC 6455, section 5.2). The mask is zero, so that it costs nothing here."""
    first = (0x80 if fin else 0) | first_bits | opcode
    if len(payload) < 126:
        head = bytes((first, 0x80 | len(payload)))
    elif len(payload) < 65536:
        head = struct.pack(">BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, len(payload))
    return head + bytes(4) + payload


class _Sockets(Behaviour):
    """What behaviours on the WebSocket port share."""

    async def opened(self) -> Wire | None:
        """A stream of the attacker's own account; None where it was not let in."""
        member = self.ground.member
        wire = await self.wire(live=True)
        await wire.send(handshake(member.token if member else ""))
        head = await wire.exactly(len(ACCEPTED))
        if head != ACCEPTED:
            self.note(head[9:12].decode(errors="replace"))
            self.let_go(wire)
            return None
        while not head.endswith(b"\r\n\r\n"):
            head += await wire.exactly(1)
        return wire

    async def closed(self, wire: Wire, within_s: float = ANSWER_S) -> None:
        """Read until the end, and note the code of the close frame, if there is one."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    first, second = await wire.exactly(2, within_s)
                    length = second & 0x7F
                    if length == 126:
                        length = int.from_bytes(await wire.exactly(2, within_s))
                    elif length == 127:
                        length = int.from_bytes(await wire.exactly(8, within_s))
                    payload = await wire.exactly(length, within_s)
                    if first & 0xF == CLOSE:
                        code = int.from_bytes(payload[:2]) if length >= 2 else 1005
                        self.note(f"{code}", f"{payload[2:]!r}")
                        return
        except (OSError, EOFError, TimeoutError) as error:
            self.note(outcome_of(error))


class WrongHandshakes(_Sockets):
    """Other versions, keys, methods, subprotocols, paths, hosts; a body; no upgrade at all."""

    name = "wrong handshakes"
    never = frozenset({"500", "502", "nonsense", "101"})
    """Not even one that is closed at once: these are no handshakes."""

    async def act(self) -> None:
        path = b"GET /stream HTTP/1.1\r\n"
        wrong = (
            path + HOST + UPGRADE + KEY + b"Sec-WebSocket-Version: 12\r\n\r\n",
            path + HOST + UPGRADE + KEY + b"Sec-WebSocket-Version: 13, 8\r\n\r\n",
            path + HOST + UPGRADE + KEY + b"\r\n",
            path + HOST + UPGRADE + b"Sec-WebSocket-Key: x\r\n" + VERSION + b"\r\n",
            path + HOST + UPGRADE + KEY + KEY + VERSION + b"\r\n",
            path + HOST + UPGRADE + VERSION + b"\r\n",
            path + HOST + b"\r\n",
            path.replace(b"GET", b"POST") + HOST + UPGRADE + KEY + VERSION + b"\r\n",
            path.replace(b"1.1", b"1.0") + HOST + UPGRADE + KEY + VERSION + b"\r\n",
            handshake("", b"Sec-WebSocket-Protocol: mqtt, " + b"x, " * 1_000 + b"\r\n"),
            handshake(path=b"/other"),
            handshake("", b"Content-Length: 5\r\n") + b"hello",
            handshake("", b"X: " + b"y" * 20_000 + b"\r\n"),
            handshake("", b"X: y\r\n" * 500),
        )
        request = self.chance.choice(wrong)
        wire = await self.wire(live=True)
        await wire.send(request)
        await self.answered(wire, request)
        self.let_go(wire)


class WrongTokens(_Sockets):
    """Upgrades without a token, with garbage for one, with nonsense for a position."""

    name = "upgrades without a right"

    async def act(self) -> None:
        garbage = os.urandom(30).hex().encode()
        queries = (
            b"",
            b"?access_token=" + garbage,
            b"?access_token=" + b"a" * 8_000,
            b"?access_token=%ff%fe",
            b"?epoch=x",
            b"?offset=-1&epoch=" + b"e" * 300,
            b"?" + b"a=b&" * 500,
            b"?ticket=" + garbage,
        )
        wires = []
        for _ in range(20):
            wire = await self.wire(live=True)
            await wire.send(handshake(path=b"/stream" + self.chance.choice(queries)))
            wires.append(wire)
        for wire in wires:
            head = await wire.exactly(len(ACCEPTED))
            if head == ACCEPTED:
                while not head.endswith(b"\r\n\r\n"):
                    head += await wire.exactly(1)
                await self.closed(wire)
            else:
                self.note(head[9:12].decode(errors="replace"))
            self.let_go(wire)


class BadFrames(_Sockets):
    """One breach of RFC 6455 or of the protocol above it in each session."""

    name = "bad frames"

    async def act(self) -> None:
        wire = await self.opened()
        if wire is None:
            return
        breaches = (
            b"\x81\x05hello",  # not masked
            frame(TEXT, b"{}", first_bits=0x40),  # compressed, which was not agreed upon
            frame(0x3, b""),
            frame(0xB, b""),
            frame(PING, b"p" * 126),
            frame(PING, b"", fin=False),
            frame(0x0, b"continued"),
            frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
            frame(TEXT, b"\xff\xfe"),
            frame(TEXT, b"{" * 16_000),
            frame(TEXT, b"[" * 10_000 + b"]" * 6_000),
            frame(BINARY, b"\xdd\xff\xff\xff\xff"),
            frame(BINARY, b"\x91" * 10_000),
            frame(CLOSE, b"x"),
            frame(CLOSE, b"\x00\x00"),
            frame(CLOSE, b"\x03\xe8\xff\xff"),
            frame(TEXT, b"x" * 20_000),
            b"\x81\xff" + b"\xff" * 8 + bytes(4),
            frame(TEXT, b'{"type":"watch","tweetIds":["1"]}') * 4,
            frame(TEXT, b'{"type":"nothing"}') * 4,
            os.urandom(500),
        )
        await wire.send(self.chance.choice(breaches))
        await self.closed(wire)
        self.let_go(wire)


class EndlessFragments(_Sockets):
    """A message of fragments, empty or small, that does not end."""

    name = "endless fragments"

    async def act(self) -> None:
        wire = await self.opened()
        if wire is None:
            return
        piece = frame(0x0, self.chance.choice((b"", b"f", b"f" * 4_000)), fin=False)
        try:
            await wire.send(frame(TEXT, b"f", fin=False))
            for _ in range(500):
                await wire.send(piece * 20)
        except OSError:
            pass
        await self.closed(wire)
        self.let_go(wire)


class FrameFloods(_Sockets):
    """Pings, pongs and messages as fast as they go."""

    name = "floods of frames"

    async def act(self) -> None:
        wire = await self.opened()
        if wire is None:
            return
        piece = self.chance.choice(
            (
                frame(PING, b"p" * 125),
                frame(PONG, b""),
                frame(TEXT, b'{"type":"ping"}'),
                frame(TEXT, b'{"type":"watch","tweetIds":[]}'),
            )
        )
        try:
            for _ in range(200):
                await wire.send(piece * 50)
        except OSError:
            pass
        await self.closed(wire)
        self.let_go(wire)


class ManySessions(_Sockets):
    """More sessions of one account than it may have, kept, with nothing read."""

    name = "sessions by the hundred"

    async def act(self) -> None:
        kept = 0
        for _ in range(80):
            wire = await self.opened()
            if wire is None:
                break
            kept += 1
        self.note(f"opened {kept // 10 * 10} and more")
        await asyncio.sleep(2.0)
        for wire in list(self._wires):
            try:
                await wire.read(within_s=0.001)
            except TimeoutError:
                self.note("silent")
        self.cut_all()


class EarlyFrames(_Sockets):
    """Frames by the kilobyte in one piece with the handshake, before anybody is let in."""

    name = "early frames"

    async def act(self) -> None:
        member = self.ground.member
        token = member.token if member and self.chance.random() < 0.5 else "x.y.z"
        wire = await self.wire(live=True)
        size = self.chance.choice((100, 10_000, 500_000))
        try:
            await wire.send(handshake(token) + frame(PING, b"p" * 100) * (size // 100))
        except OSError:
            pass
        head = await wire.exactly(len(ACCEPTED))
        while not head.endswith(b"\r\n\r\n"):
            head += await wire.exactly(1)
        await self.closed(wire)
        self.let_go(wire)


BEHAVIOURS = (
    WrongHandshakes,
    WrongTokens,
    BadFrames,
    EndlessFragments,
    FrameFloods,
    ManySessions,
    EarlyFrames,
)
