"""`rookery.compose.app.StreamSurface`: what opens a stream while other things end."""

from collections.abc import Sequence
from unittest.mock import Mock

import pytest

from rookery.compose import app
from rookery.compose.app import StreamSurface
from rookery.errors import TokenExpired
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.store.records.devices import Devices, SignIn
from tests.unit.services.account_world import World, cheap_passwords, identity_of


async def test_a_ticket_whose_key_is_revoked_while_it_is_looked_at_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The streams that are open are closed then, and this one is not among them yet."""
    with cheap_passwords() as passwords:
        world = World(passwords)
        await world.keys.load()
        session = await world.sign_up()
        monkeypatch.setattr(app, "clock_ms", world.clock)
        surface = StreamSurface.__new__(StreamSurface)
        devices = Devices(world.store.reader)
        tickets = StreamTickets(world.keys, world.store, world.clock)
        surface._keys, surface._tickets, surface._devices = world.keys, tickets, devices
        surface._hub, surface._endings = Mock(), 0
        world.keys.on_revoked(surface._keys_revoked)
        redeem, ended = tickets.redeem, devices.ended

        async def redeemed(ticket: str) -> object:
            found = await redeem(ticket)
            surface._endings += 1  # somebody else's sign-in
            return found

        async def slowly(sign_ins: Sequence[SignIn], now_ms: int) -> list[SignIn]:
            if surface._endings == 1:
                await world.keys.rotate(revoke=True)
            return await ended(sign_ins, now_ms)

        monkeypatch.setattr(tickets, "redeem", redeemed)
        monkeypatch.setattr(devices, "ended", slowly)
        until_ms = world.clock.now_ms + 60_000
        ticket = world.keys.sign_ticket(identity_of(session), until_ms, world.clock.now_ms)
        with pytest.raises(TokenExpired, match="ask for another"):
            await surface._redeem(ticket)
