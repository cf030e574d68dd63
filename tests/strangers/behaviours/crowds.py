"""Connections by the thousand."""

import asyncio

from tests.strangers.ground import Wire
from tests.strangers.hostile import Behaviour, get, outcome_of


class Crowd(Behaviour):
    """Opens a thousand connections that say nothing, and looks which of them are let live."""

    at_once = 1_000
    live = False
    pause_s = 0.5

    async def act(self) -> None:
        wires: list[Wire] = []
        for _ in range(self.at_once):
            try:
                wires.append(await self.wire(self.live))
            except (OSError, TimeoutError) as error:
                self.note(outcome_of(error))
                if outcome_of(error) == "silent":
                    break
        await asyncio.sleep(1.0)
        for wire in wires:
            try:
                self.note("cut" if not await wire.read(within_s=0.001) else "answered")
            except TimeoutError:
                self.note("let live")
            except OSError:
                self.note("cut")
        await asyncio.sleep(self.chance.uniform(0.0, 6.0))
        self.cut_all()


class SilentConnections(Crowd):
    """On the port of REST."""

    name = "silent connections"


class SilentStreams(Crowd):
    """On the port of WebSockets: more than may shake hands at a time."""

    name = "silent WebSocket connections"
    live = True


class IdleAfterOne(Crowd):
    """Each makes one proper request first, and then keeps its connection for nothing."""

    name = "kept connections"
    at_once = 400

    async def wire(self, live: bool = False, receive_bytes: int = 0) -> Wire:
        wire = await super().wire(live, receive_bytes)
        await wire.send(get("/health"))
        await self.answered(wire)
        return wire


class Churn(Behaviour):
    """Connects and vanishes, politely or not, as fast as it may."""

    name = "connect and close"
    pause_s = 0.0

    async def act(self) -> None:
        for _ in range(50):
            wire = await self.wire(live=self.chance.random() < 0.5)
            if self.chance.random() < 0.3:
                await wire.send(get("/health"))
            self.let_go(wire)
        self.note("opened 50")
        await asyncio.sleep(0.1)


BEHAVIOURS = (SilentConnections, SilentStreams, IdleAfterOne, Churn)
