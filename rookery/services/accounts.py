"""Signing up, logging in, staying logged in, logging out.

Must not import http, connection or actors.
"""

from collections.abc import Callable, Sequence

import msgspec

from rookery.errors import (
    BadCredentials,
    Conflict,
    DeviceRevoked,
    Forbidden,
    IdempotencyMismatch,
    InvalidToken,
    NotFound,
    Overloaded,
    Unavailable,
)
from rookery.models import Device, Identity, User
from rookery.services import validation
from rookery.services.idempotency import Idempotency, Recorder, Result
from rookery.services.passwords import Passwords
from rookery.services.ports import Invalidation, InvalidationPort
from rookery.services.refresh_tokens import RefreshToken, parse_refresh_token
from rookery.services.sessions import GRACE_S, REFRESH_LIFE_S, Session, SessionIssuer
from rookery.services.tokens import KeyRing
from rookery.store.devices import Devices, StoredDevice
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.schema import EMAILS, USERNAMES
from rookery.store.users import Users

__all__ = ["Accounts", "Session", "SignUp"]

MAX_DEVICES = 50
_ATTEMPTS = 5
_READ_DEVICES = 1000


class SignUp(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a new account."""

    email: str
    username: str
    password: str
    name: str
    device_name: str = ""
    idempotency_key: str | None = None


class Accounts:
    """The use-cases around an account and its devices.

    A refresh token is good once. Using it again within `grace_s` gives the same successor (the
    client's answer was lost, or it asked twice at once); using it later, or using any older one,
    means that two parties hold the tokens of one device, so the device is logged out. A user has
    up to `max_devices`; a login beyond that logs the one out that was idle for longest.
    """

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        clock_ms: Callable[[], int],
        keys: KeyRing,
        passwords: Passwords,
        invalidation: InvalidationPort,
        *,
        refresh_life_s: float = REFRESH_LIFE_S,
        grace_s: float = GRACE_S,
        max_devices: int = MAX_DEVICES,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock_ms = clock_ms
        self._passwords = passwords
        self._invalidation = invalidation
        self._users = Users(store.reader)
        self._devices = Devices(store.reader)
        self._idempotency = Idempotency(store, clock_ms)
        self._issuer = SessionIssuer(keys, clock_ms, refresh_life_s=refresh_life_s)
        self._grace_ms = int(grace_s * 1000)
        self._max_devices = max_devices

    async def signup(self, request: SignUp) -> Session:
        """Make an account and sign its first device in.

        With an `Idempotency-Key`, the same request again (the password included) signs the same
        device of the same account in again.

        Raises:
            InvalidRequest: a field breaks its rule; see `rookery.services.validation`.
            Conflict: the username or email (its `field`) is taken.
            IdempotencyMismatch: the key was used for a different request.
            Overloaded: too many passwords are being hashed.
        """
        request = _validated(request)

        async def act(record: Recorder) -> Session:
            return await self._create(request, record)

        async def replay(result: Result) -> Session:
            return await self._sign_up_again(request, result)

        # The password is not among what is digested: the record would let it be guessed.
        repeated = ["signup", request.email, request.username, request.name, request.device_name]
        return await self._idempotency.once(0, request.idempotency_key, repeated, act, replay)

    async def login(
        self, identifier: str, password: str, device_id: str | None = None, device_name: str = ""
    ) -> Session:
        """Sign in with a username or email (told apart by the ``@``) and the password.

        With the id of a device that the user has, that device gets new tokens, and its old ones
        end; otherwise a new device is added.

        Raises:
            InvalidRequest: the device name breaks its rule.
            BadCredentials: no such user, wrong password, or a user without one; which of them
                also the time taken does not tell.
            Forbidden: the account is not active.
            Overloaded: too many passwords are being hashed.
        """
        device_name = validation.device_name(device_name)
        if len(password) > validation.MAX_PASSWORD_CHARS:
            raise BadCredentials()
        user = await self._find(identifier)
        password_hash = None if user is None else user.password_hash
        matches = await self._passwords.verify(password_hash, password)
        if user is None or password_hash is None or not matches:
            raise BadCredentials()
        _require_active(user)
        if self._passwords.needs_rehash(password_hash):
            user = await self._rehash(user, password)
        return await self._sign_in(user, device_id, device_name)

    async def refresh(self, refresh_token: str) -> Session:
        """Replace a refresh token, and issue an access token.

        Raises:
            InvalidToken: it is malformed, forged, or of a former sign-in of its device.
            DeviceRevoked: its device was logged out or has expired; or was logged out just now,
                because the token had been used before.
            Forbidden: the account is not active.
        """
        token = parse_refresh_token(refresh_token)
        for _ in range(_ATTEMPTS):
            now_ms = self._clock_ms()
            device = await self._devices.get(token.user_id, token.device_id, now_ms)
            if device is None:
                raise DeviceRevoked()
            if token.family_hash != device.family_hash:
                raise InvalidToken("The refresh token is not valid")
            user = await self._active_user(token.user_id)
            if token.secret_hash == device.refresh_hash:
                rotated, successor = self._issuer.rotate(device, token)
                if await self._written(self._devices.replace(device, rotated)):
                    return self._issuer.session(user, rotated, successor)
            elif self._is_repeated(token, device, now_ms):
                return self._issuer.session(user, device, token.successor(device.rotation_salt))
            elif await self._written(self._devices.remove_unchanged(device)):
                await self._announce_revoked(token.user_id, [token.device_id])
                raise DeviceRevoked("This refresh token was used before; the device is logged out")
        raise Unavailable()

    async def logout(self, identity: Identity) -> None:
        """End the session of this device, everywhere and at once; again is no error."""
        await self._log_out(identity.user_id, [identity.device_id])

    async def devices(self, identity: Identity) -> list[Device]:
        """The user's signed-in devices, the one seen last first."""
        devices = await self._devices.of_user(identity.user_id, self._clock_ms(), _READ_DEVICES)
        return sorted(devices, key=lambda device: device.last_seen_ms, reverse=True)

    async def revoke(self, identity: Identity, device_id: str) -> None:
        """Log one of the user's devices out.

        Raises:
            NotFound: the user has no such device.
        """
        if await self._devices.get(identity.user_id, device_id, self._clock_ms()) is None:
            raise NotFound("No such device")
        await self._log_out(identity.user_id, [device_id])

    async def revoke_all(self, identity: Identity, except_current: bool) -> int:
        """Log all devices of the user out, or all others; returns how many."""
        devices = await self.devices(identity)
        ids = [
            device.device_id
            for device in devices
            if not (except_current and device.device_id == identity.device_id)
        ]
        await self._log_out(identity.user_id, ids)
        return len(ids)

    async def issue_for(self, username: str, device_name: str = "rookery admin") -> Session:
        """Sign a new device of the user in without a password; for operators only.

        Raises:
            NotFound: there is no such user.
            Forbidden: the account is not active.
        """
        user_id = await self._users.id_of_username(username)
        user = None if user_id is None else await self._users.get(user_id)
        if user is None:
            raise NotFound("No such user")
        _require_active(user)
        return await self._sign_in(user, None, device_name)

    async def _create(self, request: SignUp, record: Recorder) -> Session:
        # Looked up first, so that a taken name does not cost a hash; the batch decides.
        if await self._users.id_of_username(request.username) is not None:
            raise Conflict("This username is taken", "username")
        if await self._users.id_of_email(request.email) is not None:
            raise Conflict("This email address is in use", "email")
        user = User(
            id=self._ids(),
            username=request.username,
            name=request.name,
            email=request.email,
            password_hash=await self._passwords.hash(request.password),
        )
        device, token = self._issuer.open(user.id, request.device_name)
        outcome = {"user_id": user.id, "device_id": device.device_id}
        batch = (*record(outcome), *self._users.add(user), self._devices.add(device))
        try:
            await self._store.writer.write(WriteBatch(batch))
        except ConditionFailed as error:
            if error.label == USERNAMES.name:
                raise Conflict("This username is taken", "username") from error
            if error.label == EMAILS.name:
                raise Conflict("This email address is in use", "email") from error
            raise
        return self._issuer.session(user, device, token)

    async def _sign_up_again(self, request: SignUp, result: Result) -> Session:
        user = await self._users.get(result["user_id"])
        password_hash = None if user is None else user.password_hash
        matches = await self._passwords.verify(password_hash, request.password)
        if user is None or not matches:
            raise IdempotencyMismatch()
        _require_active(user)
        return await self._sign_in(user, result["device_id"], request.device_name)

    async def _find(self, identifier: str) -> User | None:
        """The user with this username or email."""
        identifier = identifier.strip(" ")
        if len(identifier) > validation.MAX_EMAIL_CHARS:
            return None
        if "@" in identifier:
            user_id = await self._users.id_of_email(identifier)
        else:
            user_id = await self._users.id_of_username(identifier)
        return None if user_id is None else await self._users.get(user_id)

    async def _rehash(self, user: User, password: str) -> User:
        """`user` with a hash of the present cost. Best effort: the next login tries again."""
        try:
            password_hash = await self._passwords.hash(password)
        except Overloaded:
            return user
        changed = msgspec.structs.replace(
            user, password_hash=password_hash, version=user.version + 1
        )
        return changed if await self._written(self._users.replace(user, changed)) else user

    async def _sign_in(self, user: User, device_id: str | None, device_name: str) -> Session:
        for _ in range(_ATTEMPTS):
            now_ms = self._clock_ms()
            former = None
            if device_id is not None:
                former = await self._devices.get(user.id, device_id, now_ms)
            device, token = self._issuer.open(user.id, device_name, former)
            if former is not None:
                operations = self._devices.replace(former, device)
                idle: list[str] = []
            else:
                idle = await self._too_many(user.id, now_ms)
                removals = [self._devices.remove(user.id, idle_id) for idle_id in idle]
                operations = (self._devices.add(device), *removals)
            if await self._written(operations):
                await self._announce_revoked(user.id, idle)
                return self._issuer.session(user, device, token)
        raise Unavailable()

    async def _too_many(self, user_id: int, now_ms: int) -> list[str]:
        """Which devices must go to make room for one more: those idle for longest."""
        devices = await self._devices.of_user(user_id, now_ms, _READ_DEVICES)
        devices.sort(key=lambda device: device.last_seen_ms, reverse=True)
        return [device.device_id for device in devices[self._max_devices - 1 :]]

    async def _active_user(self, user_id: int) -> User:
        user = await self._users.get(user_id)
        if user is None:
            raise DeviceRevoked()
        _require_active(user)
        return user

    def _is_repeated(self, token: RefreshToken, device: StoredDevice, now_ms: int) -> bool:
        """Whether `token` is the one before the current one, and was used just now."""
        return (
            token.secret_hash == device.previous_hash
            and now_ms - device.rotated_ms <= self._grace_ms
        )

    async def _log_out(self, user_id: int, device_ids: Sequence[str]) -> None:
        if not device_ids:
            return
        removals = tuple(self._devices.remove(user_id, device_id) for device_id in device_ids)
        await self._store.writer.write(WriteBatch(removals))
        await self._announce_revoked(user_id, device_ids)

    async def _announce_revoked(self, user_id: int, device_ids: Sequence[str]) -> None:
        """Tell every cache and connection; after the commit, so that none looks up too early."""
        if device_ids:
            revoked = [(user_id, device_id) for device_id in device_ids]
            await self._invalidation.broadcast(Invalidation(devices=revoked))

    async def _written(self, operations: tuple[Operation, ...]) -> bool:
        """Write; False if something changed meanwhile, so that it must be read again."""
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed:
            return False
        return True


def _validated(request: SignUp) -> SignUp:
    return msgspec.structs.replace(
        request,
        email=validation.email(request.email),
        username=validation.username(request.username),
        password=validation.password(request.password),
        name=validation.name(request.name),
        device_name=validation.device_name(request.device_name),
    )


def _require_active(user: User) -> None:
    if user.status != "active":
        raise Forbidden("This account is not active")
