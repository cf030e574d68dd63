"""All services over one ground, as every process has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rookery.errors import DeviceRevoked
from rookery.ids import Snowflakes
from rookery.services.accounts import tokens
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.ports import Invalidation
from rookery.services.use_cases import Ground, UseCases
from tests.unit.memory_store import MemoryStore
from tests.unit.services.account_world import Clock, identity_of, sign_up_request
from tests.unit.services.server import CHEAP_SETTINGS, ColdTimelines


class Broadcast:
    """Reaches the other process."""

    def __init__(self) -> None:
        self.other: UseCases | None = None

    async def broadcast(self, change: Invalidation) -> bool:
        if self.other is not None:
            self.other.invalidate(change)
        return True


@asynccontextmanager
async def two_processes() -> AsyncIterator[tuple[UseCases, UseCases]]:
    """Over one store; the second is told what the first changes."""
    store, clock, broadcast = MemoryStore(), Clock(), Broadcast()
    ground = Ground(
        store=store,
        shown=store,
        timelines=ColdTimelines(),
        invalidations=broadcast,
        next_id=Snowflakes(1, clock).next_id,
        clock_ms=clock,
        steady_ms=clock,
    )
    first, second = UseCases(ground, CHEAP_SETTINGS), UseCases(ground, CHEAP_SETTINGS)
    broadcast.other = second
    await first.keys.load()
    await second.keys.load()
    try:
        yield first, second
    finally:
        await first.close()
        await second.close()


async def test_who_is_logged_out_in_one_process_is_so_in_the_other() -> None:
    """Although that has the token in its cache."""
    async with two_processes() as (first, second):
        session = await first.accounts.signup(sign_up_request())
        identity = await second.authenticator.identify(session.access_token)
        await first.accounts.logout(identity)
        with pytest.raises(DeviceRevoked):
            await second.authenticator.identify(session.access_token)


async def test_what_one_process_changes_the_other_shows() -> None:
    """Of an author whom it has cached, by a clock that stands still."""
    async with two_processes() as (first, second):
        identity = identity_of(await first.accounts.signup(sign_up_request()))
        assert (await second.reading.authors.get(identity.user_id)).name == "Ada"
        await first.profiles.update(identity, ProfileChanges(name="Countess"))
        assert (await second.reading.authors.get(identity.user_id)).name == "Countess"


async def test_a_running_process_takes_in_keys_that_another_rotated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without being told."""
    monkeypatch.setattr(tokens, "KEEP_UP_S", 0.001)
    async with two_processes() as (first, second):
        running = asyncio.create_task(second.run())
        revoked = asyncio.Event()
        second.keys.on_revoked(revoked.set)
        await first.keys.rotate(revoke=True)
        await asyncio.wait_for(revoked.wait(), 5.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
