"""Hashing and verifying passwords."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from rookery.errors import Overloaded
from rookery.services.accounts.passwords import PasswordCost, Passwords
from tests.unit.services.account_world import CHEAP, PASSWORD, cheap_passwords


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    with cheap_passwords() as made:
        yield made


class Gate:
    """Holds the work of `Passwords` until opened; counts what has begun."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = 0

    def verify(self, expected: str, prepared: bytes) -> bool:
        self.begun += 1
        return self.open.wait(timeout=10)


async def test_verifies_what_it_hashed(passwords: Passwords) -> None:
    """The right password matches its hash, another does not."""
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, PASSWORD)
    assert not await passwords.verify(stored, PASSWORD + "!")


async def test_composition_does_not_matter(passwords: Passwords) -> None:
    """A password typed with combining characters matches its composed form."""
    stored = await passwords.hash("caf\u00e9 cr\u00e8me")
    assert await passwords.verify(stored, "cafe\u0301 cre\u0300me")


async def test_nobody_costs_a_verification(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hash the library still does a full verification of equal parameters."""
    verified: list[str] = []
    original = PasswordHasher.verify

    def spy(self: PasswordHasher, expected: str | bytes, password: str | bytes) -> bool:
        verified.append(str(expected))
        return original(self, expected, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    stored = await passwords.hash(PASSWORD)
    assert not await passwords.verify(None, PASSWORD)
    assert len(verified) == 1
    assert verified[0].split("$")[:4] == stored.split("$")[:4]
    assert [len(part) for part in verified[0].split("$")] == [
        len(part) for part in stored.split("$")
    ]


async def test_unusable_hash_is_no_match(passwords: Passwords) -> None:
    """A stored value that is no hash lets nobody in."""
    assert not await passwords.verify("not a hash", PASSWORD)


async def test_needs_rehash(passwords: Passwords) -> None:
    """A hash of other parameters is reported, one of the present ones is not."""
    stored = await passwords.hash(PASSWORD)
    assert not passwords.needs_rehash(stored)
    dearer = Passwords(PasswordCost(time_cost=2, memory_cost_kib=8, parallelism=1))
    assert dearer.needs_rehash(stored)
    dearer.close()


async def test_too_many_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the running and the waiting ones a caller is refused at once, and later let in."""
    passwords = Passwords(CHEAP, threads=1, max_waiting=2)
    gate = Gate()
    monkeypatch.setattr(passwords, "_verify", gate.verify)
    waiting = [asyncio.ensure_future(passwords.verify("h", PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.verify("h", PASSWORD)
    gate.open.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert await passwords.verify("h", PASSWORD)
    passwords.close()


async def test_a_caller_who_gives_up_keeps_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that runs on after its caller was cancelled still counts."""
    passwords = Passwords(CHEAP, threads=1, max_waiting=0)
    gate = Gate()
    monkeypatch.setattr(passwords, "_verify", gate.verify)
    given_up = asyncio.ensure_future(passwords.verify("h", PASSWORD))
    async with asyncio.timeout(5):
        while not gate.begun:  # noqa: ASYNC110 - the event is set in a thread
            await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    with pytest.raises(Overloaded):
        await passwords.verify("h", PASSWORD)
    gate.open.set()
    passwords.close()


async def test_little_memory_lowers_the_parallelism() -> None:
    """The least memory that settings allow works with the default parallelism."""
    passwords = Passwords(PasswordCost(time_cost=1, memory_cost_kib=8))
    assert await passwords.verify(await passwords.hash(PASSWORD), PASSWORD)
    passwords.close()


async def test_many_at_once_all_get_their_turn() -> None:
    """However many come at once, within the bounds of memory, none is refused."""
    passwords = Passwords(CHEAP, threads=1)
    stored = await passwords.hash(PASSWORD)
    asked = [passwords.verify(stored, PASSWORD, "192.0.2.1") for _ in range(200)]
    assert all(await asyncio.gather(*asked))
    passwords.close()


async def test_one_address_with_many_passwords_waits_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another address is next, however many of the first were there before."""
    passwords = Passwords(CHEAP, threads=1)
    order: list[bytes] = []
    gate = threading.Event()

    def verify(expected: str, prepared: bytes) -> bool:
        gate.wait(timeout=10)
        order.append(prepared)
        return True

    monkeypatch.setattr(passwords, "_verify", verify)
    many = [asyncio.ensure_future(passwords.verify("h", f"m{n}", "192.0.2.1")) for n in range(34)]
    await asyncio.sleep(0)
    other = asyncio.ensure_future(passwords.verify("h", "other", "192.0.2.2"))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(other, *many)
    assert order.index(b"other") <= 2
    passwords.close()


async def test_waiting_ends_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets no thread in time is refused, and is not hashed for later."""
    passwords = Passwords(CHEAP, threads=1, wait_s=0.01)
    gate = Gate()
    monkeypatch.setattr(passwords, "_verify", gate.verify)
    running = asyncio.ensure_future(passwords.verify("h", PASSWORD))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.verify("h", PASSWORD)
    gate.open.set()
    assert await running
    assert gate.begun == 1
    passwords.close()
