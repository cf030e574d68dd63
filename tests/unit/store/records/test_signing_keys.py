"""Signing keys in the store."""

import pytest

from rookery.models import SigningKey
from rookery.store.records.signing_keys import SigningKeys
from tests.unit.memory_store import MemoryStore


@pytest.fixture
def keys() -> SigningKeys:
    return SigningKeys(MemoryStore())


async def test_keys_are_numbered_in_order(keys: SigningKeys) -> None:
    """Keys come oldest first, also past the ninth; each but the last is retired."""
    former: SigningKey | None = None
    for number in range(1, 12):
        await keys.add_next(former, b"secret %d" % number, number)
        former = (await keys.all())[-1]
    listed = await keys.all()
    assert [key.kid for key in listed] == [str(number) for number in range(1, 12)]
    assert [key.retired_ms for key in listed] == [*range(2, 12), None]
    assert listed[10] == SigningKey(kid="11", secret=b"secret 11", created_ms=11)


async def test_a_number_is_given_once(keys: SigningKeys) -> None:
    """Who comes second adds nothing and changes nothing."""
    await keys.add_next(None, b"one", 1)
    (first,) = await keys.all()
    await keys.add_next(None, b"other", 2)
    await keys.add_next(first, b"two", 3)
    await keys.add_next(first, b"other", 4)
    listed = await keys.all()
    assert [(key.secret, key.retired_ms) for key in listed] == [(b"one", 3), (b"two", None)]


async def test_remove(keys: SigningKeys) -> None:
    """Removed keys are gone; nothing to remove writes nothing."""
    await keys.add_next(None, b"one", 1)
    (first,) = await keys.all()
    await keys.add_next(first, b"two", 2)
    await keys.remove(["1"])
    await keys.remove([])
    assert [key.kid for key in await keys.all()] == ["2"]


@pytest.mark.parametrize("revoke", [False, True])
async def test_a_rotation_that_stalled_brings_no_revoked_key_back(
    keys: SigningKeys, revoke: bool
) -> None:
    """Though its number is free again, because the key that had it was revoked, too."""
    await keys.add_next(None, b"leaked", 1)
    (leaked,) = await keys.all()
    for number in (2, 3):
        former = (await keys.all())[-1]
        assert await keys.add_next(former, b"new", number, revoke=True)
    assert not await keys.add_next(leaked, b"late", 4, revoke=revoke)
    assert [key.kid for key in await keys.all()] == ["3"]
