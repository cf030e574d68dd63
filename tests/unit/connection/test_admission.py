"""Who may open a stream while other things end."""

from collections.abc import Sequence
from unittest.mock import Mock

import pytest

from rookery.connection.admission import Admission
from rookery.errors import TokenExpired
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.store.records.devices import Devices, SignIn
from tests.unit.services.account_world import account_world, identity_of


async def test_a_ticket_whose_key_is_revoked_while_it_is_looked_at_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The streams that are open are closed then, and this one is not among them yet."""
    with account_world() as world:
        await world.keys.load()
        session = await world.sign_up()
        tickets = StreamTickets(world.keys, world.store, world.clock)
        admission = Admission(
            Mock(),
            world.keys,
            world.authenticator,
            tickets,
            world.store.reader,
            world.clock,
            recheck_s=30.0,
        )
        redeem, ended = tickets.redeem, Devices.ended

        async def redeemed(ticket: str) -> object:
            found = await redeem(ticket)
            admission._endings += 1  # somebody else's sign-in
            return found

        async def slowly(devices: Devices, sign_ins: Sequence[SignIn], now_ms: int) -> list[SignIn]:
            if admission._endings == 1:
                await world.keys.rotate(revoke=True)
            return await ended(devices, sign_ins, now_ms)

        monkeypatch.setattr(tickets, "redeem", redeemed)
        monkeypatch.setattr(Devices, "ended", slowly)
        until_ms = world.clock.now_ms + 60_000
        ticket = world.keys.sign_ticket(identity_of(session), until_ms, world.clock.now_ms)
        with pytest.raises(TokenExpired, match="ask for another"):
            await admission.by_ticket(ticket)
