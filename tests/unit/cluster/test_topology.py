"""`rookery.cluster.topology` and how `Shards` finds users that moved."""

import asyncio
from typing import Any

import pytest

from rookery.actors.shards import Shards
from rookery.cluster.topology import Topology
from rookery.domain.placement import ClusterView, Members
from rookery.errors import ActorUnavailable, Moved, StoreUnavailable

ONE = ClusterView.of(Members(shards=("TimelineShard-0",)))
TWO = ONE.after(Members(shards=("TimelineShard-1",)), Members())


class ShardStub:
    """Answers reads as a shard that has the view `view`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.view = ONE
        self.calls: list[str] = []
        self.was_called = asyncio.Event()
        self.is_dead = False

    async def call(self, method: str, /, *args: Any) -> Any:
        self.calls.append(method)
        self.was_called.set()
        if self.is_dead:
            raise ActorUnavailable()
        if method == "read":
            return [
                ([1], 0, False) if self.view.owns(self.name, request[0]) else None
                for request in args[0]
            ]
        if method == "build_and_read":
            raise Moved()
        return [None] * len(args[0])


class Stubs:
    """A directory of shards."""

    def __init__(self) -> None:
        self.by_name = {f"TimelineShard-{n}": ShardStub(f"TimelineShard-{n}") for n in range(2)}

    def ref(self, name: str) -> ShardStub:
        return self.by_name[name]


def test_only_a_newer_view_is_installed() -> None:
    """Views may arrive in any order, and more than once."""
    seen: list[int] = []
    topology = Topology(ONE)
    topology.listen(lambda view: seen.append(view.version))
    assert topology.install(TWO)
    assert not topology.install(TWO)
    assert not topology.install(ONE)
    assert topology.view is TWO
    assert seen == [1, 2]


async def test_looks_at_the_same_time_are_one() -> None:
    """A thousand requests that find their shard gone read the store once."""
    looks = 0

    async def fetch() -> ClusterView:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return TWO

    topology = Topology(ONE, fetch)
    await asyncio.gather(*(topology.refresh() for _ in range(100)))
    assert looks == 1
    assert topology.view is TWO


async def test_a_look_that_fails_is_told_and_may_be_repeated() -> None:
    """The store may be away for a while."""
    answers: list[ClusterView | Exception] = [StoreUnavailable(), TWO]

    async def fetch() -> ClusterView:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    topology = Topology(ONE, fetch)
    with pytest.raises(StoreUnavailable):
        await topology.refresh()
    await topology.refresh()
    assert topology.view is TWO


async def test_a_read_goes_on_at_the_shard_that_has_taken_over() -> None:
    """Who has an old view is told, looks, and asks again."""
    stubs = Stubs()
    for stub in stubs.by_name.values():
        stub.view = TWO

    async def fetch() -> ClusterView:
        return TWO

    shards = Shards(stubs, Topology(ONE, fetch))
    assert (await shards.read(7, 0, 20, 0)).ids == [1]
    assert stubs.by_name["TimelineShard-0"].calls == ["read", "build_and_read"]
    assert stubs.by_name["TimelineShard-1"].calls == ["read"]
    await shards.aclose()


async def test_a_read_waits_for_a_new_owner_that_has_not_heard_of_it_yet() -> None:
    """The caller may know a newer view than the shard."""
    stubs = Stubs()
    new = stubs.by_name["TimelineShard-1"]

    async def fetch() -> ClusterView:
        if new.calls.count("build_and_read") == 2:
            new.view = TWO
        return TWO

    shards = Shards(stubs, Topology(TWO, fetch))
    assert (await shards.read(7, 0, 20, 0)).ids == [1]
    assert new.calls == ["read", "build_and_read"] * 2 + ["read"]
    await shards.aclose()


async def test_where_nobody_comes_or_goes_a_failure_is_told_at_once() -> None:
    """A server on one machine has no other shard to ask."""
    shards = Shards(Stubs(), Topology(TWO))
    with pytest.raises(Moved):
        await shards.read(7, 0, 20, 0)
    await shards.aclose()


async def test_what_waits_for_a_shard_that_is_gone_goes_on_elsewhere() -> None:
    """A call to a dead shard does not last until its deadline once the view is without it."""
    stubs = Stubs()
    old, new = stubs.by_name.values()
    old.is_dead, new.view = True, TWO
    topology = Topology(ONE, lambda: _ready(topology.view))
    shards = Shards(stubs, topology)
    reading = asyncio.create_task(shards.read(7, 0, 20, 0))
    await old.was_called.wait()
    topology.install(TWO)
    async with asyncio.timeout(3):
        assert (await reading).ids == [1]
    await shards.aclose()


async def _ready(view: ClusterView) -> ClusterView:
    return view
