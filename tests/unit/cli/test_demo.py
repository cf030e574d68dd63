"""The demo's people, and what they say."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rookery.cli import demo
from rookery.client import Client, Conflict, TooManyRequests, Unauthorized
from rookery.errors import Conflict as Taken


class Accounts:
    """A server's accounts: e-mail addresses by username, with the demo's password or another."""

    def __init__(self, taken: dict[str, str]) -> None:
        self.taken = taken
        self.attempts: list[dict[str, Any]] = []
        self.busy = 0

    async def sign_up(self, *, email: str, username: str, password: str, name: str) -> None:
        if self.busy:
            self.busy -= 1
            raise TooManyRequests(429, "rate_limited", "Too many", retry_after_s=0.001)
        if username in self.taken or email in self.taken.values():
            raise Conflict(409, "conflict", "taken")
        self.taken[username] = email

    async def log_in(self, password: str, **names: str) -> Any:
        self.attempts.append(names)
        for username, email in self.taken.items():
            if email == names["email"]:
                return SimpleNamespace(user=SimpleNamespace(username=username))
        raise Unauthorized(401, "bad_credentials", "Wrong")


async def entered(accounts: Accounts, name: str = "ada") -> str:
    return await demo.enter(cast(Client, accounts), name)


async def test_the_same_people_go_on() -> None:
    """Who was signed up by an earlier demo logs in."""
    accounts = Accounts({})
    assert await entered(accounts) == "ada"
    assert accounts.attempts == []
    assert await entered(accounts) == "ada"


async def test_somebody_of_the_same_name_is_left_alone() -> None:
    """The demo's ada gets a number, and no password is tried on the other's account."""
    accounts = Accounts({"ada": "ada@example.org"})
    assert await entered(accounts) == "ada2"
    assert await entered(accounts) == "ada2"
    assert all(names["email"].endswith("@demo.example") for names in accounts.attempts)
    assert all("username" not in names for names in accounts.attempts)


async def test_several_of_the_same_name() -> None:
    """Numbers go on until one is free."""
    accounts = Accounts({name: f"{name}@example.org" for name in ("ada", "ada2", "ada3")})
    assert await entered(accounts) == "ada4"


async def test_no_name_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the demo says so, and ends."""
    monkeypatch.setattr(demo, "MOST_NUMBERS", 2)
    accounts = Accounts({"ada": "a@example.org", "ada2": "b@example.org"})
    with pytest.raises(Taken, match="ada to ada2 are all taken"):
        await entered(accounts)


async def test_the_servers_limits_are_kept() -> None:
    """Signing up waits as long as it is asked to."""
    accounts = Accounts({})
    accounts.busy = 2
    assert await entered(accounts) == "ada"


def test_what_people_say_is_grammatical() -> None:
    """Every topic can be what something *is*."""
    assert not any(topic.endswith("s") and topic != "chess" for topic in demo.TOPICS)
    assert len(set(demo.TOPICS)) == len(demo.TOPICS)
