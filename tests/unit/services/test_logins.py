"""Attempts to log in: what counts, for whom, and what is told of it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rookery.config import Limits as LimitSettings
from rookery.errors import (
    BadCredentials,
    DeviceRevoked,
    IdempotencyMismatch,
    Overloaded,
    TooManyRequests,
)
from rookery.security_log import Origin
from rookery.services.accounts.accounts import Accounts
from rookery.services.accounts.passwords import Passwords
from rookery.services.limits import Limits
from rookery.store.engine import WriteBatch
from rookery.store.records.login_sources import MAX_SOURCES, LoginSources
from rookery.store.schema import LOGIN_SOURCES
from tests.unit.services.account_world import (
    CHEAP,
    PASSWORD,
    World,
    account_world,
    identity_of,
    sign_up_request,
)

HOME = Origin("192.0.2.1", "192.0.2.1")
ELSEWHERE = Origin("198.51.100.7", "198.51.100.7")
NEW = Origin("203.0.113.9", "203.0.113.9")
ATTEMPTS = 4


@pytest.fixture
def world() -> Iterator[World]:
    with account_world() as made:
        asyncio.run(made.keys.load())
        yield made


@pytest.fixture
def limits(world: World) -> Limits:
    return Limits(LimitSettings(logins_per_account=ATTEMPTS), world.clock)


async def _guess(world: World, limits: Limits, name: str, **more: Any) -> str:
    """``.`` for a guess that was tried, ``x`` for one that was not."""
    more.setdefault("origin", ELSEWHERE)
    try:
        await world.accounts.login(name, "wrong password", attempts=limits, **more)
    except BadCredentials:
        return "."
    except TooManyRequests:
        return "x"
    raise AssertionError("a wrong password was right")


WIDE = "\uff41\uff44\uff41"
WAYS = ["ada", "ADA", "  Ada ", "\u00a0ada\u2003", "ada@example.org", "Ada@Example.ORG", WIDE]


@pytest.mark.parametrize("way", WAYS)
async def test_attempts_at_one_account_are_one_budget(
    world: World, limits: Limits, way: str
) -> None:
    """However its name or its address is written."""
    await world.accounts.signup(sign_up_request(), HOME)
    for number in range(ATTEMPTS):
        assert await _guess(world, limits, WAYS[number]) == "."
    assert await _guess(world, limits, way) == "x"


async def test_names_of_nobody_have_the_same_budget(world: World, limits: Limits) -> None:
    """So that the limit does not tell who exists."""
    ways = ("bob", "BOB", " bob", "\uff42\uff4f\uff42", "Bob ")
    told = [await _guess(world, limits, way) for way in ways]
    assert told == [*"....x"]


async def test_guesses_of_strangers_do_not_lock_out_a_known_address(
    world: World, limits: Limits
) -> None:
    """Nor a known device, wherever it is; strangers are refused even with the right password."""
    session = await world.accounts.signup(sign_up_request(), HOME)
    while await _guess(world, limits, "ada") == ".":
        pass
    await world.accounts.login("ada", PASSWORD, attempts=limits, origin=HOME)
    device_id = session.device.device_id
    await world.accounts.login("ada", PASSWORD, device_id, attempts=limits, origin=NEW)
    with pytest.raises(TooManyRequests):
        await world.accounts.login("ada", PASSWORD, attempts=limits, origin=ELSEWHERE)


async def test_an_address_is_known_after_a_log_out(world: World, limits: Limits) -> None:
    """And so is the device: what counts is that it once logged in."""
    session = await world.accounts.signup(sign_up_request(), HOME)
    identity = await world.authenticator.identify(session.access_token)
    await world.accounts.logout(identity)
    while await _guess(world, limits, "ada") == ".":
        pass
    await world.accounts.login("ada", PASSWORD, attempts=limits, origin=HOME)
    device_id = session.device.device_id
    await world.accounts.login("ada", PASSWORD, device_id, attempts=limits, origin=NEW)


async def test_who_steals_the_id_of_a_device_has_no_more_guesses(
    world: World, limits: Limits
) -> None:
    """A known device has a budget, too."""
    session = await world.accounts.signup(sign_up_request(), HOME)
    device_id = session.device.device_id
    told = [await _guess(world, limits, "ada", device_id=device_id) for _ in range(ATTEMPTS + 1)]
    assert told == [*"....x"]


async def test_what_was_not_tried_does_not_count(world: World, limits: Limits) -> None:
    """A server without room gives the attempt back."""
    await world.accounts.signup(sign_up_request(), HOME)
    full = Passwords(threads=1, max_waiting=-1)
    accounts = world.accounts_with(full)
    for _ in range(3 * ATTEMPTS):
        with pytest.raises(Overloaded):
            await accounts.login("ada", PASSWORD, attempts=limits, origin=ELSEWHERE)
    full.close()
    await world.accounts.login("ada", PASSWORD, attempts=limits, origin=ELSEWHERE)


async def _guess_by_sign_up(accounts: Accounts, limits: Limits, number: int) -> str:
    """As `_guess`, by a repetition of ada's sign-up, each from an address of its own."""
    request = sign_up_request("ada", "key")
    guess = msgspec.structs.replace(request, password=f"wrong password {number}")
    try:
        await accounts.signup(guess, Origin(f"198.51.100.{number}", str(number)), limits)
    except IdempotencyMismatch:
        return "."
    except TooManyRequests:
        return "x"
    raise AssertionError("a wrong password was right")


async def test_guesses_by_a_repeated_sign_up_are_attempts_at_the_account(
    world: World, limits: Limits
) -> None:
    """Of the one budget of strangers; the owner's address has its own."""
    await world.accounts.signup(sign_up_request("ada", "key"), HOME, limits)
    told = [await _guess_by_sign_up(world.accounts, limits, each) for each in range(ATTEMPTS + 1)]
    assert told == [*"....x"]
    assert await _guess(world, limits, "ada") == "x"
    await world.accounts.signup(sign_up_request("ada", "key"), HOME, limits)


async def test_a_repeated_sign_up_that_was_not_tried_does_not_count(
    world: World, limits: Limits
) -> None:
    """A server without room gives the attempt back."""
    await world.accounts.signup(sign_up_request("ada", "key"), HOME)
    full = Passwords(threads=1, max_waiting=-1)
    accounts = world.accounts_with(full)
    for number in range(3 * ATTEMPTS):
        with pytest.raises(Overloaded):
            await _guess_by_sign_up(accounts, limits, number)
    full.close()
    assert await _guess_by_sign_up(world.accounts, limits, 1) == "."


async def test_a_log_in_reads_as_much_for_nobody(world: World, limits: Limits) -> None:
    """The time that the store takes does not tell who exists."""
    await world.accounts.signup(sign_up_request(), HOME)
    seen = []
    for name in ("ada", "nobody", "ada@example.org", "nobody@example.org"):
        world.store.reads.clear()
        assert await _guess(world, limits, name, device_id="unknown") == "."
        seen.append(dict(world.store.reads))
    assert seen[1:] == seen[:-1]


async def test_a_log_in_ends_the_former_access_token_of_its_device(world: World) -> None:
    """At once, where processes are told, and wherever the device is looked up."""
    first = await world.sign_up()
    world.invalidations.authenticator = world.authenticator
    await world.authenticator.identify(first.access_token)
    session = await world.accounts.login("ada", PASSWORD, first.device.device_id)
    with pytest.raises(DeviceRevoked):
        await world.authenticator.identify(first.access_token)
    identity = await world.authenticator.identify(session.access_token)
    ended = [each for change in world.invalidations.changes for each in change.sign_ins]
    assert ended == [(identity.user_id, identity.device_id, first.device.session)]


@pytest.mark.parametrize("by", ["device", "address"])
async def test_an_owner_does_not_wait_for_strangers(
    world: World, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """From a known device or address it is the next, however many addresses strangers have."""
    session = await world.accounts.signup(sign_up_request(), HOME)
    passwords = Passwords(CHEAP, threads=1)
    accounts = world.accounts_with(passwords)
    order: list[bytes] = []
    gate = threading.Event()

    def verify(expected: str, prepared: bytes) -> bool:
        gate.wait(timeout=10)
        order.append(prepared)
        return prepared == PASSWORD.encode()

    monkeypatch.setattr(passwords, "_verify", verify)
    waiting: list[asyncio.Future[Any]] = []
    for number in range(100):
        origin = Origin(f"198.51.100.{number}", f"198.51.100.{number}")
        waiting.append(asyncio.ensure_future(accounts.login("ada", "wrong", origin=origin)))
    while passwords.waiting < 99:  # noqa: ASYNC110 - the test has a time limit
        await asyncio.sleep(0)
    if by == "device":
        login = accounts.login("ada", PASSWORD, session.device.device_id, origin=NEW)
    else:
        login = accounts.login("ada", PASSWORD, origin=HOME)
    owner = asyncio.ensure_future(login)
    while passwords.waiting < 100:  # noqa: ASYNC110 - the test has a time limit
        await asyncio.sleep(0)
    gate.set()
    assert (await owner).user.id == session.user.id
    await asyncio.gather(*waiting, return_exceptions=True)
    passwords.close()
    assert order.index(PASSWORD.encode()) <= 2


async def _sources(world: World) -> set[str]:
    found = await world.store.reader.range(LOGIN_SOURCES, limit=10_000)
    return {document["source"] for document in found}


async def test_the_known_sources_of_an_account_are_bounded(world: World) -> None:
    """Those that were used last are kept."""
    session = await world.accounts.signup(sign_up_request(), HOME)
    former = [
        LoginSources.add(session.user.id, f"device:{number}", world.clock.now_ms + number)
        for number in range(MAX_SOURCES + 50)
    ]
    await world.store.writer.write(WriteBatch(tuple(former)))
    world.clock.advance(3600)
    last = await world.accounts.login("ada", PASSWORD, origin=NEW)
    found = await _sources(world)
    assert len(found) == MAX_SOURCES
    assert {f"device:{last.device.device_id}", f"address:{NEW.key}", "device:249"} <= found
    assert "device:0" not in found
    assert f"device:{session.device.device_id}" not in found


@pytest.mark.parametrize("how", ["revoked", "all others revoked", "all revoked", "stolen"])
async def test_a_device_that_may_be_another_s_is_not_known(world: World, how: str) -> None:
    """Its id gives no budget of guesses any more."""
    lost = await world.accounts.signup(sign_up_request(), HOME)
    here = identity_of(await world.accounts.login("ada", PASSWORD, origin=HOME))
    if how == "revoked":
        await world.accounts.revoke(here, lost.device.device_id)
    elif how == "stolen":
        await world.accounts.refresh(lost.refresh_token)
        world.clock.advance(60)
        with pytest.raises(DeviceRevoked):
            await world.accounts.refresh(lost.refresh_token)
    else:
        await world.accounts.revoke_all(here, except_current=how == "all others revoked")
    found = await _sources(world)
    assert f"device:{lost.device.device_id}" not in found
    assert (f"device:{here.device_id}" in found) is (how != "all revoked")
