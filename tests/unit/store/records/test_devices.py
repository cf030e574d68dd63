"""Devices in the store."""

import msgspec
import pytest

from rookery.store.engine import ConditionFailed, Put, WriteBatch
from rookery.store.records.devices import CHANGED_LABEL, Devices, StoredDevice
from rookery.store.schema import DEVICES
from tests.unit.memory_store import MemoryStore

END_MS = 2_000


def device(device_id: str = "a", user_id: int = 1, expires_ms: int = END_MS) -> StoredDevice:
    return StoredDevice(
        user_id=user_id,
        device_id=device_id,
        name="Laptop",
        created_ms=1_000,
        last_seen_ms=1_500,
        refresh_hash="hash",
        previous_hash="former",
        expires_ms=expires_ms,
        family_hash="family",
        rotation_salt=b"\x00\xff",
        rotated_ms=1_500,
    )


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    added = (device("a"), device("b", expires_ms=1_700), device("c", user_id=2))
    await made.write(WriteBatch(tuple(Devices.add(one) for one in added)))
    return made


@pytest.fixture
def devices(store: MemoryStore) -> Devices:
    return Devices(store.reader)


async def test_every_field_comes_back(devices: Devices) -> None:
    """A device reads as it was written."""
    assert await devices.get(1, "a", 1_600) == device()


async def test_expired_devices_do_not_exist(devices: Devices) -> None:
    """From its end on a device is not found, checked or listed."""
    sign_in = (1, "a", device().session)
    assert await devices.ended([sign_in], END_MS - 1) == []
    assert await devices.ended([sign_in], END_MS) == [sign_in]
    assert await devices.get(1, "a", END_MS) is None
    assert await devices.ended([(1, "x", ""), sign_in], 0) == [(1, "x", "")]
    assert [one.device_id for one in await devices.of_user(1, 1_600, 10)] == ["a", "b"]
    assert [one.device_id for one in await devices.of_user(1, 1_700, 10)] == ["a"]


async def test_replace_expects_the_token(store: MemoryStore, devices: Devices) -> None:
    """A rotation fails when the token was rotated before."""
    changed = msgspec.structs.replace(device(), refresh_hash="next", previous_hash="hash")
    await store.write(WriteBatch(Devices.replace(device(), changed)))
    assert await devices.get(1, "a", 0) == changed
    for operations in (Devices.replace(device(), changed), Devices.remove_unchanged(device())):
        with pytest.raises(ConditionFailed, match=CHANGED_LABEL):
            await store.write(WriteBatch(operations))


async def test_remove(store: MemoryStore) -> None:
    """Removing ends the one device; again is no error."""
    for _ in range(2):
        await store.write(WriteBatch((Devices.remove(1, "a"),)))
    await store.write(WriteBatch(Devices.remove_unchanged(device("b"))))
    assert [document["device_id"] for document in store.documents(DEVICES)] == ["c"]


async def test_devices_of_former_releases_are_read(store: MemoryStore, devices: Devices) -> None:
    """They have no address yet."""
    former = msgspec.structs.asdict(device("old"))
    del former["address"]
    await store.write(WriteBatch((Put(DEVICES.name, former),)))
    found = await devices.get(1, "old", 1_600)
    assert found is not None and found.address == ""
