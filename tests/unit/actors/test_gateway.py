"""`rookery.actors.gateway`: when a surface takes clients."""

import asyncio
from collections.abc import Mapping

import pytest

from rookery.actors import gateway, names
from rookery.actors.gateway import Gateway
from rookery.actors.runtime import ActorContext
from rookery.actors.runtime_inline import InlineRuntime
from rookery.cluster.topology import Topology
from rookery.config import Config
from rookery.domain.placement import ClusterView, Members
from rookery.errors import PortTaken
from rookery.messages import Invalidation

NAME = names.gateway(0)
ALONE = Members(gateways=(NAME,))
ABSENT = ClusterView.of(Members())
SERVES = ABSENT.after(ALONE, ALONE)
SOON_S = 1.0


class FakeSurface:
    """Counts the attempts to listen; the first `refusals` of them find the port taken."""

    def __init__(self, refusals: int) -> None:
        self.topology = Topology(ABSENT)
        self.refusals = refusals
        self.listens = asyncio.Event()
        self.drained = asyncio.Event()
        self.attempts = 0

    async def listen(self) -> None:
        self.attempts += 1
        if self.attempts <= self.refusals:
            raise PortTaken("port 8000 is in use")
        self.listens.set()

    async def drain(self) -> None:
        self.drained.set()

    async def stop(self) -> None: ...

    def invalidate(self, change: Invalidation) -> None: ...

    async def reload_keys(self) -> None: ...

    def figures(self) -> Mapping[str, float]:
        return {}


async def started(surface: FakeSurface, view: ClusterView) -> Gateway:
    async def compose(*_: object) -> FakeSurface:
        return surface

    surface.topology.install(view)
    actor = Gateway(ActorContext(NAME, InlineRuntime()), Config(), view, 8000, compose)
    await actor.start()
    return actor


async def test_a_gateway_that_joins_listens_as_soon_as_the_port_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not before it serves; and not only if the first attempt succeeds."""
    monkeypatch.setattr(gateway, "LISTEN_AGAIN_S", 0.01)
    surface = FakeSurface(refusals=2)
    actor = await started(surface, ABSENT)
    await asyncio.sleep(0)
    assert surface.attempts == 0
    await actor.view_changed(SERVES)
    await asyncio.wait_for(surface.listens.wait(), SOON_S)
    assert surface.attempts == 3
    await actor.view_changed(SERVES.after(Members(), ALONE))
    assert await actor.drained()
    assert surface.drained.is_set()
    await actor.stop()


async def test_one_that_serves_from_the_start_says_that_the_port_is_taken() -> None:
    """To whoever starts the server."""
    with pytest.raises(PortTaken, match="8000"):
        await started(FakeSurface(refusals=1), SERVES)
