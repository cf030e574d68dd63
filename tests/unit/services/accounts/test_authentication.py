"""From a token to an identity."""

from collections.abc import Iterator, Sequence

import pytest

from rookery.errors import DeviceRevoked, InvalidToken, StoreUnavailable, TokenExpired
from rookery.services.accounts.authentication import RECHECK_S, Authenticator
from rookery.services.accounts.tokens import KeyRing
from rookery.store.engine import Collection, Document, Key, WriteBatch
from rookery.store.records.devices import ALL_DEVICES, Devices
from tests.unit.memory_store import MemoryStore
from tests.unit.services.account_world import (
    PASSWORD,
    Clock,
    World,
    account_world,
    identity_of,
    sign_up_request,
)


@pytest.fixture
def bare_world() -> Iterator[World]:
    with account_world() as made:
        yield made


@pytest.fixture
async def world(bare_world: World) -> World:
    await bare_world.keys.load()
    return bare_world


async def remove_device(world: World, user_id: int, device_id: str) -> None:
    await world.store.write(WriteBatch((Devices.remove(user_id, device_id),)))


async def test_identifies(world: World) -> None:
    """A session's token proves its user and device."""
    session = await world.sign_up()
    assert await world.authenticator.identify(session.access_token) == identity_of(session)


async def test_a_known_token_reads_nothing(world: World) -> None:
    """From the second time on neither the store nor the keys are asked."""
    session = await world.sign_up()
    await world.authenticator.identify(session.access_token)
    before = dict(world.store.reads)
    await world.authenticator.identify(session.access_token)
    assert world.store.reads == before


async def test_a_known_token_still_expires(world: World) -> None:
    """A cached token ends when it ends, though its re-check is not due yet."""
    session = await world.sign_up()
    world.clock.advance(session.expires_in_s - 1)
    await world.authenticator.identify(session.access_token)
    world.clock.advance(1)
    with pytest.raises(TokenExpired):
        await world.authenticator.identify(session.access_token)
    assert len(world.authenticator) == 0


async def test_all_devices_of_a_user_are_forgotten_together(world: World) -> None:
    """Those of others are known still."""
    first = await world.sign_up()
    second = await world.accounts.login("ada", PASSWORD)
    other = await world.sign_up("bob")
    for each in (first, second, other):
        await world.authenticator.identify(each.access_token)
    await world.store.write(WriteBatch((Devices.remove_all(first.user.id),)))
    world.authenticator.forget([(first.user.id, ALL_DEVICES)])
    assert len(world.authenticator) == 1
    for each in (first, second):
        with pytest.raises(DeviceRevoked):
            await world.authenticator.identify(each.access_token)
    assert await world.authenticator.identify(other.access_token) == identity_of(other)


async def test_a_revoked_device_is_noticed_without_a_message(world: World) -> None:
    """When the message was lost, the device is looked at again after the re-check time."""
    session = await world.sign_up()
    await world.authenticator.identify(session.access_token)
    await remove_device(world, session.user.id, session.device.device_id)
    world.clock.advance(RECHECK_S - 1)
    await world.authenticator.identify(session.access_token)
    world.clock.advance(1)
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(session.access_token)


async def test_a_clock_that_is_put_back_puts_no_re_check_off(world: World) -> None:
    """Re-checks are timed by a clock that does not step; else a lost message would last."""
    steady = Clock()
    authenticator = Authenticator(world.keys, world.store, world.clock, steady=steady)
    session = await world.sign_up()
    await authenticator.identify(session.access_token)
    await remove_device(world, session.user.id, session.device.device_id)
    world.clock.advance(-3600)
    steady.advance(RECHECK_S)
    with pytest.raises(DeviceRevoked):
        await authenticator.identify(session.access_token)


async def test_a_clock_that_is_put_back_makes_no_outage_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked again as soon as it would have been."""
    steady = Clock()
    authenticator = Authenticator(world.keys, world.store, world.clock, steady=steady)
    session = await world.sign_up()
    await authenticator.identify(session.access_token)
    steady.advance(RECHECK_S)

    async def fail(collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        raise StoreUnavailable()

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "get_many", fail)
        await authenticator.identify(session.access_token)
    await remove_device(world, session.user.id, session.device.device_id)
    world.clock.advance(-3600)
    steady.advance(RECHECK_S)
    with pytest.raises(DeviceRevoked):
        await authenticator.identify(session.access_token)


async def test_forget_takes_effect_at_once(world: World) -> None:
    """A revoked device's tokens, all of them, are refused from the message on."""
    session = await world.sign_up()
    second = world.keys.sign(identity_of(session), world.clock())
    other = await world.sign_up("bob")
    for token in (session.access_token, second, other.access_token):
        await world.authenticator.identify(token)
    await remove_device(world, session.user.id, session.device.device_id)
    world.authenticator.forget([(session.user.id, session.device.device_id)])
    for token in (session.access_token, second):
        with pytest.raises(DeviceRevoked):
            await world.authenticator.identify(token)
    assert await world.authenticator.identify(other.access_token) == identity_of(other)


class RevokingStore(MemoryStore):
    """Revokes the device while it is being looked up, just after the look."""

    authenticator: Authenticator | None = None

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        documents = await super().get_many(collection, keys)
        for document in documents:
            if self.authenticator is not None and document is not None:
                user_id, device_id = document["user_id"], document["device_id"]
                await self.write(WriteBatch((Devices.remove(user_id, device_id),)))
                self.authenticator.forget([(user_id, device_id)])
        return documents


async def test_a_revocation_during_the_look_up_is_not_lost(bare_world: World) -> None:
    """A token whose device was revoked between the read and the caching is not cached."""
    world = bare_world
    store = world.store = RevokingStore()
    world.keys = KeyRing(store, world.clock)
    await world.keys.load()
    session = await world.accounts_with(world.passwords).signup(sign_up_request())
    authenticator = Authenticator(world.keys, store, world.clock)
    store.authenticator = authenticator
    await authenticator.identify(session.access_token)
    with pytest.raises(DeviceRevoked):
        await authenticator.identify(session.access_token)


async def test_an_expired_device_is_revoked(world: World) -> None:
    """A device past its refresh life does not exist, even while its document does."""
    session = await world.sign_up()
    world.clock.advance(31 * 86_400)
    token = world.keys.sign(identity_of(session), world.clock())
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(token)


async def test_the_least_recently_used_goes_first(world: World) -> None:
    """The cache is bounded, and keeps what is in use."""
    authenticator = Authenticator(world.keys, world.store, world.clock, max_entries=2)
    first, second, third = [await world.sign_up(name) for name in ("ada", "bob", "cyd")]
    for session in (first, second, first, third):
        await authenticator.identify(session.access_token)
    before = dict(world.store.reads)
    await authenticator.identify(first.access_token)
    await authenticator.identify(third.access_token)
    assert len(authenticator) == 2
    assert world.store.reads == before
    await authenticator.identify(second.access_token)
    assert world.store.reads != before


async def test_a_key_of_another_process_is_loaded(world: World) -> None:
    """A token signed with a key that was added elsewhere is accepted without a restart."""
    session = await world.sign_up()
    elsewhere = KeyRing(world.store, world.clock)
    await elsewhere.rotate()
    token = elsewhere.sign(identity_of(session), world.clock())
    assert await world.authenticator.identify(token) == identity_of(session)


async def test_invalid_tokens_are_not_cached(world: World) -> None:
    """Nonsense takes no place."""
    for token in ("", "nonsense", "a.b.c"):
        with pytest.raises(InvalidToken):
            await world.authenticator.identify(token)
    assert len(world.authenticator) == 0


async def test_a_store_that_fails_is_no_revocation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the device cannot be looked up, that is said; the token is not called invalid."""
    session = await world.sign_up()

    async def fail(collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        raise StoreUnavailable()

    monkeypatch.setattr(world.store, "get_many", fail)
    with pytest.raises(StoreUnavailable):
        await world.authenticator.identify(session.access_token)


async def test_an_outage_does_not_lengthen_a_token_s_life(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known token counts on while the store is away, and ends when it ends."""
    session = await world.sign_up()
    await world.authenticator.identify(session.access_token)

    async def fail(collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        raise StoreUnavailable()

    monkeypatch.setattr(world.store, "get_many", fail)
    world.clock.advance(session.expires_in_s - 0.5)
    for _ in range(2):
        assert await world.authenticator.identify(session.access_token) == identity_of(session)
    world.clock.advance(0.5)
    with pytest.raises(TokenExpired):
        await world.authenticator.identify(session.access_token)


async def test_after_forgetting_all_a_revoked_device_is_noticed(world: World) -> None:
    """At once, though its own revocation was never told; others are looked at and go on."""
    session, other = await world.sign_up(), await world.sign_up("eve")
    for each in (session, other):
        await world.authenticator.identify(each.access_token)
    await remove_device(world, session.user.id, session.device.device_id)
    await world.authenticator.identify(session.access_token)
    world.authenticator.forget_all()
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(session.access_token)
    assert await world.authenticator.identify(other.access_token) == identity_of(other)
