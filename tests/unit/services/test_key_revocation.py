"""Cutting off what a key has signed."""

import asyncio
from collections.abc import Iterator

import pytest

from rookery.errors import TokenExpired
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.tokens import KeyRing
from tests.unit.services.account_world import World, account_world


@pytest.fixture
def world() -> Iterator[World]:
    with account_world() as made:
        asyncio.run(made.keys.load())
        yield made


async def test_a_revoked_key_is_refused_even_from_caches(world: World) -> None:
    """Clients are told to renew their tokens, which they can; nobody is logged out."""
    session = await world.sign_up()
    await world.authenticator.identify(session.access_token)
    await world.keys.rotate(revoke=True)
    with pytest.raises(TokenExpired):
        await world.authenticator.identify(session.access_token)
    renewed = await world.accounts.refresh(session.refresh_token)
    await world.authenticator.identify(renewed.access_token)


async def test_another_process_refuses_it_once_it_has_loaded(world: World) -> None:
    """Who listens for that is told, once for each time that keys were revoked."""
    session = await world.sign_up()
    keys = KeyRing(world.store, world.clock)
    authenticator = Authenticator(keys, world.store, world.clock)
    told: list[bool] = []
    keys.on_revoked(lambda: told.append(True))
    await keys.load()
    await authenticator.identify(session.access_token)
    await world.keys.rotate(revoke=True)
    await keys.load()
    await keys.load()
    assert told == [True]
    with pytest.raises(TokenExpired):
        await authenticator.identify(session.access_token)


async def test_an_ordinary_rotation_revokes_nothing(world: World) -> None:
    """Tokens in use stay good, and nobody is told."""
    session = await world.sign_up()
    told: list[bool] = []
    world.keys.on_revoked(lambda: told.append(True))
    assert await world.keys.rotate() == "2"
    await world.authenticator.identify(session.access_token)
    assert told == []
