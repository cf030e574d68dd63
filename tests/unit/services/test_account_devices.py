"""Staying logged in, and logging out."""

import asyncio
from collections.abc import Iterator

import pytest

from rookery.errors import DeviceRevoked, InvalidToken, NotFound
from rookery.services.accounts.accounts import Session
from rookery.services.accounts.refresh_tokens import new_refresh_token, parse_refresh_token
from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.records.devices import Devices
from rookery.store.schema import DEVICES
from tests.unit.services.account_world import (
    PASSWORD,
    START_MS,
    World,
    account_world,
    identity_of,
)

DAY_S = 86_400


@pytest.fixture
def bare_world() -> Iterator[World]:
    with account_world() as made:
        made.invalidations.authenticator = made.authenticator
        yield made


@pytest.fixture
async def world(bare_world: World) -> World:
    await bare_world.keys.load()
    return bare_world


def device_of(session: Session) -> tuple[int, str]:
    return (session.user.id, session.device.device_id)


async def test_refresh(world: World) -> None:
    """A refresh gives new tokens for the same device and prolongs its life."""
    first = await world.sign_up()
    world.clock.advance(900)
    second = await world.accounts.refresh(first.refresh_token)
    assert device_of(second) == device_of(first)
    assert second.refresh_token != first.refresh_token
    assert second.device.expires_ms == START_MS + (900 + 30 * DAY_S) * 1000
    assert await world.authenticator.identify(second.access_token) == identity_of(first)
    await world.accounts.refresh(second.refresh_token)


async def test_a_lost_answer(world: World) -> None:
    """A refresh repeated within the grace gives the same successor, which then works."""
    first = await world.sign_up()
    lost = await world.accounts.refresh(first.refresh_token)
    world.clock.advance(10)
    repeated = await world.accounts.refresh(first.refresh_token)
    assert repeated.refresh_token == lost.refresh_token
    assert await world.authenticator.identify(repeated.access_token) == identity_of(first)
    await world.accounts.refresh(repeated.refresh_token)


async def test_refreshes_at_once(world: World) -> None:
    """Two refreshes of one client at the same time both succeed and agree."""
    first = await world.sign_up()
    sessions = await asyncio.gather(
        *(world.accounts.refresh(first.refresh_token) for _ in range(3))
    )
    assert len({session.refresh_token for session in sessions}) == 1
    await world.accounts.refresh(sessions[0].refresh_token)


async def test_reuse_logs_the_device_out(world: World) -> None:
    """A token used again after the grace ends the session of whoever holds its successors."""
    first = await world.sign_up()
    second = await world.accounts.refresh(first.refresh_token)
    await world.authenticator.identify(second.access_token)
    world.clock.advance(10.001)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(first.refresh_token)
    assert world.invalidations.devices == [device_of(first)]
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(second.access_token)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(second.refresh_token)


async def test_reuse_of_a_long_replaced_token(world: World) -> None:
    """A thief who refreshed twice is found out as well, when the owner uses the old token."""
    first = await world.sign_up()
    thief = await world.accounts.refresh(first.refresh_token)
    thief = await world.accounts.refresh(thief.refresh_token)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(first.refresh_token)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(thief.refresh_token)


async def test_a_forged_token_logs_nobody_out(world: World) -> None:
    """Knowing the ids of a device is not enough to end its session."""
    session = await world.sign_up()
    forged = new_refresh_token(*device_of(session))
    with pytest.raises(InvalidToken):
        await world.accounts.refresh(forged.text())
    await world.accounts.refresh(session.refresh_token)


async def test_a_former_sign_in(world: World) -> None:
    """After a new login on the device the old token is invalid, and ends nothing."""
    first = await world.sign_up()
    second = await world.accounts.login("ada", PASSWORD, first.device.device_id)
    with pytest.raises(InvalidToken):
        await world.accounts.refresh(first.refresh_token)
    await world.accounts.refresh(second.refresh_token)


async def test_a_log_in_during_the_reuse(world: World) -> None:
    """A reuse that is found while the owner logs in again does not end the new session."""
    first = await world.sign_up()
    await world.accounts.refresh(first.refresh_token)
    world.clock.advance(60)
    entered: list[Session] = []

    async def log_in_first(batch: WriteBatch) -> None:
        world.store.before_write = None
        entered.append(await world.accounts.login("ada", PASSWORD, first.device.device_id))

    world.store.before_write = log_in_first
    with pytest.raises(InvalidToken):
        await world.accounts.refresh(first.refresh_token)
    await world.accounts.refresh(entered[0].refresh_token)


async def test_refresh_after_log_out(world: World) -> None:
    """A logged-out device gets no tokens, and is told why."""
    session = await world.sign_up()
    await world.accounts.logout(identity_of(session))
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(session.refresh_token)


async def test_a_log_out_during_a_refresh(world: World) -> None:
    """A refresh cannot bring a device back that was logged out meanwhile."""
    session = await world.sign_up()

    async def log_out_first(batch: WriteBatch) -> None:
        world.store.before_write = None
        await world.store.write(WriteBatch((Devices.remove(*device_of(session)),)))

    world.store.before_write = log_out_first
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(session.refresh_token)
    assert not world.store.documents(DEVICES)


async def test_devices_end(world: World) -> None:
    """A device that was not refreshed for its whole life is logged out and not listed."""
    session = await world.sign_up()
    world.clock.advance(30 * DAY_S)
    with pytest.raises(DeviceRevoked):
        await world.accounts.refresh(session.refresh_token)
    assert await world.accounts.devices(identity_of(session)) == []


async def test_log_out(world: World) -> None:
    """The access token ends at once; other devices stay; again is no error."""
    session = await world.sign_up()
    other = await world.accounts.login("ada", PASSWORD)
    for one in (session, other):
        await world.authenticator.identify(one.access_token)
    await world.accounts.logout(identity_of(session))
    await world.accounts.logout(identity_of(session))
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(session.access_token)
    await world.authenticator.identify(other.access_token)


async def test_the_list_of_devices(world: World) -> None:
    """One's own devices, the one seen last first."""
    first = await world.sign_up()
    await world.sign_up("bob")
    world.clock.advance(1)
    second = await world.accounts.login("ada", PASSWORD, None, "Phone")
    assert [d.name for d in await world.accounts.devices(identity_of(first))] == ["Phone", "Laptop"]
    world.clock.advance(1)
    await world.accounts.refresh(first.refresh_token)
    assert [d.name for d in await world.accounts.devices(identity_of(second))] == [
        "Laptop",
        "Phone",
    ]


async def test_revoke(world: World) -> None:
    """A user ends the session of another device of theirs, but of nobody else's."""
    session = await world.sign_up()
    lost = await world.accounts.login("ada", PASSWORD)
    other = await world.sign_up("bob")
    await world.accounts.revoke(identity_of(session), lost.device.device_id)
    assert world.invalidations.devices == [device_of(lost)]
    for device_id in (lost.device.device_id, other.device.device_id):
        with pytest.raises(NotFound):
            await world.accounts.revoke(identity_of(session), device_id)
    await world.authenticator.identify(other.access_token)


@pytest.mark.parametrize(("except_current", "left"), [(True, 1), (False, 0)])
async def test_revoke_all(world: World, except_current: bool, left: int) -> None:
    """All other devices, or all, are logged out; those of others stay."""
    session = await world.sign_up()
    for _ in range(2):
        await world.accounts.login("ada", PASSWORD)
    other = await world.sign_up("bob")
    count, told = await world.accounts.revoke_all(identity_of(session), except_current)
    assert told
    assert count == len(world.invalidations.devices) == 3 - left
    assert len(await world.accounts.devices(identity_of(session))) == left
    await world.authenticator.identify(other.access_token)


async def test_revoke_all_with_nothing_to_do(world: World) -> None:
    """With no other device, nothing is written or told."""
    session = await world.sign_up()
    before = len(world.store.batches)
    assert await world.accounts.revoke_all(identity_of(session), except_current=True) == (0, True)
    assert len(world.store.batches) == before
    assert world.invalidations.changes == []


async def test_revocation_is_told_after_the_commit(world: World) -> None:
    """When caches are told to forget, the device is already gone from the store."""
    session = await world.sign_up()
    seen: list[int] = []
    tell = world.invalidations.broadcast

    async def look(change: Invalidation) -> bool:
        seen.append(len(world.store.documents(DEVICES)))
        return await tell(change)

    world.invalidations.broadcast = look  # type: ignore[method-assign]
    await world.accounts.logout(identity_of(session))
    assert seen == [0]


async def test_the_token_names_its_device(world: World) -> None:
    """A refresh finds its device with one get, and its user with another."""
    session = await world.sign_up()
    token = parse_refresh_token(session.refresh_token)
    identity = identity_of(session)
    assert (token.user_id, token.device_id) == (identity.user_id, identity.device_id)
    world.store.reads.clear()
    await world.accounts.refresh(session.refresh_token)
    assert world.store.reads == {"get": 2}
