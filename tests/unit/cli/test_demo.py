"""The demo's people, and what they say."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rookery.cli import crowd, demo
from rookery.client import Client, Conflict, FollowState, TooManyRequests, Unauthorized
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
    assert not any(topic.endswith("s") and topic != "chess" for topic in crowd.TOPICS)
    assert len(set(crowd.TOPICS)) == len(crowd.TOPICS)


class Person:
    """Somebody on a server that keeps who is private, follows and asks, and what was done to what.

    A tweet's id says who posted it.
    """

    def __init__(self, name: str, done: list[tuple[str, str, str]], private: set[str]) -> None:
        self.name = name
        self.done = done
        self.private = private
        self.approved: list[str] = []

    async def me(self) -> Any:
        return SimpleNamespace(id=self.name)

    async def update_privacy(self, *, is_private: bool) -> None:
        assert is_private
        self.private.add(self.name)

    async def follow(self, name: str) -> FollowState:
        asks = name in self.private
        self.done.append(("asks" if asks else "follows", self.name, name))
        return FollowState(following=not asks, requested=asks)

    async def approve_follow_request(self, name: str) -> None:
        self.approved.append(name)

    async def like(self, tweet_id: str) -> None:
        self.done.append(("likes", self.name, tweet_id))

    async def retweet(self, tweet_id: str, comment: str | None = None) -> Any:
        self.done.append(("retweets" if comment is None else "quotes", self.name, tweet_id))
        return SimpleNamespace(id=self.name)

    async def post(self, text: str, *, reply_to: str | None = None) -> Any:
        self.done.append(("posts" if reply_to is None else "replies", self.name, reply_to or ""))
        return SimpleNamespace(id=self.name)


def people(*names: str) -> tuple[dict[str, Client], list[tuple[str, str, str]]]:
    done: list[tuple[str, str, str]] = []
    private: set[str] = set()
    return {name: cast(Client, Person(name, done, private)) for name in names}, done


@pytest.mark.parametrize("seed", range(5))
async def test_one_is_private_and_lets_only_the_first_follow(seed: int) -> None:
    """Whoever is drawn, at least the second asks, and waits."""
    clients, done = people("ada", "bruno", "chika", "dario")
    asking = await demo.follow_each_other(clients, 1, random.Random(seed), "dario")
    asked = [who for what, who, _ in done if what == "asks"]
    assert {whom for what, _, whom in done if what == "asks"} == {"dario"}
    assert sorted(asked) == sorted(["ada", *asking])
    assert "bruno" in asking
    assert cast(Person, clients["dario"]).approved == ["ada"]
    assert {whom for what, who, whom in done if (what, who) == ("follows", "ada")} == {
        "bruno",
        "chika",
    }


async def test_two_have_no_secrets() -> None:
    """Nobody asks where nobody is private."""
    clients, done = people("ada", "bruno")
    assert await demo.follow_each_other(clients, 1, random.Random(1), None) == []
    assert {what for what, _, _ in done} == {"follows"}


async def test_people_do_everything_but_with_what_is_not_for_all() -> None:
    """The private one posts, replies and retweets as well; nobody acts on that."""
    names = ("ada", "bruno", "chika")
    clients, done = people(*names)
    crowd_of_three = crowd.Crowd(clients, random.Random(1), "chika")
    for number in range(600):
        await crowd_of_three.one(names[number % 3])
    counted = {
        what: sum(each == what for each, _, _ in done)
        for what in ("posts", "replies", "likes", "retweets", "quotes")
    }
    assert min(counted.values()) > 0
    assert counted == {what: getattr(crowd_of_three, what) for what in counted}
    assert {who for _, who, _ in done} == set(names)
    assert {target for what, _, target in done if what != "posts"} == {"ada", "bruno"}
