"""Bodies that never end, come in crumbs, unpack to a thousandfold, or are no JSON one wants."""

import gzip
import json
import zlib

from tests.strangers.hostile import HOST, JSON, NEVER, TAKEN, Behaviour, get, post

CHUNKED = b"POST /api/v1/login HTTP/1.1\r\n%b%bTransfer-Encoding: chunked\r\n\r\n" % (HOST, JSON)
MOST_BYTES = 48 << 20
"""So much of an endless thing is sent over one connection."""
PIECE_BYTES = 65_536


class _Endless(Behaviour):
    """Sends a beginning and then the same piece until it is cut or a bound of ours is reached."""

    never = NEVER | TAKEN
    pause_s = 0.2

    async def send_endlessly(self, start: bytes, piece: bytes) -> None:
        wire = await self.wire()
        sent_bytes = 0
        try:
            await wire.send(start)
            while sent_bytes < MOST_BYTES and not wire.has_answer:
                await wire.send(piece)
                sent_bytes += len(piece)
            if not wire.has_answer:
                self.ground.record.note(self.name, f"took {MOST_BYTES >> 20} MB", str(start))
        except OSError:
            pass
        await self.answered(wire, start)
        self.let_go(wire)


class EndlessTrailers(_Endless):
    """A chunked body whose trailer is one field without an end, or fields without an end."""

    name = "endless trailers"

    async def act(self) -> None:
        piece = self.chance.choice(
            (b"t" * PIECE_BYTES, b"T: t\r\n" * 10_000, b"T:" + b" " * 60_000)
        )
        await self.send_endlessly(CHUNKED + b"0\r\nX: ", piece)


class EndlessExtensions(_Endless):
    """Chunk extensions without an end, or a size of ever more zeros."""

    name = "endless chunk extensions"

    async def act(self) -> None:
        start, piece = self.chance.choice(
            (
                (b"1;", b"e" * PIECE_BYTES),
                (b"1;a=", b'"' + b"e" * PIECE_BYTES),
                (b"", b"0" * PIECE_BYTES),
                (b"", b"1;" + b"e" * 4_000 + b"\r\n \r\n"),
            )
        )
        await self.send_endlessly(CHUNKED + start, piece)


class EndlessBodies(_Endless):
    """More than any body may have, announced or not."""

    name = "endless bodies"

    async def act(self) -> None:
        length = b"POST /api/v1/login HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n"
        start, piece = self.chance.choice(
            (
                (length % (HOST, JSON, 1 << 40), b" " * PIECE_BYTES),
                (length % (HOST, JSON, (1 << 20) + 1), b" " * PIECE_BYTES),
                (CHUNKED, b"10000\r\n" + b" " * PIECE_BYTES + b"\r\n"),
            )
        )
        await self.send_endlessly(start, piece)


class CrumbChunks(Behaviour):
    """Bodies of a megabyte in chunks of one byte, several at once, never finished."""

    name = "chunks of one byte"
    never = NEVER | TAKEN
    AT_ONCE = 12
    pause_s = 0.2

    async def act(self) -> None:
        wires = [await self.wire() for _ in range(self.AT_ONCE)]
        piece = b"1\r\n \r\n" * 8_000
        for wire in wires:
            await wire.send(CHUNKED)
        for _ in range(140):
            for wire in wires:
                try:
                    await wire.send(piece)
                except OSError:
                    self.let_go(wire)
            wires = [wire for wire in wires if wire in self._wires]
            if not wires:
                break
        for wire in wires:
            await self.answered(wire, CHUNKED, 1.0)
        self.cut_all()


class Bombs(Behaviour):
    """Compressed bodies: a thousandfold, of many members, cut off, wrong, with a tail."""

    name = "compressed bombs"
    never = NEVER | TAKEN

    async def act(self) -> None:
        if not hasattr(self, "_bodies"):
            self._bodies = _bombs()
        encoding, body = self.chance.choice(self._bodies)
        await self.ask(post("/login", body, b"Content-Encoding: " + encoding))


def _bombs() -> list[tuple[bytes, bytes]]:
    member = gzip.compress(b" " * 4_000)
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(40)) + packer.flush()
    return [
        (b"deflate", bomb),
        (b"gzip", gzip.compress(b" " * (20 << 20))),
        (b"gzip", member * 5_000),
        (b"gzip", gzip.compress(b"") * 20_000),
        (b"gzip", gzip.compress(b"{}") + b"tail"),
        (b"gzip", gzip.compress(b"{}" * 1_000)[:-9]),
        (b"gzip", b"\x1f\x8b" + b"\xff" * 5_000),
        (b"gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        (b"br", b"{}"),
        (b"gzip," * 500, b"{}"),
        (b"deflate", bomb[: len(bomb) // 2]),
    ]


class JsonNonsense(Behaviour):
    """JSON that is deep, huge, doubled, wrongly encoded, or of other types than asked for."""

    name = "JSON nonsense"
    never = NEVER | TAKEN

    async def act(self) -> None:
        if not hasattr(self, "_bodies"):
            self._bodies = _documents()
        path = self.chance.choice(("/login", "/signup", "/token/refresh"))
        await self.ask(post(path, self.chance.choice(self._bodies)))


def _documents() -> list[bytes]:
    name = b'"password":"x","username":'
    return [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"{" + name + b"1" * 100_000 + b"}",
        b"{" + name + b"1e" + b"9" * 1_000 + b"}",
        b"{" + name + b"-0." + b"0" * 10_000 + b"1}",
        b'{"password":"x","password":"y","username":"z"}',
        b"{" + b",".join(b'"k%d":0' % number for number in range(60_000)) + b"}",
        b"{" + name + b'"\xff\xfe"}',
        b"{" + name + b'"\xed\xa0\x80"}',
        b"{" + name + b'"\\ud800"}',
        b"{" + name + b'"\\u0000"}',
        b'\xef\xbb\xbf{"password":"x","username":"y"}',
        '{"password":"x","username":"y"}'.encode("utf-16"),
        b"{" + name + b"NaN}",
        b"{" + name + b"null}",
        b"{" + name + b"[]}",
        b"{" + name + b'"' + b"u" * 900_000 + b'"}',
        b"{" + b'"refreshToken":"' + b"r" * 900_000 + b'"}',
        b"null",
        b'"x"',
        b"[]",
        b"{}",
        b" " * 900_000 + b"{}",
        json.dumps({"email": "a" * 5_000 + "@b", "username": "é" * 50, "password": "p"}).encode(),
        b"{" + name + b'"x"}' * 2,
        b"{" + name + b'"x",}',
        b"{" + name + b"'x'}",
        b"//\n{}",
    ]


class GetWithBody(Behaviour):
    """Requests whose method and body do not go together."""

    name = "bodies where none belong"
    never = NEVER

    async def act(self) -> None:
        body = b"x" * self.chance.choice((1, 1_000, 500_000))
        head = get("/health", b"Content-Length: %d" % len(body))
        method = self.chance.choice((b"GET", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT"))
        await self.ask(head.replace(b"GET", method, 1) + body)


BEHAVIOURS = (
    EndlessTrailers,
    EndlessExtensions,
    EndlessBodies,
    CrumbChunks,
    Bombs,
    JsonNonsense,
    GetWithBody,
)
