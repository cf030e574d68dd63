"""Telling gateways what their caches must forget, and how long that is waited for."""

import asyncio
from typing import Any

import pytest

from rookery.actors import broadcast
from rookery.actors.broadcast import Broadcast
from rookery.actors.runtime import ActorRef
from rookery.cluster.topology import Topology
from rookery.domain.placement import ClusterView, Members
from rookery.messages import Invalidation

VIEW = ClusterView.of(
    Members(
        shards=("TimelineShard-0",),
        gateways=("Gateway-0", "Gateway-1"),
        connection_servers=("ConnectionServer-0",),
    )
)


class Surface:
    """Notes what it is told, and answers when it is `open`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[Invalidation] = []
        self.open = asyncio.Event()

    async def call(self, method: str, /, *args: Any) -> Any:
        assert method == "invalidate"
        await self.open.wait()
        self.told += args[0]


class Directory:
    def __init__(self) -> None:
        self.surfaces = {name: Surface(name) for name in VIEW.present.surfaces}

    def ref(self, name: str) -> ActorRef:
        return self.surfaces[name]


@pytest.fixture
def directory() -> Directory:
    return Directory()


def told_by(directory: Directory, own: str) -> Broadcast:
    return Broadcast(directory, Topology(VIEW), own=own)


async def test_counts_wait_for_the_other_gateways(directory: Directory) -> None:
    """And for nobody else: this one knows already, and sessions are sent new counts."""
    port = told_by(directory, "Gateway-0")
    telling = asyncio.create_task(port.broadcast(Invalidation(counts=[1], viewers=[2])))
    await asyncio.sleep(0)
    assert not telling.done()
    directory.surfaces["Gateway-1"].open.set()
    await telling
    assert directory.surfaces["Gateway-1"].told == [Invalidation(counts=[1], viewers=[2])]
    assert directory.surfaces["Gateway-0"].told == []


async def test_edits_wait_for_everybody(directory: Directory) -> None:
    """This process included."""
    port = told_by(directory, "Gateway-0")
    telling = asyncio.create_task(port.broadcast(Invalidation(tweets=[1])))
    for surface in directory.surfaces.values():
        await asyncio.sleep(0)
        assert not telling.done()
        surface.open.set()
    await telling
    assert all(surface.told for surface in directory.surfaces.values())


async def test_a_gateway_that_does_not_answer_is_not_waited_for_long(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told all the same when it answers at last."""
    monkeypatch.setattr(broadcast, "WAIT_S", 0.01)
    port = told_by(directory, "Gateway-0")
    await port.broadcast(Invalidation(counts=[1]))
    late = directory.surfaces["Gateway-1"]
    assert late.told == []
    late.open.set()
    while not late.told:  # noqa: ASYNC110 - a condition without an event
        await asyncio.sleep(0)
    assert late.told == [Invalidation(counts=[1])]


async def test_a_lone_gateway_waits_for_nobody(directory: Directory) -> None:
    """Its likes cost no call."""
    alone = ClusterView.of(
        Members(shards=("TimelineShard-0",), gateways=("Gateway-0",), connection_servers=())
    )
    await Broadcast(directory, Topology(alone), own="Gateway-0").broadcast(Invalidation(counts=[1]))
    assert directory.surfaces["Gateway-0"].told == []
