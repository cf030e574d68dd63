"""Tickets that open one stream."""

import asyncio
from collections.abc import Iterator

import pytest

from rookery.errors import DeviceRevoked, InvalidToken, TokenExpired
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.accounts.tokens import TICKET_S, KeyRing
from tests.unit.services.account_world import (
    PASSWORD,
    START_MS,
    World,
    account_world,
    identity_of,
)

UNTIL_MS = START_MS + 600_000


@pytest.fixture
def world() -> Iterator[World]:
    with account_world() as made:
        asyncio.run(made.keys.load())
        yield made


@pytest.fixture
def tickets(world: World) -> StreamTickets:
    return StreamTickets(world.keys, world.store, world.clock)


async def test_a_ticket_works_once_in_all_processes(world: World, tickets: StreamTickets) -> None:
    """It speaks for who asked for it, and the stream ends with the access token."""
    identity = identity_of(await world.sign_up())
    ticket = tickets.issue(identity, UNTIL_MS)
    keys = KeyRing(world.store, world.clock)
    await keys.load()
    assert await tickets.redeem(ticket) == (identity, UNTIL_MS)
    for again in (tickets, StreamTickets(keys, world.store, world.clock)):
        with pytest.raises(InvalidToken):
            await again.redeem(ticket)


async def test_two_at_once_open_one_stream(world: World, tickets: StreamTickets) -> None:
    """Whichever is first; the other is refused."""
    ticket = tickets.issue(identity_of(await world.sign_up()), UNTIL_MS)
    answers = await asyncio.gather(
        tickets.redeem(ticket), tickets.redeem(ticket), return_exceptions=True
    )
    assert sorted(isinstance(each, InvalidToken) for each in answers) == [False, True]


async def test_a_ticket_lasts_for_seconds(world: World, tickets: StreamTickets) -> None:
    """Its time is exact."""
    ticket = tickets.issue(identity_of(await world.sign_up()), UNTIL_MS)
    world.clock.advance(TICKET_S)
    with pytest.raises(TokenExpired, match="ticket"):
        await tickets.redeem(ticket)


async def test_no_ticket_outlives_its_device_or_sign_in(
    world: World, tickets: StreamTickets
) -> None:
    """After a log-out, or another log-in with the device, it opens nothing."""
    session = await world.sign_up()
    ticket = tickets.issue(identity_of(session), UNTIL_MS)
    again = await world.accounts.login("ada", PASSWORD, session.device.device_id)
    with pytest.raises(DeviceRevoked):
        await tickets.redeem(ticket)
    ticket = tickets.issue(identity_of(again), UNTIL_MS)
    await world.accounts.logout(identity_of(again))
    with pytest.raises(DeviceRevoked):
        await tickets.redeem(ticket)


async def test_tickets_and_tokens_do_not_stand_in_for_each_other(
    world: World, tickets: StreamTickets
) -> None:
    """A ticket authenticates no request, an access token is no ticket."""
    session = await world.sign_up()
    with pytest.raises(InvalidToken):
        await world.authenticator.identify(tickets.issue(identity_of(session), UNTIL_MS))
    for text in (session.access_token, session.refresh_token, "x", "", "a.b.c"):
        with pytest.raises(InvalidToken):
            await tickets.redeem(text)
