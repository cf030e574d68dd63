"""Suspending accounts: they act no more, and nobody sees them, until they are restored."""

from collections.abc import Iterator

import pytest

from rookery.errors import DeviceRevoked, Forbidden, NotFound, Unavailable
from rookery.events.encoding import decoded
from rookery.events.kinds import PrivacyChanged
from rookery.services.ports import Invalidation
from rookery.store.engine import ConditionFailed, Put, WriteBatch
from rookery.store.records.devices import ALL_DEVICES
from rookery.store.records.outbox import stored_event
from rookery.store.schema import DEVICES, OUTBOX, USERS
from tests.unit.services.account_world import PASSWORD, World, account_world


@pytest.fixture
def bare_world() -> Iterator[World]:
    with account_world() as made:
        yield made


@pytest.fixture
async def world(bare_world: World) -> World:
    await bare_world.keys.load()
    bare_world.invalidations.authenticator = bare_world.authenticator
    return bare_world


async def test_a_suspended_account_is_logged_out_everywhere(world: World) -> None:
    """With one batch; neither its tokens nor its password let it in again."""
    sessions = [await world.sign_up(), await world.accounts.login("ada", PASSWORD)]
    for each in sessions:
        await world.authenticator.identify(each.access_token)
    batches = len(world.store.batches)
    changed = await world.suspensions.suspend("ADA")
    assert (changed.user.status, changed.is_told) == ("suspended", True)
    assert len(world.store.batches) == batches + 1
    assert world.store.documents(DEVICES) == []
    for each in sessions:
        with pytest.raises(DeviceRevoked):
            await world.authenticator.identify(each.access_token)
        with pytest.raises(DeviceRevoked):
            await world.accounts.refresh(each.refresh_token)
    for log_in in (world.accounts.login("ada", PASSWORD), world.accounts.issue_for("ada")):
        with pytest.raises(Forbidden):
            await log_in


async def test_everybody_is_told_of_a_suspension_and_its_end(world: World) -> None:
    """Timelines first, then caches and connections; and by an event."""
    session = await world.sign_up()
    for act, ended in (
        (world.suspensions.suspend, [(session.user.id, ALL_DEVICES)]),
        (world.suspensions.restore, []),
    ):
        world.invalidations.changes.clear()
        world.timeline_port.accounts.clear()
        await act("ada")
        assert world.timeline_port.accounts == [[session.user.id]]
        told = Invalidation(users=[session.user.id], devices=ended)
        assert world.invalidations.changes == [told]
        event = decoded(stored_event(world.store.documents(OUTBOX)[-1]))
        assert event == PrivacyChanged(id=event.id, user_id=session.user.id)


async def test_doing_it_twice_is_doing_it_once(world: World) -> None:
    """But that it is told again: a process may have missed it."""
    await world.sign_up()
    await world.suspensions.suspend("ada")
    batches, told = len(world.store.batches), len(world.invalidations.changes)
    await world.suspensions.suspend("ada")
    assert len(world.store.batches) == batches
    assert len(world.invalidations.changes) == told + 1


async def test_a_restored_account_may_log_in(world: World) -> None:
    """Its devices stay logged out."""
    session = await world.sign_up()
    await world.suspensions.suspend("ada")
    await world.suspensions.restore("ada")
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(session.access_token)
    again = await world.accounts.login("ada", PASSWORD)
    assert (await world.authenticator.identify(again.access_token)).user_id == session.user.id


@pytest.mark.parametrize("is_known", [False, True])
async def test_no_log_in_gets_past_a_suspension(world: World, is_known: bool) -> None:
    """One that began before and would be written after it; with a new device, or one it has."""
    session = await world.sign_up()

    async def suspended(batch: WriteBatch) -> None:
        world.store.before_write = None
        await world.suspensions.suspend("ada")

    world.store.before_write = suspended
    device_id = session.device.device_id if is_known else None
    with pytest.raises(Forbidden):
        await world.accounts.login("ada", PASSWORD, device_id)
    assert world.store.documents(DEVICES) == []


async def test_a_log_in_survives_a_change_of_the_profile_meanwhile(world: World) -> None:
    """It is only read again."""
    await world.sign_up()

    async def renamed(batch: WriteBatch) -> None:
        world.store.before_write = None
        await world.suspensions.suspend("ada")
        await world.suspensions.restore("ada")

    world.store.before_write = renamed
    session = await world.accounts.login("ada", PASSWORD)
    assert session.user.version == 3


async def test_an_account_that_changes_meanwhile_is_read_again(world: World) -> None:
    """No other change is lost; one that never stands still is given up."""
    await world.sign_up()
    failing = 2

    async def fails(batch: WriteBatch) -> None:
        nonlocal failing
        if failing:
            failing -= 1
            raise ConditionFailed("user changed")

    world.store.before_write = fails
    assert (await world.suspensions.suspend("ada")).user.status == "suspended"
    failing = 1000
    with pytest.raises(Unavailable):
        await world.suspensions.restore("ada")


async def test_an_unknown_outcome_is_told(world: World) -> None:
    """It may have taken effect."""
    session = await world.sign_up()

    async def is_cut(batch: WriteBatch) -> None:
        raise Unavailable

    world.store.before_write = is_cut
    with pytest.raises(Unavailable):
        await world.suspensions.suspend("ada")
    assert world.timeline_port.accounts == [[session.user.id]]
    assert world.invalidations.devices == [(session.user.id, ALL_DEVICES)]


async def test_who_is_not_there_is_not_found(world: World) -> None:
    """Nobody, and a deleted account."""
    await world.sign_up()
    [document] = world.store.documents(USERS)
    gone = Put(USERS.name, {**document, "status": "deleted"})
    await world.store.write(WriteBatch((gone,)))
    for username in ("nobody", "ada"):
        for act in (world.suspensions.suspend, world.suspensions.restore):
            with pytest.raises(NotFound):
                await act(username)
