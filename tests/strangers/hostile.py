"""What all hostile behaviours have in common, and the register of them."""

import asyncio
import json
from abc import ABC, abstractmethod
from typing import ClassVar

from tests.strangers.ground import ANSWER_S, Ground, Wire

HOST = b"Host: rookery\r\n"
JSON = b"Content-Type: application/json\r\n"
NEVER = frozenset({"500", "502", "nonsense"})
"""No input whatever may be answered so."""
TAKEN = frozenset({"200", "201", "202", "204"})


class Behaviour(ABC):
    """One way to be a nuisance, bounded in number and time by itself and by its round.

    `act` is one go; it is called again and again until its round is over, which cancels it. It
    notes what the server did. Connections made by `wire` are cut with the round.
    """

    name: ClassVar[str]
    never: ClassVar[frozenset[str]] = NEVER
    """Outcomes that are faults of the server."""
    pause_s: ClassVar[float] = 0.02
    """Between two goes."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.chance = ground.chance
        self._wires: list[Wire] = []

    @abstractmethod
    async def act(self) -> None: ...

    async def run(self) -> None:
        """Act until cancelled. What the server cuts or refuses is an outcome like any other."""
        try:
            while True:
                try:
                    await self.act()
                except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
                    self.note(outcome_of(error))
                await asyncio.sleep(self.pause_s)
                await self.ground.budget.turn()
        finally:
            self.cut_all()

    def note(self, outcome: str, example: str = "") -> None:
        is_fault = outcome.partition(" ")[0] in self.never
        self.ground.record.note(self.name, outcome, example if is_fault else "")

    def cut_all(self) -> None:
        for wire in self._wires:
            wire.cut()
        self._wires.clear()

    async def wire(self, live: bool = False, receive_bytes: int = 0) -> Wire:
        """A new connection to the REST or to the WebSocket port.

        Where `receive_bytes` are given, so little is taken in that was not asked for.
        """
        await self.ground.budget.turn()
        port = self.ground.live_port if live else self.ground.http_port
        wire = await Wire(self.ground, port, receive_bytes).open()
        self._wires.append(wire)
        return wire

    def let_go(self, wire: Wire) -> None:
        wire.cut()
        if wire in self._wires:
            self._wires.remove(wire)

    async def answered(self, wire: Wire, sent: bytes = b"", within_s: float = ANSWER_S) -> int:
        """Take in one answer and note it; its status, 0 where there was none."""
        try:
            status, body = await wire.answer(within_s)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            self.note(outcome_of(error))
            return 0
        self.note(described(status, body), f"{sent[:200]!r} -> {status} {body[:100]!r}")
        return status

    async def ask(self, request: bytes, within_s: float = ANSWER_S) -> int:
        """Send something over a connection of its own, and note the answer."""
        wire = await self.wire()
        try:
            await wire.send(request)
            return await self.answered(wire, request, within_s)
        except OSError as error:
            # The refusal may have come before all was sent.
            status = await self.answered(wire, request, within_s)
            if not status:
                self.note(outcome_of(error))
            return status
        finally:
            self.let_go(wire)


def described(status: int, body: bytes) -> str:
    """An answer as an outcome: its status, and the code in its body where it is a refusal."""
    if status == 0:
        return "nonsense"
    if status < 400:
        return str(status)
    try:
        return f"{status} {json.loads(body)['code']}"
    except (ValueError, KeyError, TypeError):
        return str(status)


def outcome_of(error: BaseException) -> str:
    """What became of a connection."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError | EOFError):
        return "cut"
    if isinstance(error, TimeoutError):
        return "silent"
    if isinstance(error, asyncio.LimitOverrunError):
        return "nonsense"
    return f"error {error}"


def post(path: str, body: bytes, *fields: bytes) -> bytes:
    """A request with a JSON body."""
    lines = b"".join(each + b"\r\n" for each in fields)
    return b"POST /api/v1%b HTTP/1.1\r\n%b%b%bContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        HOST,
        JSON,
        lines,
        len(body),
        body,
    )


def get(path: str | bytes, *fields: bytes) -> bytes:
    """A request without a body."""
    target = path.encode() if isinstance(path, str) else path
    lines = b"".join(each + b"\r\n" for each in fields)
    return b"GET /api/v1%b HTTP/1.1\r\n%b%b\r\n" % (target, HOST, lines)
