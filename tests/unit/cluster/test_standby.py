"""`rookery.cluster.standby`: who is taken out when there is no controller, and who is not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.actors.runtime import ActorContext
from rookery.cluster.standby import Standby
from rookery.cluster.topology import Topology
from rookery.domain.placement import ClusterView, Members
from rookery.errors import ActorUnavailable, StoreUnavailable
from rookery.store.records.cluster import ClusterRepository, Lease
from tests.unit.memory_store import MemoryStore

MEMBERS = Members(
    shards=("TimelineShard-0", "TimelineShard-1", "TimelineShard-2"),
    gateways=("Gateway-0", "Gateway-1"),
)
VIEW = ClusterView.of(MEMBERS)
EVERYBODY = (names.CONNECTION_MANAGER, *names.RELIED_ON, *MEMBERS.all)
ACT_AFTER_S = 0.05


class Store(MemoryStore):
    """One that counts as a `GroupWriter`, too."""

    def figures(self) -> Mapping[str, float]:
        return {}


class Cluster:
    """Members that answer until they are dead, and standbys in two of them."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.views: dict[str, ClusterView] = {}
        self.store = Store()
        self.repository = ClusterRepository(self.store.reader)
        self.topologies: dict[str, Topology] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.calls = 0
        self.all_met = asyncio.Event()
        """Set when each standby has called everybody."""

    def ref(self, name: str) -> "Member":
        return Member(self, name)

    async def begin(self, lease: Lease | None) -> None:
        await self.repository.replace(self.store.writer, None, VIEW)
        if lease is not None:
            await self.repository.renew(self.store.writer, None, lease)
        for name in VIEW.standbys[:2]:
            topology = self.topologies[name] = Topology(VIEW, self.repository.view)
            context = ActorContext(name, self)
            standby = Standby(context, topology, self.store.reader, lambda: self.store)
            self.tasks.append(asyncio.create_task(topology.follow(self)))
            self.tasks.append(asyncio.create_task(standby.run()))
        await self.all_met.wait()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def changed(self) -> None:
        """Wait until somebody has stored another view, and everybody alive was told."""
        async with asyncio.timeout(5.0):
            while self.views.keys() < set(MEMBERS.all) - self.dead:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def serving(self) -> tuple[str, ...]:
        view = await self.repository.view()
        assert view is not None
        return view.serving.all


class Member:
    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self.name = name

    async def call(self, method: str, /, *args: Any) -> Any:
        if self.name in self._cluster.dead:
            raise ActorUnavailable()
        self._cluster.calls += 1
        if self._cluster.calls == 2 * len(EVERYBODY):
            self._cluster.all_met.set()
        if method == "view_changed":
            self._cluster.views[self.name] = args[0]
        return self.name


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {
        "LOOK_S": 0.002,
        "SUSPECT_AFTER_S": 0.01,
        "ACT_AFTER_S": ACT_AFTER_S,
        "DEAD_AFTER_S": 0.02,
        "TURN_S": 0.02,
        "TOLD_WITHIN_S": 0.02,
    }.items():
        monkeypatch.setattr(f"rookery.cluster.standby.{name}", seconds)


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    yield made
    await made.end()


async def test_the_dead_are_taken_out_when_nobody_renews_the_lease(cluster: Cluster) -> None:
    """Everybody else hears of it, and the users have other owners."""
    dead = VIEW.standbys[2]
    await cluster.begin(Lease("head", 1))
    cluster.dead = {dead, "Gateway-1"}
    await cluster.changed()
    assert set(await cluster.serving()) == set(MEMBERS.all) - cluster.dead
    assert cluster.views.keys() >= set(MEMBERS.all) - cluster.dead
    assert (await cluster.repository.view()) == cluster.views["Gateway-0"]
    assert cluster.views["Gateway-0"].version == VIEW.version + 1


async def test_the_next_standby_acts_where_the_first_is_dead(cluster: Cluster) -> None:
    """It waits for its turn."""
    await cluster.begin(Lease("head", 1))
    for task in cluster.tasks[:2]:
        task.cancel()
    cluster.dead = {VIEW.standbys[0]}
    await cluster.changed()
    assert VIEW.standbys[0] not in await cluster.serving()


async def test_nobody_is_taken_out_while_the_lease_is_renewed(cluster: Cluster) -> None:
    """Then that is the controller's affair."""
    lease = Lease("head", 1)
    await cluster.begin(lease)
    cluster.dead = {VIEW.standbys[2]}
    for _ in range(30):
        renewed = Lease("head", lease.version + 1)
        await cluster.repository.renew(cluster.store.writer, lease, renewed)
        lease = renewed
        await asyncio.sleep(0.005)
    assert await cluster.serving() == MEMBERS.all


@pytest.mark.parametrize("lease", [None, Lease("", 7)])
async def test_nobody_is_taken_out_of_a_server_that_stops(
    cluster: Cluster, lease: Lease | None
) -> None:
    """Its controller has given the lease up, or has not taken it yet."""
    await cluster.begin(lease)
    cluster.dead = {VIEW.standbys[2]}
    await asyncio.sleep(3 * ACT_AFTER_S)
    assert await cluster.serving() == MEMBERS.all


async def test_without_the_store_nobody_knows_whether_there_is_a_controller(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that could not be read has not stood still."""
    await cluster.begin(Lease("head", 1))

    async def away(*_: object) -> None:
        raise StoreUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(ClusterRepository, "lease", away)
        cluster.dead = {VIEW.standbys[2]}
        await asyncio.sleep(2 * ACT_AFTER_S)
    await asyncio.sleep(ACT_AFTER_S / 2)
    assert await cluster.serving() == MEMBERS.all


async def test_who_answers_again_is_kept(cluster: Cluster) -> None:
    """An actor that Ray restarts is silent for a moment."""
    await cluster.begin(Lease("head", 1))
    for _ in range(6):
        cluster.dead = {VIEW.standbys[2]}
        await asyncio.sleep(0.01)
        cluster.dead = set()
        await asyncio.sleep(0.01)
    assert await cluster.serving() == MEMBERS.all


async def test_who_was_never_met_is_not_taken_for_dead(cluster: Cluster) -> None:
    """Without Ray's head it cannot be found, whether it is there or not."""
    await cluster.begin(Lease("head", 1))
    newcomer = Members(shards=("TimelineShard-3",))
    cluster.dead = {"TimelineShard-3"}
    view = VIEW.after(MEMBERS, newcomer)
    await cluster.repository.replace(cluster.store.writer, VIEW, view)
    for topology in cluster.topologies.values():
        topology.install(view)
    await asyncio.sleep(3 * ACT_AFTER_S)
    assert await cluster.repository.view() == view


async def test_the_last_gateway_stays(cluster: Cluster) -> None:
    """A view in which nobody serves helps nobody."""
    await cluster.begin(Lease("head", 1))
    cluster.dead = set(MEMBERS.gateways)
    await asyncio.sleep(3 * ACT_AFTER_S)
    assert await cluster.serving() == MEMBERS.all
