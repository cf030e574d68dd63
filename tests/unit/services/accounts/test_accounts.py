"""Signing up and logging in."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from rookery.errors import (
    BadCredentials,
    Conflict,
    Forbidden,
    IdempotencyMismatch,
    InvalidRequest,
    NotFound,
    Overloaded,
    StoreUnavailable,
)
from rookery.models import User
from rookery.services.accounts.passwords import PasswordCost, Passwords
from rookery.store.engine import WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import DEVICES, EMAILS, IDEMPOTENCY, SIGNING_KEYS, USERNAMES, USERS
from tests.unit.services.account_world import (
    PASSWORD,
    START_MS,
    World,
    account_world,
    identity_of,
    sign_up_request,
)

DAY_S = 86_400


@pytest.fixture
def bare_world() -> Iterator[World]:
    with account_world() as made:
        yield made


@pytest.fixture
async def world(bare_world: World) -> World:
    await bare_world.keys.load()
    return bare_world


async def change_user(world: World, user: User, **changes: object) -> User:
    changed = msgspec.structs.replace(user, version=user.version + 1, **changes)
    await world.store.write(WriteBatch(Users.replace(user, changed)))
    return changed


async def test_sign_up_makes_a_user_with_a_session(world: World) -> None:
    """The session is of the new user, and its access token works."""
    session = await world.sign_up()
    assert (session.user.username, session.user.email) == ("ada", "ada@example.org")
    assert session.user.created_ms == START_MS
    assert session.device.name == "Laptop"
    assert session.device.expires_ms == START_MS + 30 * DAY_S * 1000
    assert session.expires_in_s == 900
    assert await world.authenticator.identify(session.access_token) == identity_of(session)


async def test_sign_up_is_one_batch(world: World) -> None:
    """User, reservations, device and record take effect together."""
    before = len(world.store.batches)
    await world.sign_up(key="k")
    assert len(world.store.batches) == before + 1
    for collection in (USERS, USERNAMES, EMAILS, DEVICES, IDEMPOTENCY):
        assert len(world.store.documents(collection)) == 1


async def test_no_secret_is_stored(world: World) -> None:
    """Neither password nor tokens stand anywhere in the store."""
    session = await world.sign_up(key="k")
    session = await world.accounts.refresh(session.refresh_token)
    stored = repr(
        [
            world.store.documents(collection)
            for collection in (USERS, USERNAMES, EMAILS, DEVICES, IDEMPOTENCY)
        ]
    )
    assert PASSWORD not in stored
    assert session.access_token not in stored
    assert session.refresh_token.rpartition(".")[2] not in stored
    assert world.store.documents(SIGNING_KEYS)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "ADA", "email": "other@example.org"}, "username"),
        ({"username": "bob", "email": "Ada@Example.org"}, "email"),
    ],
)
async def test_taken_names(world: World, change: dict[str, str], field: str) -> None:
    """A username or email that differs only by case is taken, and nothing is hashed for it."""
    await world.sign_up()
    world.accounts = world.accounts_with(_unusable_passwords())
    with pytest.raises(Conflict) as caught:
        await world.accounts.signup(msgspec.structs.replace(sign_up_request(), **change))
    assert caught.value.field == field


def _unusable_passwords() -> Passwords:
    passwords = Passwords()
    passwords.close()
    return passwords


async def test_sign_ups_at_once_with_one_name(world: World) -> None:
    """Of several sign-ups at once one gets the name, and of the others nothing is left."""
    outcomes = await asyncio.gather(*(world.sign_up() for _ in range(4)), return_exceptions=True)
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [conflict.field for conflict in conflicts] == ["username"] * 3
    assert len(world.store.documents(USERS)) == len(world.store.documents(DEVICES)) == 1


async def test_sign_ups_at_once_with_one_email(world: World) -> None:
    """The email is named when the batch finds it taken."""
    requests = [
        msgspec.structs.replace(sign_up_request(name), email="x@example.org")
        for name in ("ada", "bob")
    ]
    outcomes = await asyncio.gather(
        *(world.accounts.signup(request) for request in requests), return_exceptions=True
    )
    (conflict,) = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert conflict.field == "email"
    assert len(world.store.documents(USERNAMES)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("username", "no spaces"), ("email", "none"), ("password", "short"), ("name", "")],
)
async def test_sign_up_refuses_bad_fields(world: World, field: str, value: str) -> None:
    """Each field is checked before anything is done."""
    with pytest.raises(InvalidRequest) as caught:
        await world.accounts.signup(msgspec.structs.replace(sign_up_request(), **{field: value}))
    assert caught.value.field == field
    assert not world.store.documents(USERS)


async def test_sign_up_again_with_the_key(world: World) -> None:
    """The same request with the same key signs the same device in again."""
    first = await world.sign_up(key="k")
    again = await world.sign_up(key="k")
    assert again.user == first.user
    assert again.device.device_id == first.device.device_id
    assert again.refresh_token != first.refresh_token
    assert len(world.store.documents(DEVICES)) == 1
    await world.accounts.refresh(again.refresh_token)


async def test_sign_up_again_after_log_out(world: World) -> None:
    """When the first device is gone, the repetition gets a new one."""
    first = await world.sign_up(key="k")
    await world.accounts.logout(identity_of(first))
    again = await world.sign_up(key="k")
    assert again.device.device_id != first.device.device_id
    assert await world.authenticator.identify(again.access_token) == identity_of(again)


@pytest.mark.parametrize(
    "change", [{"name": "Other"}, {"username": "bob"}, {"password": "another password"}]
)
async def test_another_sign_up_with_the_key(world: World, change: dict[str, str]) -> None:
    """The same key with another request, or another password, is refused."""
    await world.sign_up(key="k")
    request = msgspec.structs.replace(sign_up_request(key="k"), **change)
    with pytest.raises(IdempotencyMismatch):
        await world.accounts.signup(request)
    assert len(world.store.documents(USERS)) == 1


async def test_sign_ups_at_once_with_one_key(world: World) -> None:
    """A client that sent twice at once gets two sessions of one account."""
    sessions = await asyncio.gather(*(world.sign_up(key="k") for _ in range(3)))
    assert len({session.user.id for session in sessions}) == 1
    assert len(world.store.documents(USERS)) == 1


async def test_a_sign_up_that_failed_may_be_repeated(world: World) -> None:
    """After a store failure nothing is left, and the same key works."""

    async def fail(batch: WriteBatch) -> None:
        raise StoreUnavailable()

    world.store.before_write = fail
    with pytest.raises(StoreUnavailable):
        await world.sign_up(key="k")
    world.store.before_write = None
    assert (await world.sign_up(key="k")).user.username == "ada"


@pytest.mark.parametrize("identifier", ["ada", "ADA", "ada@example.org", " Ada@example.org "])
async def test_log_in(world: World, identifier: str) -> None:
    """By username or email in any case; the new device is added to the first."""
    first = await world.sign_up()
    session = await world.accounts.login(identifier, PASSWORD, None, "Phone")
    assert session.user == first.user
    assert session.device.device_id != first.device.device_id
    assert await world.authenticator.identify(session.access_token) == identity_of(session)
    await world.authenticator.identify(first.access_token)


@pytest.mark.parametrize(
    ("identifier", "password"),
    [
        ("ada", "wrong password"),
        ("ada", ""),
        ("ada", "x" * 1025),
        ("ada", "\ud800" * 8),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("", PASSWORD),
        ("ünïcode", PASSWORD),
        ("a" * 10_000, PASSWORD),
    ],
)
async def test_bad_credentials(world: World, identifier: str, password: str) -> None:
    """Whatever is wrong, the error is the same."""
    await world.sign_up()
    with pytest.raises(BadCredentials) as caught:
        await world.accounts.login(identifier, password)
    assert str(caught.value) == str(BadCredentials())


async def test_unknown_users_cost_as_much(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login as nobody, and one without a stored password, verify a hash like any other."""
    session = await world.sign_up()
    await change_user(world, session.user, password_hash=None)
    verified: list[str | None] = []

    async def spy(password_hash: str | None, password: str, key: str, *, is_known: bool) -> bool:
        verified.append(password_hash)
        return False

    monkeypatch.setattr(world.passwords, "verify", spy)
    for identifier in ("ada", "nobody"):
        with pytest.raises(BadCredentials):
            await world.accounts.login(identifier, PASSWORD)
    assert verified == [None, None]


async def test_an_account_without_a_password(world: World) -> None:
    """Nobody logs in to an account that has no password, not even with a matching answer."""
    session = await world.sign_up()
    await change_user(world, session.user, password_hash=None)
    with pytest.raises(BadCredentials):
        await world.accounts.login("ada", PASSWORD)


async def test_an_inactive_account(world: World) -> None:
    """A suspended account is told so, but only with the right password."""
    session = await world.sign_up()
    await change_user(world, session.user, status="suspended")
    with pytest.raises(Forbidden):
        await world.accounts.login("ada", PASSWORD)
    with pytest.raises(BadCredentials):
        await world.accounts.login("ada", "wrong password")
    with pytest.raises(Forbidden):
        await world.accounts.refresh(session.refresh_token)


async def test_log_in_with_a_known_device(world: World) -> None:
    """The device stays the same one and its former refresh token ends."""
    first = await world.sign_up()
    world.clock.advance(60)
    session = await world.accounts.login("ada", PASSWORD, first.device.device_id)
    assert session.device.device_id == first.device.device_id
    assert session.device.name == "Laptop"
    assert session.device.created_ms == first.device.created_ms
    assert session.device.last_seen_ms == first.device.last_seen_ms + 60_000
    assert len(world.store.documents(DEVICES)) == 1
    await world.accounts.refresh(session.refresh_token)


async def test_log_in_with_a_device_of_someone_else(world: World) -> None:
    """A device id that the user does not have is not taken over."""
    other = await world.sign_up("bob")
    await world.sign_up()
    session = await world.accounts.login("ada", PASSWORD, other.device.device_id)
    assert session.device.device_id != other.device.device_id
    await world.accounts.refresh(other.refresh_token)


async def test_too_many_devices(world: World) -> None:
    """A login too many logs out the device that was idle for longest, everywhere."""
    world.accounts = world.accounts_with(world.passwords, max_devices=3)
    sessions = [await world.sign_up()]
    for _ in range(2):
        world.clock.advance(1)
        sessions.append(await world.accounts.login("ada", PASSWORD))
    world.clock.advance(1)
    await world.accounts.refresh(sessions[0].refresh_token)
    await world.accounts.login("ada", PASSWORD)
    idle = (sessions[1].user.id, sessions[1].device.device_id)
    assert world.invalidations.devices == [idle]
    assert len(world.store.documents(DEVICES)) == 3


async def test_log_in_renews_an_old_hash(world: World) -> None:
    """A hash of another cost is replaced at the next login, and still matches."""
    first = await world.sign_up()
    dearer = Passwords(PasswordCost(time_cost=2, memory_cost_kib=8, parallelism=1))
    session = await world.accounts_with(dearer).login("ada", PASSWORD)
    assert session.user.password_hash != first.user.password_hash
    (stored,) = world.store.documents(USERS)
    assert stored["password_hash"] == session.user.password_hash
    assert stored["version"] == 2
    again = await world.accounts_with(dearer).login("ada", PASSWORD)
    assert again.user == session.user
    dearer.close()


async def test_overload_begins_nothing(world: World) -> None:
    """With no place to hash, sign-up and login are refused and nothing is written."""
    await world.sign_up()
    full = Passwords(PasswordCost(1, 8, 1), threads=1, max_waiting=-1)
    accounts = world.accounts_with(full)
    before = len(world.store.batches)
    with pytest.raises(Overloaded):
        await accounts.login("ada", PASSWORD)
    with pytest.raises(Overloaded):
        await accounts.signup(sign_up_request("bob"))
    assert len(world.store.batches) == before
    full.close()


async def test_issue_for(world: World) -> None:
    """An operator gets a session of a user, whatever the password; not of nobody."""
    first = await world.sign_up()
    session = await world.accounts.issue_for("Ada")
    assert session.user == first.user
    assert await world.authenticator.identify(session.access_token) == identity_of(session)
    with pytest.raises(NotFound):
        await world.accounts.issue_for("nobody")
