"""A shard's way to the connection servers, over servers that tests hold up."""

import asyncio
from typing import Any

import pytest

from rookery.actors import pushes as pushes_module
from rookery.actors.pushes import Pushes
from rookery.domain.presence import Recipients
from rookery.errors import ActorUnavailable
from rookery.messages import Delivery, Push
from rookery.models import EventKind


class Server:
    """A connection server that takes pushes once it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_answer = asyncio.Event()
        self.is_away = False
        self.got: list[int] = []

    async def call(self, method: str, batch: list[Push]) -> None:
        assert method == "push"
        await self.may_answer.wait()
        if self.is_away:
            raise ActorUnavailable()
        self.got += [each.subject_id for each in batch if each.user_ids]


class Directory:
    """Finds servers by name."""

    def __init__(self) -> None:
        self.servers = {name: Server(name) for name in ("one", "two")}

    def ref(self, name: str) -> Any:
        return self.servers[name]


def push(pushes: Pushes, tweet_id: int, server: str) -> None:
    delivery = Delivery(tweet_id, EventKind.TWEET, tweet_id, 1, record=b"r")
    pushes.push(delivery, Recipients(server, b"12345678", b"12345678"))


async def test_what_waits_is_pushed_when_it_is_settled() -> None:
    """By every server, in order; what comes meanwhile is not waited for."""
    directory = Directory()
    one, two = directory.servers.values()
    pushes = Pushes(directory)
    for tweet_id in (1, 2):
        push(pushes, tweet_id, "one")
        push(pushes, tweet_id, "two")
    settling = asyncio.create_task(pushes.settled())
    one.may_answer.set()
    while one.got != [1, 2]:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not settling.done()
    two.may_answer.set()
    await settling
    assert two.got == [1, 2]
    await pushes.aclose()


async def test_where_nothing_waits_nothing_is_sent() -> None:
    """Nor before the first push."""
    directory = Directory()
    pushes = Pushes(directory)
    await pushes.settled()
    directory.servers["one"].may_answer.set()
    push(pushes, 1, "one")
    await pushes.settled()
    calls = directory.servers["one"].got
    await pushes.settled()
    assert calls == [1]
    assert pushes.pending == 0
    await pushes.aclose()


async def test_a_server_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For longer than `SETTLE_S`; and not at all once it has failed."""
    monkeypatch.setattr(pushes_module, "SETTLE_S", 0.01)
    directory = Directory()
    pushes = Pushes(directory)
    push(pushes, 1, "one")
    await pushes.settled()
    assert directory.servers["one"].got == []
    directory.servers["one"].is_away = True
    directory.servers["one"].may_answer.set()
    await pushes.settled()
    await pushes.aclose()
