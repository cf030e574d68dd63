"""A user's devices as they sign in and out: in the store, and in every cache and connection."""

from collections.abc import Callable, Sequence

from rookery.errors import DeviceRevoked, Forbidden, NotFound, Unavailable
from rookery.models import User
from rookery.security_log import NOWHERE, Event, Origin, record
from rookery.services.accounts.sessions import Session, SessionIssuer
from rookery.services.accounts.user_agents import name_of
from rookery.services.ports import Invalidation, InvalidationPort
from rookery.services.reading.pages import check_limit
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.devices import Devices, StoredDevice
from rookery.store.records.graph import user_unchanged
from rookery.store.records.login_sources import LoginSources, address_source, device_source
from rookery.store.records.users import Users

ATTEMPTS = 5
READ_DEVICES = 1000


class SignIns:
    """Begins and ends the sign-ins of devices.

    A user has up to `max_devices`; one more logs the one out that was idle for longest.
    """

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        issuer: SessionIssuer,
        invalidation: InvalidationPort,
        max_devices: int,
    ) -> None:
        self._writer = store.writer
        self._clock_ms = clock_ms
        self._issuer = issuer
        self._invalidation = invalidation
        self._max_devices = max_devices
        self._devices = Devices(store.reader)
        self._sources = LoginSources(store.reader)
        self._users = Users(store.reader)

    async def begin(
        self, user: User, device_id: str | None, name: str, origin: Origin = NOWHERE
    ) -> Session:
        """Sign a device in: the one with this id, if the user has it, or else a new one.

        The former tokens of the device end, in every process that answers within a second. That
        the account is as it was read is a condition: one that is suspended meanwhile does not log
        in.

        Raises:
            Forbidden: the account is not active any more.
            Unavailable: the device keeps changing; nothing was done.
        """
        for _ in range(ATTEMPTS):
            now_ms = self._clock_ms()
            former = None
            if device_id is not None:
                former = await self._devices.get(user.id, device_id, now_ms)
            is_named = bool(name) or (former is not None and bool(former.name))
            shown = name if is_named else name_of(origin.user_agent)
            device, token = self._issuer.open(user.id, shown, former, origin.address)
            idle: list[str] = []
            if former is not None:
                operations = self._devices.replace(former, device)
            else:
                idle = await self._too_many(user.id, now_ms)
                removals = [self._devices.remove(user.id, idle_id) for idle_id in idle]
                operations = (self._devices.add(device), *removals)
            known = sources_of(device, origin, now_ms)
            operations += (*await self._sources.beyond(user.id, len(known)), *known)
            if await self.written((user_unchanged(user), *operations)):
                await self._announce_begun(user, former, idle, origin)
                return self._issuer.session(user, device, token)
            user = await self.active_user(user.id)
        raise Unavailable()

    async def _announce_begun(
        self, user: User, former: StoredDevice | None, idle: list[str], origin: Origin
    ) -> None:
        await self.announce_ended(user.id, idle)
        for device_id in idle:
            record(
                Event.DEVICE_DISPLACED,
                "success",
                origin=origin,
                reason="too_many_devices",
                user_id=user.id,
                username=user.username,
                device_id=device_id,
            )
        if former is not None:
            ended = (user.id, former.device_id, former.session)
            await self._invalidation.broadcast(Invalidation(sign_ins=[ended]))
            record(
                Event.SIGN_IN_ENDED,
                "success",
                origin=origin,
                reason="signed_in_again",
                user_id=user.id,
                username=user.username,
                device_id=former.device_id,
            )

    async def of_user(self, user_id: int) -> list[StoredDevice]:
        """The user's signed-in devices, the one seen last first."""
        devices = await self._devices.of_user(user_id, self._clock_ms(), READ_DEVICES)
        return sorted(devices, key=_place)

    async def page(
        self, user_id: int, after: tuple[int, str] | None, limit: int
    ) -> tuple[list[StoredDevice], tuple[int, str] | None]:
        """At most `limit` of `of_user`, from behind the place `after`; and the next page's place.

        A place is when the last device of a page was seen, and its id: a device that is used
        meanwhile moves to the front, and the others keep their order. All are read, which are few.
        """
        check_limit(limit)
        devices = await self.of_user(user_id)
        if after is not None:
            seen_ms, device_id = after
            devices = [d for d in devices if _place(d) > (-seen_ms, device_id)]
        page = devices[:limit]
        more = len(devices) > limit
        return page, (page[-1].last_seen_ms, page[-1].device_id) if more else None

    async def require(self, user_id: int, device_id: str) -> None:
        """
        Raises:
            NotFound: the user has no such device.
        """
        if await self._devices.get(user_id, device_id, self._clock_ms()) is None:
            raise NotFound("Device not found")

    async def end(self, user_id: int, device_ids: Sequence[str], *, forget: bool = False) -> bool:
        """Log devices out; whether every process was told.

        With `forget` they are no known sources of log-ins any more: somebody else may have them.
        """
        if not device_ids:
            return True
        removals = [self._devices.remove(user_id, device_id) for device_id in device_ids]
        if forget:
            removals += [self.forgotten(user_id, device_id) for device_id in device_ids]
        await self._writer.write(WriteBatch(tuple(removals)))
        return await self.announce_ended(user_id, device_ids)

    @staticmethod
    def forgotten(user_id: int, device_id: str) -> Operation:
        """What makes a device an unknown source of log-ins."""
        return LoginSources.remove(user_id, device_source(device_id))

    async def announce_ended(self, user_id: int, device_ids: Sequence[str]) -> bool:
        """Tell every cache and connection; after the commit, so that none looks up too early."""
        if not device_ids:
            return True
        revoked = [(user_id, device_id) for device_id in device_ids]
        return await self._invalidation.broadcast(Invalidation(devices=revoked))

    async def written(self, operations: tuple[Operation, ...]) -> bool:
        """Write; False if something changed meanwhile, so that it must be read again."""
        try:
            await self._writer.write(WriteBatch(operations))
        except ConditionFailed:
            return False
        return True

    async def active_user(self, user_id: int) -> User:
        """
        Raises:
            DeviceRevoked: there is no such user any more.
            Forbidden: the account is not active.
        """
        user = await self._users.get(user_id)
        if user is None:
            raise DeviceRevoked()
        require_active(user)
        return user

    async def _too_many(self, user_id: int, now_ms: int) -> list[str]:
        """Which devices must go to make room for one more: those idle for longest."""
        devices = await self._devices.of_user(user_id, now_ms, READ_DEVICES)
        devices.sort(key=lambda device: device.last_seen_ms, reverse=True)
        return [device.device_id for device in devices[self._max_devices - 1 :]]


def _place(device: StoredDevice) -> tuple[int, str]:
    return (-device.last_seen_ms, device.device_id)


def sources_of(device: StoredDevice, origin: Origin, now_ms: int) -> tuple[Operation, ...]:
    """What makes the device, and the address it signed in from, known to its account."""
    sources = [device_source(device.device_id)]
    if origin.key:
        sources.append(address_source(origin.key))
    return tuple(LoginSources.add(device.user_id, source, now_ms) for source in sources)


def require_active(user: User) -> None:
    """
    Raises:
        Forbidden: the account is not active.
    """
    if user.status != "active":
        raise Forbidden("This account is not active")
