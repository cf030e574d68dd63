"""Signed-in devices and what proves their refresh tokens.

A token is never stored, only digests of it. A device whose time is over does not exist for
readers, though its document may still be there for a while.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from rookery.models import Device
from rookery.store.engine import (
    MOST_DELETED,
    Delete,
    DeleteRange,
    Expect,
    Insert,
    Operation,
    Put,
    Reader,
)
from rookery.store.schema import DEVICES

SignIn: TypeAlias = tuple[int, str, str]
"""User id, device id, and the session that the device signed in to."""

SESSION_CHARS = 16
ALL_DEVICES = ""
"""In the place of a device's id, where all devices of a user have ended."""
CHANGED_LABEL = "device changed"
"""The label of the `ConditionFailed` when a device's tokens are not those that were read."""


class StoredDevice(Device, frozen=True, kw_only=True):
    """A device, with what only the rotation of its refresh tokens needs.

    `family_hash`: SHA-256 (hex) of the part that all refresh tokens of one sign-in share.
    `rotation_salt`, `rotated_ms`: what the last rotation derived the current token with, and
    when; empty and 0 if there was none since the sign-in.
    """

    family_hash: str = ""
    rotation_salt: bytes = b""
    rotated_ms: int = 0

    @property
    def session(self) -> str:
        """The name of its present sign-in, as access tokens carry it. No secret."""
        return session_of(self.family_hash)


def session_of(family_hash: str) -> str:
    """The name of the sign-in whose refresh tokens have this `family_hash`."""
    return family_hash[:SESSION_CHARS]


class Devices:
    """Reads devices, and makes the operations that change them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, user_id: int, device_id: str, now_ms: int) -> StoredDevice | None:
        """The device, if it exists and has not expired by `now_ms`."""
        document = await self._reader.get(DEVICES, (user_id, device_id))
        if document is None:
            return None
        device = msgspec.convert(document, StoredDevice)
        return device if device.expires_ms > now_ms else None

    async def ended(self, sign_ins: Sequence[SignIn], now_ms: int) -> list[SignIn]:
        """Those whose device is gone or has expired by `now_ms`, or has signed in anew."""
        documents = await self._reader.get_many(DEVICES, [sign_in[:2] for sign_in in sign_ins])
        return [
            sign_in
            for sign_in, document in zip(sign_ins, documents, strict=True)
            if document is None
            or int(document["expires_ms"]) <= now_ms
            or session_of(document.get("family_hash", "")) != sign_in[2]
        ]

    async def of_user(self, user_id: int, now_ms: int, limit: int) -> list[StoredDevice]:
        """At most `limit` of the user's devices that have not expired, by device id."""
        documents = await self._reader.range(DEVICES, (user_id,), limit=limit)
        devices = [msgspec.convert(document, StoredDevice) for document in documents]
        return [device for device in devices if device.expires_ms > now_ms]

    @staticmethod
    def add(device: StoredDevice) -> Operation:
        """Add a device with an id that was never used."""
        return Insert(DEVICES.name, msgspec.structs.asdict(device))

    @staticmethod
    def replace(former: StoredDevice, changed: StoredDevice) -> tuple[Operation, ...]:
        """Store `changed`, on condition that the refresh token is still that of `former`.

        The batch fails with `CHANGED_LABEL` if the token was replaced, or the device is gone.
        """
        return (_is_unchanged(former), Put(DEVICES.name, msgspec.structs.asdict(changed)))

    @staticmethod
    def remove_unchanged(device: StoredDevice) -> tuple[Operation, ...]:
        """Remove `device`, on the condition (and with the label) of `replace`."""
        return (_is_unchanged(device), Delete(DEVICES.name, (device.user_id, device.device_id)))

    @staticmethod
    def remove_all(user_id: int) -> Operation:
        """Remove all devices of a user, who has at most some tens."""
        return DeleteRange(DEVICES.name, (user_id,), MOST_DELETED)

    @staticmethod
    def remove(user_id: int, device_id: str) -> Operation:
        """Remove a device; nothing happens if there is none."""
        return Delete(DEVICES.name, (user_id, device_id))


def _is_unchanged(device: StoredDevice) -> Expect:
    return Expect(
        DEVICES.name,
        (device.user_id, device.device_id),
        True,
        {"refresh_hash": device.refresh_hash},
        CHANGED_LABEL,
    )
