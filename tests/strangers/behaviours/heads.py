"""Bytes that are no HTTP, and heads that break its rules."""

import string

from tests.strangers.hostile import HOST, JSON, NEVER, TAKEN, Behaviour, get


class RawNonsense(Behaviour):
    """Random bytes, TLS hellos, other protocols, on both ports."""

    name = "raw nonsense"
    never = NEVER | TAKEN

    async def act(self) -> None:
        size = self.chance.choice((1, 16, 200, 20_000, 200_000))
        kinds = (
            self.chance.randbytes(size),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.chance.randbytes(size),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.chance.randbytes(9),
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"\0" * size,
            b"\r\n" * size,
            b"A" * size,
        )
        wire = await self.wire(live=self.chance.random() < 0.5)
        data = self.chance.choice(kinds)
        await wire.send(data)
        wire.end()
        await self.answered(wire, data)
        self.let_go(wire)


class MalformedHeads(Behaviour):
    """Heads that RFC 9110 or 9112 forbids; none may be answered as if it were right."""

    name = "malformed heads"
    never = NEVER | TAKEN

    async def act(self) -> None:
        path = b"/api/v1/health"
        digits = b"9" * self.chance.choice((20, 5_000, 12_000))
        wrong = (
            b"GET %b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" % path,
            b"GET %b HTTP/1.1\r\nHost: a b\r\n\r\n" % path,
            b"GET %b HTTP/1.1\r\n\r\n" % path,
            b"GET %b HTTP/1.1\r\nHost : a\r\n\r\n" % path,
            b"GET %b HTTP/1.1\r\n Host: a\r\n\r\n" % path,
            b"GET %b HTTP/1.1\r\n%bX: a\r\n b\r\n\r\n" % (path, HOST),
            b"GET %b HTTP/1.1\r\n%bX: a\0b\r\n\r\n" % (path, HOST),
            b"GET %b HTTP/1.1\r\n%b: a\r\n\r\n" % (path, HOST),
            b"GET %b HTTP/3.0\r\n%b\r\n" % (path, HOST),
            b"GET %b HTTP/1.10\r\n%b\r\n" % (path, HOST),
            b"G\x00T %b HTTP/1.1\r\n%b\r\n" % (path, HOST),
            b"GET %b\xff HTTP/1.1\r\n%b\r\n" % (path, HOST),
            b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: %b\r\n\r\n" % (HOST, digits),
            b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: -1\r\n\r\n" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: +2\r\n\r\n{}" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "
            % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: 2, 2\r\n\r\n{}" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%b%bContent-Length: 2\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (HOST, JSON),
            b"POST /api/v1/login HTTP/1.1\r\n%bTransfer-Encoding: gzip, chunked\r\n\r\n"
            b"0\r\n\r\n" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bTransfer-Encoding: chunked, gzip\r\n\r\n"
            b"0\r\n\r\n" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" % HOST,
            b"POST /api/v1/login HTTP/1.1\r\n%bTransfer-Encoding:\x0bchunked\r\n\r\n"
            b"0\r\n\r\n" % HOST,
        )
        await self.ask(self.chance.choice(wrong), within_s=1.0)


class HugeHeads(Behaviour):
    """One endless field, field name, target, or thousands of fields, past every limit."""

    name = "huge heads"
    never = NEVER | TAKEN
    PIECES = 256
    PIECE_BYTES = 16_384

    async def act(self) -> None:
        letters = string.ascii_letters.encode()
        start, piece = self.chance.choice(
            (
                (b"GET /api/v1/health?", letters * (self.PIECE_BYTES // 52)),
                (b"GET /api/v1/health HTTP/1.1\r\nX: ", b"x" * self.PIECE_BYTES),
                (b"GET /api/v1/health HTTP/1.1\r\n", b"x" * self.PIECE_BYTES),
                (b"GET /api/v1/health HTTP/1.1\r\n" + HOST, b"A: b\r\n" * 2_000),
                (b"GET /api/v1/health HTTP/1.1\r\n" + HOST, b"A:\r\n" * 4_000),
                (b"", b"\r\n" * 8_000),
                (b"", b"G" * self.PIECE_BYTES),
            )
        )
        wire = await self.wire(live=self.chance.random() < 0.3)
        try:
            await wire.send(start)
            for _ in range(self.PIECES):
                await wire.send(piece)
        except OSError:
            pass
        await self.answered(wire, start)
        self.let_go(wire)


class Expectations(Behaviour):
    """Odd values of fields that ask for something: each is refused, ignored or answered."""

    name = "odd expectations"

    async def act(self) -> None:
        fields = (
            b"Range: bytes=0-0," + b"1-2," * 500,
            b"Range: bytes=9999999999999999999999-",
            b"Expect: 100-continue, 100-continue",
            b"Expect: 200-ok",
            b"Expect: " + b"x" * 8_000,
            b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
            b"Upgrade: " + b"websocket, " * 300 + b"\r\nConnection: Upgrade",
            b"Connection: close, keep-alive, upgrade, " + b"x, " * 1_000,
            b"Accept-Encoding: " + b"gzip;q=0.0001, " * 900,
            b"If-None-Match: " + b'"x", ' * 2_000,
            b"X-Forwarded-For: " + b"127.0.0.6, " * 1_000,
            b"X-Forwarded-For: 127.0.0.6",
            b"X-Request-Id: \xff\xfe" + b"i" * 3_000,
            b"Idempotency-Key: " + b"k" * 5_000,
            b"Cookie: " + b"a=b; " * 2_000,
        )
        field = self.chance.choice(fields)
        if self.chance.random() < 0.5:
            await self.ask(
                get(self.chance.choice(("/health", "/users/me", "/openapi.json")), field)
            )
        else:
            body = b"POST /api/v1/login HTTP/1.1\r\n%b%b%b\r\nContent-Length: 2\r\n\r\n{}"
            await self.ask(body % (HOST, JSON, field))


class Smuggling(Behaviour):
    """Several requests in one piece of which an early one is wrong: nothing behind it counts."""

    name = "smuggling"

    async def act(self) -> None:
        wrong = self.chance.choice(
            (
                b"POST /api/v1/login HTTP/1.1\r\n%bContent-Length: 5\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % HOST,
                b"POST /api/v1/login HTTP/1.0\r\n%bTransfer-Encoding: chunked\r\n"
                b"Connection: keep-alive\r\n\r\n0\r\n\r\n" % HOST,
                b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            )
        )
        behind = get("/health")
        wire = await self.wire()
        await wire.send(wrong + behind)
        if await self.answered(wire, wrong) and await self.answered(wire, wrong, 0.5) == 200:
            self.ground.record.note(
                self.name, "nonsense", f"the request behind {wrong!r} was answered"
            )
        self.let_go(wire)


BEHAVIOURS = (RawNonsense, MalformedHeads, HugeHeads, Expectations, Smuggling)
