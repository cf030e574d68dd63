"""Nodes join, leave, die and are drained; in which order who is told what."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.actors.runtime import ActorSpec, Node
from rookery.cluster.controller import Controller
from rookery.cluster.nodes import wanted
from rookery.compose.actors import Cast
from rookery.config import Config, load
from rookery.domain.placement import ClusterView
from rookery.errors import ActorUnavailable, NotFound, StartupError, Unavailable
from rookery.store.records.cluster import ClusterRepository, Lease
from tests.unit.memory_store import MemoryStore

CONFIG = load(environ={}, overrides={"ray": {"address": "auto"}, "store": {"engine": "mongo"}})
Start = Callable[..., Awaitable[Controller]]
HEAD = Node(id="a" * 8, host="10.0.0.1", cpus=2.0, labels={}, is_head=True)
OTHER = Node(id="b" * 8, host="10.0.0.2", cpus=2.0, labels={})


class FakeActor:
    """Keeps the versions of the views it is told, and notes them in the common journal."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.journal = journal
        self.versions: list[int] = []
        self.is_dead = False

    async def call(self, method: str, /, *args: Any) -> Any:
        if self.is_dead:
            raise ActorUnavailable()
        self.journal.append(f"{method} {self.name}")
        if method == "view_changed":
            self.versions.append(args[0].version)
        return True


class FakeRuntime:
    """A cluster whose nodes the test names."""

    def __init__(self, *nodes: Node) -> None:
        self.alive = list(nodes)
        self.journal: list[str] = []
        self.actors: dict[str, FakeActor] = {}
        self.node_of: dict[str, str | None] = {}
        self.refusal: Exception | None = None
        self.abandoned = False

    async def nodes(self) -> list[Node]:
        return list(self.alive)

    async def start(self, *specs: ActorSpec) -> None:
        if self.refusal is not None:
            raise self.refusal
        for spec in specs:
            assert spec.name not in self.actors
            self.actors[spec.name] = FakeActor(spec.name, self.journal)
            self.node_of[spec.name] = spec.node
            self.journal.append(f"start {spec.name}")

    async def adopt(self) -> dict[str, str]:
        self.abandoned = False
        return {name: self.node_of[name] or HEAD.id for name in self.actors}

    async def end(self, names: Collection[str]) -> None:
        for name in list(names):
            self.actors.pop(name, None)
            self.journal.append(f"end {name}")

    def abandon(self) -> None:
        self.abandoned = True

    def hurry(self) -> None:
        raise NotImplementedError

    def restarts(self) -> dict[str, int]:
        return {}

    async def stop(self) -> list[str]:
        self.actors.clear()
        return []

    def ref(self, name: str) -> FakeActor:
        return self.actors.get(name) or FakeActor(name, self.journal)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody renews a lease between two looks."""
    monkeypatch.setattr("rookery.cluster.lease.LEASE_S", 0.01)
    monkeypatch.setattr("rookery.cluster.lease.RENEW_S", 3600.0)


@pytest_asyncio.fixture
async def started() -> AsyncIterator[Start]:
    """Starts controllers, and lets go of their leases in the end."""
    controllers: list[Controller] = []

    async def start(runtime: FakeRuntime, store: MemoryStore | None = None) -> Controller:
        controller = Controller(CONFIG, runtime, store or MemoryStore(), Cast(CONFIG, 8000))
        controllers.append(controller)
        await controller.start()
        runtime.journal.clear()
        return controller

    yield start
    for controller in controllers:
        await controller.stop()


async def test_a_start_places_everything_on_the_nodes_there_are(started: Start) -> None:
    """Each node has its own; the view that all begin with is in the store."""
    runtime, store = FakeRuntime(HEAD, OTHER), MemoryStore()
    controller = await started(runtime, store)
    assert controller.view.serving.shards == ("TimelineShard-0", "TimelineShard-1")
    assert runtime.node_of["TimelineShard-1"] == runtime.node_of["Gateway-1"] == OTHER.id
    assert runtime.node_of[names.FANOUT_WORKER] == OTHER.id
    assert await ClusterRepository(store.reader).view() == controller.view


async def test_a_node_that_joins_is_delivered_to_before_it_serves(started: Start) -> None:
    """Its shard is first present, then owns users; who delivers has heard of it by then."""
    runtime = FakeRuntime(HEAD)
    controller = await started(runtime)
    worker = runtime.actors[names.FANOUT_WORKER]
    views: list[ClusterView] = []
    controller.published.told = views.append
    runtime.alive.append(OTHER)
    await controller.reconcile()
    assert [view.serving.shards for view in views] == [
        ("TimelineShard-0",),
        ("TimelineShard-0", "TimelineShard-1"),
    ]
    assert views[0].present.shards == ("TimelineShard-0", "TimelineShard-1")
    first = runtime.journal.index
    assert first("start TimelineShard-1") < first("view_changed FanoutWorker")
    assert worker.versions[0] == views[0].version


async def test_who_there_is_one_of_leaves_the_head_when_another_node_serves(
    started: Start,
) -> None:
    """And a node that is drained: what ends with the head cannot be started again without it."""
    runtime = FakeRuntime(HEAD)
    controller = await started(runtime)
    assert runtime.node_of[names.FANOUT_WORKER] == HEAD.id
    runtime.alive.append(OTHER)
    await controller.reconcile()
    assert runtime.node_of[names.FANOUT_WORKER] == OTHER.id
    runtime.journal.clear()
    await controller.reconcile()
    assert runtime.journal == []
    await controller.drain(OTHER.id)
    assert runtime.node_of[names.FANOUT_WORKER] == HEAD.id


async def test_who_there_is_one_of_is_started_until_it_is_there(started: Start) -> None:
    """Also if it refuses at first on the node it is moved to."""
    runtime = FakeRuntime(HEAD, OTHER)
    controller = await started(runtime)
    runtime.refusal = StartupError("no room")
    with pytest.raises(StartupError):
        await controller.drain(OTHER.id)
    assert names.FANOUT_WORKER not in runtime.actors
    runtime.refusal = None
    await controller.reconcile()
    assert runtime.node_of[names.FANOUT_WORKER] == OTHER.id
    assert controller.nodes.placed[OTHER.id].state == "serving"


async def test_nobody_serves_while_who_is_relied_on_has_not_heard(
    monkeypatch: pytest.MonkeyPatch, started: Start
) -> None:
    """A shard that served too early would miss what is delivered to the others."""
    monkeypatch.setattr("rookery.cluster.publishing.RELIED_ON_WITHIN_S", 0.05)
    monkeypatch.setattr("rookery.cluster.publishing.TOLD_WITHIN_S", 0.05)
    runtime = FakeRuntime(HEAD)
    controller = await started(runtime)
    runtime.actors[names.CELEBRITY_LISTS].is_dead = True
    runtime.alive.append(OTHER)
    await controller.reconcile()
    assert controller.view.serving.shards == ("TimelineShard-0",)
    runtime.actors[names.CELEBRITY_LISTS].is_dead = False
    await controller.reconcile()
    assert "TimelineShard-1" in controller.view.serving.shards


async def test_a_node_that_died_is_taken_out_at_once(started: Start) -> None:
    """Its users belong to the others from then on."""
    runtime = FakeRuntime(HEAD, OTHER)
    controller = await started(runtime)
    runtime.alive.remove(OTHER)
    await controller.reconcile()
    assert controller.view.present.shards == controller.view.serving.shards == ("TimelineShard-0",)
    assert "TimelineShard-1" not in runtime.actors
    assert runtime.node_of[names.FANOUT_WORKER] == HEAD.id


async def test_a_new_node_takes_the_numbers_that_are_free(started: Start) -> None:
    """So that the map is what it was before."""
    runtime = FakeRuntime(HEAD, OTHER)
    controller = await started(runtime)
    before = controller.view.serving
    runtime.alive = [HEAD, Node(id="c" * 8, host="10.0.0.3", cpus=2.0, labels={})]
    await controller.reconcile()
    assert controller.view.serving == before
    assert runtime.node_of["TimelineShard-1"] == "c" * 8


async def test_a_drained_node_stops_serving_before_its_actors_end(started: Start) -> None:
    """First nobody is sent there, then its clients leave, then it ends."""
    runtime = FakeRuntime(HEAD, OTHER)
    controller = await started(runtime)
    views: list[ClusterView] = []
    controller.published.told = views.append
    assert await controller.drain("bb") == OTHER.id
    assert views[0].serving.shards == ("TimelineShard-0",)
    assert "TimelineShard-1" in views[0].present.shards
    assert views[1].present.shards == ("TimelineShard-0",)
    first = runtime.journal.index
    assert first("drained Gateway-1") < first("end Gateway-1")
    await controller.reconcile()
    assert "TimelineShard-1" not in runtime.actors
    await controller.undrain("bb")
    await controller.reconcile()
    assert controller.view.serving.shards == ("TimelineShard-0", "TimelineShard-1")


@pytest.mark.parametrize("node_id", ["", "x", "aaaaaaaab"])
async def test_draining_names_the_nodes_there_are(node_id: str, started: Start) -> None:
    """For whoever mistypes one."""
    controller = await started(FakeRuntime(HEAD, OTHER))
    with pytest.raises(NotFound, match="aaaaaaaa, bbbbbbbb"):
        await controller.drain(node_id)


async def test_the_last_node_cannot_be_drained(started: Start) -> None:
    """Nobody would be left to serve."""
    controller = await started(FakeRuntime(HEAD))
    with pytest.raises(StartupError, match="last node"):
        await controller.drain("a")


async def test_a_node_that_refuses_leaves_the_others_alone(started: Start) -> None:
    """A port that is taken there is a matter of that node."""
    runtime = FakeRuntime(HEAD)
    controller = await started(runtime)
    runtime.alive.append(OTHER)
    runtime.refusal = StartupError("port 8001 is in use")
    await controller.reconcile()
    assert list(controller.nodes.placed) == [HEAD.id]


async def test_a_second_controller_is_refused(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them would undo what the other does."""
    monkeypatch.setattr("rookery.cluster.lease.LEASE_S", 0.1)
    monkeypatch.setattr("rookery.cluster.lease.RENEW_S", 0.02)
    store = MemoryStore()
    await started(FakeRuntime(HEAD, OTHER), store)
    with pytest.raises(StartupError, match="another `rookery serve`"):
        await started(FakeRuntime(HEAD, OTHER), store)


async def test_a_controller_that_was_replaced_leaves_everything_alone(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still for so long that the operator started another one."""
    store, runtime = MemoryStore(), FakeRuntime(HEAD, OTHER)
    monkeypatch.setattr("rookery.cluster.lease.RENEW_S", 0.05)
    monkeypatch.setattr("rookery.cluster.controller.LOOK_S", 0.01)
    first = await started(runtime, store)
    following = asyncio.create_task(first.run())
    repository = ClusterRepository(store.reader)
    lease = await repository.lease()
    assert lease is not None
    await repository.renew(store.writer, lease, Lease("another", lease.version + 1))
    await asyncio.wait_for(following, 5.0)
    assert runtime.abandoned
    await first.stop()
    assert (await repository.lease() or lease).holder == "another"


async def test_a_controller_takes_over_what_another_left_behind(started: Start) -> None:
    """Its nodes go on; on what came in its place its share begins anew, as on a new node."""
    store, runtime = MemoryStore(), FakeRuntime(HEAD, OTHER)
    former = (await started(runtime, store)).view
    new = Node(id="c" * 8, host="10.0.0.3", cpus=2.0, labels={})
    for name in [name for name, node in runtime.node_of.items() if node == HEAD.id]:
        del runtime.actors[name]
    runtime.alive = [new, OTHER]
    shard = runtime.actors["TimelineShard-1"]
    second = await started(runtime, store)
    assert second.view.serving.all == ("TimelineShard-1", "Gateway-1", "ConnectionServer-1")
    assert second.view.present == second.view.serving
    assert second.view.version > former.version
    assert runtime.actors["TimelineShard-1"] is shard
    await second.reconcile()
    assert set(second.view.serving.all) == set(former.serving.all)
    assert runtime.node_of["TimelineShard-0"] == new.id


async def test_a_node_that_lost_a_part_begins_anew(started: Start) -> None:
    """What is left of it ends, so that it can join like a new one."""
    store, runtime = MemoryStore(), FakeRuntime(HEAD, OTHER)
    await started(runtime, store)
    del runtime.actors["Gateway-1"]
    shard = runtime.actors["TimelineShard-1"]
    second = await started(runtime, store)
    assert "TimelineShard-1" not in second.view.serving.shards
    await second.reconcile()
    assert second.view.serving.shards == ("TimelineShard-0", "TimelineShard-1")
    assert runtime.actors["TimelineShard-1"] is not shard


async def test_a_view_that_a_standby_has_changed_is_taken_over(started: Start) -> None:
    """The controller stood still, and some actor was taken for dead: its node joins again."""
    store, runtime = MemoryStore(), FakeRuntime(HEAD, OTHER)
    controller = await started(runtime, store)
    view = controller.view
    rest = view.serving.without(["TimelineShard-1"])
    await ClusterRepository(store.reader).replace(store.writer, view, view.after(rest, rest))
    with pytest.raises(Unavailable, match="try again"):
        await controller.drain("b")
    await controller.reconcile()
    assert controller.view.serving.shards == ("TimelineShard-0", "TimelineShard-1")
    assert controller.view.version > view.version + 1
    assert await controller.drain("b") == OTHER.id


@pytest.mark.parametrize(
    ("role", "expected"), [("all", (2, 2, 1)), ("edge", (0, 2, 1)), ("timelines", (2, 0, 0))]
)
def test_labels_say_what_a_node_is_for(role: str, expected: tuple[int, int, int]) -> None:
    """One gateway and one shard for two cores, unless the settings count them."""
    node = Node(id="a", host="10.0.0.1", cpus=4.0, labels={"rookery.io/role": role})
    assert wanted(CONFIG, node) == expected


def test_an_unknown_label_is_named() -> None:
    """With the labels there are."""
    node = Node(id="a" * 8, host="10.0.0.1", cpus=4.0, labels={"rookery.io/role": "egde"})
    with pytest.raises(StartupError, match="egde; known are all, edge, timelines"):
        wanted(Config(), node)
