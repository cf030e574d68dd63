"""What the tests of accounts, tokens and profiles stand on: a store in memory, a clock that only
moves when told to, and passwords that cost next to nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from rookery.ids import Snowflakes
from rookery.models import Identity
from rookery.services.accounts.accounts import Accounts, Session, SignUp
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.passwords import PasswordCost, Passwords
from rookery.services.accounts.profiles import Profiles
from rookery.services.ports import Invalidation
from rookery.services.use_cases import Ground, UseCases
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import CHEAP_SETTINGS, ColdTimelines

START_MS = 1_800_000_000_000
PASSWORD = "correct horse battery"
CHEAP = PasswordCost(time_cost=1, memory_cost_kib=8, parallelism=1)


class Clock:
    """The time in milliseconds since 1970."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


class RecordedInvalidations:
    """An `InvalidationPort` that keeps what it was told, and tells one authenticator."""

    def __init__(self) -> None:
        self.changes: list[Invalidation] = []
        self.authenticator: Authenticator | None = None

    async def broadcast(self, change: Invalidation) -> bool:
        self.changes.append(change)
        if self.authenticator is not None:
            self.authenticator.forget(change.devices)
            self.authenticator.forget((user, device) for user, device, _ in change.sign_ins)
        return True

    @property
    def devices(self) -> list[tuple[int, str]]:
        return [device for change in self.changes for device in change.devices]


class World(UseCases):
    """All services over one store; `invalidations` tells nobody of them unless a test wants it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.invalidations = RecordedInvalidations()
        self.ids = Snowflakes(1, self.clock)
        self.timeline_port = ColdTimelines()
        self._ground = Ground(
            store=self.store,
            shown=self.store,
            timelines=self.timeline_port,
            invalidations=self.invalidations,
            next_id=self.ids.next_id,
            clock_ms=self.clock,
            steady_ms=self.clock,
        )
        super().__init__(self._ground, CHEAP_SETTINGS)

    def profiles_elsewhere(self) -> Profiles:
        """As another process has them."""
        return UseCases(self._ground, CHEAP_SETTINGS).profiles

    def accounts_with(self, passwords: Passwords, max_devices: int = 50) -> Accounts:
        return Accounts(
            self.store,
            self.ids.next_id,
            self.clock,
            self.keys,
            passwords,
            self.invalidations,
            max_devices=max_devices,
        )

    async def sign_up(self, username: str = "ada", key: str | None = None) -> Session:
        return await self.accounts.signup(sign_up_request(username, key))


def sign_up_request(username: str = "ada", key: str | None = None) -> SignUp:
    return SignUp(
        email=f"{username}@example.org",
        username=username,
        password=PASSWORD,
        name=username.title(),
        device_name="Laptop",
        idempotency_key=key,
    )


def identity_of(session: Session) -> Identity:
    user, device = session.user, session.device
    return Identity(user.id, user.username, device.device_id, device.session)


@contextmanager
def cheap_passwords() -> Iterator[Passwords]:
    passwords = Passwords(CHEAP)
    try:
        yield passwords
    finally:
        passwords.close()


@contextmanager
def account_world() -> Iterator[World]:
    made = World()
    try:
        yield made
    finally:
        made.passwords.close()
