"""Clients that drag out what they send, or do not take in what they asked for."""

import asyncio

from tests.strangers.behaviours.bodies import CHUNKED
from tests.strangers.ground import Wire
from tests.strangers.hostile import HOST, JSON, NEVER, TAKEN, Behaviour, get, outcome_of

DRIP_S = 0.25


class _Drip(Behaviour):
    """Many connections that each send a few bytes at a time, for as long as they are let."""

    never = NEVER | TAKEN
    AT_ONCE = 40
    live = False

    def start(self) -> bytes:
        """What each begins with."""
        return b""

    def crumb(self) -> bytes:
        """What each sends again and again."""
        raise NotImplementedError

    async def act(self) -> None:
        wires = [await self.wire(self.live) for _ in range(self.AT_ONCE)]
        for wire in wires:
            await wire.send(self.start())
        while wires:
            await asyncio.sleep(DRIP_S)
            for wire in list(wires):
                try:
                    await wire.send(self.crumb())
                except OSError as error:
                    wires.remove(wire)
                    if not await self.answered(wire, self.start(), 0.2):
                        self.note(outcome_of(error))
                    self.let_go(wire)


class DrippedHeads(_Drip):
    """A head, a field every quarter of a second."""

    name = "dripped heads"

    def start(self) -> bytes:
        return b"GET /api/v1/health HTTP/1.1\r\n" + HOST

    def crumb(self) -> bytes:
        return b"A: b\r\n"


class DrippedBodies(_Drip):
    """A body of a megabyte, byte by byte."""

    name = "dripped bodies"

    def start(self) -> bytes:
        head = b"POST /api/v1/login HTTP/1.1\r\n%b%bContent-Length: 1000000\r\n\r\n{"
        return head % (HOST, JSON)

    def crumb(self) -> bytes:
        return b" "


class DrippedTrailers(_Drip):
    """A trailer, a few hundred bytes a second."""

    name = "dripped trailers"

    def start(self) -> bytes:
        return CHUNKED + b"0\r\nX: "

    def crumb(self) -> bytes:
        return b"t" * 64


class DrippedHandshakes(_Drip):
    """A handshake of a WebSocket, a field every quarter of a second."""

    name = "dripped handshakes"
    live = True

    def start(self) -> bytes:
        return b"GET /stream HTTP/1.1\r\n" + HOST

    def crumb(self) -> bytes:
        return b"A: b\r\n"


class NeverReading(Behaviour):
    """Asks for the largest answers by the hundred, and reads none."""

    name = "pipelining without reading"
    AT_ONCE = 16
    pause_s = 0.5

    async def act(self) -> None:
        request = get("/openapi.json") + get("/docs")
        for _ in range(self.AT_ONCE):
            wire = await self.wire()
            try:
                async with asyncio.timeout(0.5):
                    for _ in range(40):
                        await wire.send(request * 10)
            except TimeoutError:
                self.note("held back")
        await asyncio.sleep(3.0)
        self.cut_all()


class UnreadAnswers(Behaviour):
    """Asks for the largest file there is over a hundred connections, and takes in none of it."""

    name = "unread answers"
    AT_ONCE = 100
    pause_s = 0.5

    async def act(self) -> None:
        for _ in range(self.AT_ONCE):
            wire = await self.wire(receive_bytes=2_048)
            await wire.send(get("/docs/swagger-ui-bundle.js"))
        await asyncio.sleep(self.chance.uniform(4.0, 10.0))
        for wire in self._wires:
            self.note("cut" if wire.is_cut else "held back")
        self.cut_all()


class PipelinedFlood(Behaviour):
    """Hundreds of cheap requests in one piece, read slowly."""

    name = "pipelined floods"

    async def act(self) -> None:
        wire = await self.wire()
        path = self.chance.choice(("/health", "/users/1", "/timeline/home", "/nothing"))
        asked = 200
        await wire.send(get(path) * asked)
        for _ in range(asked):
            if not await self.answered(wire):
                break
        self.let_go(wire)


class HalfClosed(Behaviour):
    """Sends half a request, or a whole one, and then its end of the connection is closed."""

    name = "half-closed connections"

    async def act(self) -> None:
        wires: list[Wire] = []
        for _ in range(20):
            wire = await self.wire(live=self.chance.random() < 0.3)
            await wire.send(self.chance.choice((b"", b"GET /api", get("/health"), CHUNKED + b"5")))
            wire.end()
            wires.append(wire)
        for wire in wires:
            try:
                data = await wire.read(within_s=1.0)
                self.note("answered" if data else "cut")
            except TimeoutError:
                self.note("silent")
            self.let_go(wire)


BEHAVIOURS = (
    DrippedHeads,
    DrippedBodies,
    DrippedTrailers,
    DrippedHandshakes,
    NeverReading,
    UnreadAnswers,
    PipelinedFlood,
    HalfClosed,
)
