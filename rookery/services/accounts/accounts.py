"""Signing up, logging in, staying logged in, logging out."""

from collections.abc import Callable

import msgspec

from rookery.errors import (
    BadCredentials,
    Conflict,
    DeviceRevoked,
    IdempotencyMismatch,
    InvalidToken,
    NotFound,
    Overloaded,
    Unavailable,
)
from rookery.models import Identity, User
from rookery.security_log import NOWHERE, Event, Origin, Outcome, record
from rookery.services import validation
from rookery.services.accounts.attempts import LoginAttempts, PasswordAttempts, canonical
from rookery.services.accounts.passwords import Passwords
from rookery.services.accounts.refresh_tokens import RefreshToken, parse_refresh_token
from rookery.services.accounts.sessions import GRACE_S, REFRESH_LIFE_S, Session, SessionIssuer
from rookery.services.accounts.sign_ins import ATTEMPTS, SignIns, require_active, sources_of
from rookery.services.accounts.tokens import KeyRing
from rookery.services.accounts.user_agents import name_of
from rookery.services.idempotency import Idempotency, Recorder, Result
from rookery.services.ports import InvalidationPort
from rookery.store.engine import ConditionFailed, Store, WriteBatch
from rookery.store.records.devices import Devices, StoredDevice
from rookery.store.records.users import Users
from rookery.store.schema import EMAILS, USERNAMES

__all__ = ["Accounts", "Session", "SignUp"]

MAX_DEVICES = 50


class SignUp(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a new account."""

    email: str
    username: str
    password: str
    name: str
    device_name: str = ""
    idempotency_key: str | None = None


class Accounts:
    """The use-cases around an account and its devices. `origin` is where a request came from.

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
        self._users = Users(store.reader)
        self._devices = Devices(store.reader)
        self._attempts = PasswordAttempts(store.reader, passwords, clock_ms)
        self._idempotency = Idempotency(store, clock_ms)
        self._issuer = SessionIssuer(keys, clock_ms, refresh_life_s=refresh_life_s)
        self._sign_ins = SignIns(store, clock_ms, self._issuer, invalidation, max_devices)
        self._grace_ms = int(grace_s * 1000)

    async def signup(
        self, request: SignUp, origin: Origin = NOWHERE, attempts: LoginAttempts | None = None
    ) -> Session:
        """Make an account and sign its first device in.

        With an `Idempotency-Key`, the same request again (the password included) signs the same
        device of the same account in again; that is an attempt to log in to it, as of `login`.

        Raises:
            InvalidRequest: a field breaks its rule; see `rookery.services.validation`.
            Conflict: the username or email (its `field`) is taken.
            IdempotencyMismatch: the key was used for a different request.
            TooManyRequests: `attempts` does not let the password be tried.
            Overloaded: no thread to hash the password was free in time.
        """
        request = _validated(request)

        async def act(recorder: Recorder) -> Session:
            return await self._create(request, recorder, origin)

        async def replay(result: Result) -> Session:
            return await self._sign_up_again(request, result, origin, attempts)

        # The password is not among what is digested: the record would let it be guessed.
        repeated = ["signup", request.email, request.username, request.name, request.device_name]
        try:
            return await self._idempotency.once(0, request.idempotency_key, repeated, act, replay)
        except (Conflict, IdempotencyMismatch) as error:
            record(Event.SIGN_UP, "failure", origin=origin, reason=error.code)
            raise

    async def login(
        self,
        identifier: str,
        password: str,
        device_id: str | None = None,
        device_name: str = "",
        *,
        origin: Origin = NOWHERE,
        attempts: LoginAttempts | None = None,
    ) -> Session:
        """Sign in with a username or email (told apart by the ``@``) and the password.

        With the id of a device that the user has, that device gets new tokens, and its old ones
        end; otherwise a new device is added. `attempts` counts passwords that were tried.

        Raises:
            InvalidRequest: the device name breaks its rule.
            BadCredentials: no such user, wrong password, or a user without one; which of them
                also the time taken does not tell (but see `Passwords.verify`).
            Forbidden: the account is not active.
            TooManyRequests: `attempts` does not let it be tried.
            Overloaded: no thread to hash the password was free in time.
        """
        device_name = validation.device_name(device_name)
        if len(password) > validation.MAX_PASSWORD_CHARS:
            raise BadCredentials()
        name = canonical(identifier)
        user = await self._attempts.find(name)
        source = await self._attempts.known_source(user, device_id, origin)
        matches = await self._attempts.matches(user, name, password, source, origin, attempts)
        if user is None or user.password_hash is None or not matches:
            _record(Event.LOG_IN, user, "", origin, "bad_credentials", "failure")
            raise BadCredentials()
        if user.status != "active":
            _record(Event.LOG_IN, user, "", origin, "account_not_active", "failure")
        require_active(user)
        if self._passwords.needs_rehash(user.password_hash):
            user = await self._rehash(user, password, origin)
        session = await self._sign_ins.begin(user, device_id, device_name, origin)
        _record(Event.LOG_IN, user, session.device.device_id, origin)
        return session

    async def refresh(self, refresh_token: str, origin: Origin = NOWHERE) -> Session:
        """Replace a refresh token, and issue an access token.

        Raises:
            InvalidToken: it is malformed, forged, or of a former sign-in of its device.
            DeviceRevoked: its device was logged out or has expired; or was logged out just now,
                because the token had been used before.
            Forbidden: the account is not active.
        """
        token = parse_refresh_token(refresh_token)
        for _ in range(ATTEMPTS):
            now_ms = self._clock_ms()
            device = await self._devices.get(token.user_id, token.device_id, now_ms)
            if device is None:
                raise DeviceRevoked()
            if token.family_hash != device.family_hash:
                raise InvalidToken("The refresh token is not valid")
            user = await self._sign_ins.active_user(token.user_id)
            if token.secret_hash == device.refresh_hash:
                rotated, successor = self._issuer.rotate(device, token, origin.address)
                if await self._sign_ins.written(self._devices.replace(device, rotated)):
                    return self._issuer.session(user, rotated, successor)
            elif self._is_repeated(token, device, now_ms):
                return self._issuer.session(user, device, token.successor(device.rotation_salt))
            elif await self._sign_ins.written(
                (
                    *self._devices.remove_unchanged(device),
                    self._sign_ins.forgotten(device.user_id, device.device_id),
                )
            ):
                await self._end_stolen(user, device, origin)
                raise DeviceRevoked("This refresh token was used before; the device is logged out")
        raise Unavailable()

    async def logout(self, identity: Identity, origin: Origin = NOWHERE) -> bool:
        """End the session of this device; again is no error.

        It ends everywhere at once, unless False is answered: then a process that did not answer
        takes it in when it looks the device up again.
        """
        told = await self._sign_ins.end(identity.user_id, [identity.device_id])
        _record(Event.LOG_OUT, identity, identity.device_id, origin)
        return told

    async def devices(self, identity: Identity) -> list[StoredDevice]:
        """The user's signed-in devices, the one seen last first."""
        return await self._sign_ins.of_user(identity.user_id)

    async def devices_page(
        self, identity: Identity, after: tuple[int, str] | None, limit: int
    ) -> tuple[list[StoredDevice], tuple[int, str] | None]:
        """A page of `devices`; see `SignIns.page`."""
        return await self._sign_ins.page(identity.user_id, after, limit)

    async def revoke(self, identity: Identity, device_id: str, origin: Origin = NOWHERE) -> bool:
        """Log one of the user's devices out; what is answered is as of `logout`.

        Raises:
            NotFound: the user has no such device.
        """
        await self._sign_ins.require(identity.user_id, device_id)
        told = await self._sign_ins.end(identity.user_id, [device_id], forget=True)
        _record(Event.DEVICE_REVOKED, identity, device_id, origin, "by_user")
        return told

    async def revoke_all(
        self, identity: Identity, except_current: bool, origin: Origin = NOWHERE
    ) -> tuple[int, bool]:
        """Log all devices of the user out, or all others: how many, and as of `logout`."""
        ids = [
            device.device_id
            for device in await self.devices(identity)
            if not (except_current and device.device_id == identity.device_id)
        ]
        told = await self._sign_ins.end(identity.user_id, ids, forget=True)
        for device_id in ids:
            _record(Event.DEVICE_REVOKED, identity, device_id, origin, "by_user")
        return len(ids), told

    async def issue_for(self, username: str, device_name: str = "rookery admin") -> Session:
        """Sign a new device of the user in without a password; for operators only.

        Raises:
            NotFound: there is no such user.
            Forbidden: the account is not active.
        """
        user_id = await self._users.id_of_username(username)
        user = None if user_id is None else await self._users.get(user_id)
        if user is None:
            raise NotFound("User not found")
        require_active(user)
        return await self._sign_ins.begin(user, None, device_name)

    async def _create(self, request: SignUp, recorder: Recorder, origin: Origin) -> Session:
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
            password_hash=await self._passwords.hash(request.password, origin.key),
        )
        device_name = request.device_name or name_of(origin.user_agent)
        device, token = self._issuer.open(user.id, device_name, address=origin.address)
        outcome = {"user_id": user.id, "device_id": device.device_id}
        known = sources_of(device, origin, self._clock_ms())
        batch = (*recorder(outcome), *self._users.add(user), self._devices.add(device), *known)
        try:
            await self._store.writer.write(WriteBatch(batch))
        except ConditionFailed as error:
            if error.label == USERNAMES.name:
                raise Conflict("This username is taken", "username") from error
            if error.label == EMAILS.name:
                raise Conflict("This email address is in use", "email") from error
            raise
        _record(Event.SIGN_UP, user, device.device_id, origin)
        return self._issuer.session(user, device, token)

    async def _sign_up_again(
        self, request: SignUp, result: Result, origin: Origin, attempts: LoginAttempts | None
    ) -> Session:
        user = await self._users.get(result["user_id"])
        # Not by the device: who has the key has not shown that it is there.
        source = await self._attempts.known_source(user, None, origin)
        matches = await self._attempts.matches(
            user, request.username, request.password, source, origin, attempts
        )
        if user is None or user.password_hash is None or not matches:
            _record(Event.LOG_IN, user, "", origin, "bad_credentials", "failure")
            raise IdempotencyMismatch()
        require_active(user)
        session = await self._sign_ins.begin(user, result["device_id"], request.device_name, origin)
        _record(Event.SIGN_UP, user, session.device.device_id, origin, "repeated")
        return session

    async def _rehash(self, user: User, password: str, origin: Origin) -> User:
        """`user` with a hash of the present cost. Best effort: the next login tries again."""
        try:
            password_hash = await self._passwords.hash(password, origin.key, is_known=True)
        except Overloaded:
            return user
        changed = msgspec.structs.replace(
            user, password_hash=password_hash, version=user.version + 1
        )
        written = await self._sign_ins.written(self._users.replace(user, changed))
        return changed if written else user

    def _is_repeated(self, token: RefreshToken, device: StoredDevice, now_ms: int) -> bool:
        """Whether `token` is the one before the current one, and was used just now."""
        return (
            token.secret_hash == device.previous_hash
            and now_ms - device.rotated_ms <= self._grace_ms
        )

    async def _end_stolen(self, user: User, device: StoredDevice, origin: Origin) -> None:
        await self._sign_ins.announce_ended(user.id, [device.device_id])
        reason = "device_logged_out"
        _record(Event.TOKEN_REUSED, user, device.device_id, origin, reason, "refused")


def _record(
    event: Event,
    who: User | Identity | None,
    device_id: str,
    origin: Origin,
    reason: str = "",
    outcome: Outcome = "success",
) -> None:
    user_id = who.id if isinstance(who, User) else None if who is None else who.user_id
    record(
        event,
        outcome,
        origin=origin,
        reason=reason,
        user_id=user_id,
        username="" if who is None else who.username,
        device_id=device_id,
    )


def _validated(request: SignUp) -> SignUp:
    return msgspec.structs.replace(
        request,
        email=validation.email(request.email),
        username=validation.username(request.username),
        password=validation.password(request.password),
        name=validation.name(request.name),
        device_name=validation.device_name(request.device_name),
    )
