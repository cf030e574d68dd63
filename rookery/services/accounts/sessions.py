"""A device's tokens: issued at a sign-in, replaced at each refresh.

Decides what is stored of a device and what its client is given; reads and writes nothing itself.
"""

import secrets
from collections.abc import Callable

import msgspec

from rookery.models import Identity, User
from rookery.services.accounts.refresh_tokens import SALT_BYTES, RefreshToken, new_refresh_token
from rookery.services.accounts.tokens import KeyRing
from rookery.store.records.devices import StoredDevice

REFRESH_LIFE_S = 30 * 86_400
GRACE_S = 10


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in or refresh gives to the client. `expires_in_s` is for the access token."""

    user: User
    device: StoredDevice
    access_token: str
    refresh_token: str
    expires_in_s: int


class SessionIssuer:
    """Makes sessions and the devices to be stored for them."""

    def __init__(
        self, keys: KeyRing, clock_ms: Callable[[], int], *, refresh_life_s: float = REFRESH_LIFE_S
    ) -> None:
        self._keys = keys
        self._clock_ms = clock_ms
        self._refresh_life_ms = int(refresh_life_s * 1000)

    def open(
        self, user_id: int, name: str, former: StoredDevice | None = None, address: str = ""
    ) -> tuple[StoredDevice, RefreshToken]:
        """A device that signs in from `address`, and its first refresh token.

        With `former` it is that device again (renamed, if `name` is given): its old tokens end.
        """
        now_ms = self._clock_ms()
        device_id = secrets.token_urlsafe(12) if former is None else former.device_id
        token = new_refresh_token(user_id, device_id)
        device = StoredDevice(
            user_id=user_id,
            device_id=device_id,
            name=name or ("" if former is None else former.name),
            created_ms=now_ms if former is None else former.created_ms,
            last_seen_ms=now_ms,
            refresh_hash=token.secret_hash,
            family_hash=token.family_hash,
            expires_ms=now_ms + self._refresh_life_ms,
            address=address,
        )
        return device, token

    def rotate(
        self, device: StoredDevice, token: RefreshToken, address: str = ""
    ) -> tuple[StoredDevice, RefreshToken]:
        """`device` after its current `token` was used, and the token that replaces it."""
        now_ms = self._clock_ms()
        salt = secrets.token_bytes(SALT_BYTES)
        successor = token.successor(salt)
        rotated = msgspec.structs.replace(
            device,
            refresh_hash=successor.secret_hash,
            previous_hash=device.refresh_hash,
            rotation_salt=salt,
            rotated_ms=now_ms,
            last_seen_ms=now_ms,
            expires_ms=now_ms + self._refresh_life_ms,
            address=address or device.address,
        )
        return rotated, successor

    def session(self, user: User, device: StoredDevice, token: RefreshToken) -> Session:
        """What the client is given once `device` is stored: `token`, and a new access token."""
        identity = Identity(user.id, user.username, device.device_id, device.session)
        return Session(
            user=user,
            device=device,
            access_token=self._keys.sign(identity, self._clock_ms()),
            refresh_token=token.text(),
            expires_in_s=self._keys.life_s,
        )
