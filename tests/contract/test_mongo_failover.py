"""A replica set of three members whose primary is lost under load: another one takes over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from secrets import token_hex

import msgspec
import pytest

from rookery import config
from rookery.errors import StoreUnavailable, Unavailable
from rookery.store.engine import Expect, Increment, Insert, Put, Reader, WriteBatch
from rookery.store.mongo import MongoReader, MongoStore
from tests.contract.collections import COLLECTIONS, COUNTS, ITEMS, LINKS
from tests.integration.server.world import until
from tests.servers.mongo import MongoMember, MongoReplicas, lost_sockets_collected, required

CALLERS = 8
MORE = 80
"""Acknowledged batches between two events."""
TIMEOUT_S = 2.0
WITHIN_S = 40.0

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with lost_sockets_collected():
        yield


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoReplicas]:
    """Three members; a test that harms one heals it."""
    required()
    with MongoReplicas(tmp_path_factory.mktemp("replicas")) as made:
        yield made


@pytest.fixture
async def settings(replicas: MongoReplicas) -> config.Store:
    """An empty database."""
    name = f"rookery_test_{token_hex(6)}"
    uri = replicas.uri
    return config.Store(engine="mongo", mongo_uri=uri, mongo_database=name, timeout_s=TIMEOUT_S)


def batch_of(id_: int) -> WriteBatch:
    """Writes to three collections; looks at one document, and at one that is never there."""
    return WriteBatch(
        (
            Expect("items", (-1,), True, {"score": 7}),
            Expect("items", (-2,), False),
            Insert("items", {"id": id_, "text": "x" * 300}),
            Put("links", {"source": id_, "target": 1}),
            Increment("counts", ("w", 1), {"seen": 1}),
        )
    )


class Load:
    """Writes without a pause; sorts the batches by what was answered."""

    def __init__(self, store: MongoStore) -> None:
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()
        self.unknown: set[int] = set()
        self._store = store
        self._next = 0
        self._ends = False

    async def run(self) -> None:
        """Write until `end`."""
        while not self._ends:
            ids = range(self._next, self._next + CALLERS)
            self._next += CALLERS
            outcomes = await self._store.writer.write_many([batch_of(id_) for id_ in ids])
            for id_, outcome in zip(ids, outcomes, strict=True):
                if outcome is None:
                    self.acknowledged.add(id_)
                elif isinstance(outcome, StoreUnavailable):
                    self.refused.add(id_)
                else:
                    assert isinstance(outcome, Unavailable), outcome
                    self.unknown.add(id_)

    def end(self) -> None:
        """Begin no more batches."""
        self._ends = True

    async def more(self) -> None:
        """Return when so many more were acknowledged."""
        goal = len(self.acknowledged) + MORE

        async def reached() -> bool:
            return len(self.acknowledged) >= goal

        await until(reached, within_s=WITHIN_S, what=f"{MORE} more batches")


@asynccontextmanager
async def loaded(settings: config.Store) -> AsyncIterator[Load]:
    """A load that runs meanwhile."""
    store = await MongoStore.open(settings, COLLECTIONS)
    await store.writer.write(WriteBatch((Insert("items", {"id": -1, "score": 7}),)))
    load = Load(store)
    running = asyncio.create_task(load.run())
    try:
        await load.more()
        yield load
    finally:
        load.end()
        await running
        await store.close()


async def check(settings: config.Store, load: Load) -> None:
    """What was acknowledged is there, what was refused is not, and every batch is whole."""
    store = await MongoStore.open(settings, COLLECTIONS)
    items = {id_ for (id_,) in await store.reader.select(ITEMS, ("id",), limit=1_000_000)}
    links = {id_ for (id_,) in await store.reader.select(LINKS, ("source",), limit=1_000_000)}
    count = await store.reader.get(COUNTS, ("w", 1))
    await store.close()
    items.remove(-1)
    assert items == links
    assert count is not None and count["seen"] == len(items)
    assert load.acknowledged <= items
    assert items <= load.acknowledged | load.unknown


async def kill(primary: MongoMember) -> Callable[[], None]:
    """As by a power cut; how to bring it back."""
    await asyncio.to_thread(primary.kill)
    return primary.start


async def pause(primary: MongoMember) -> Callable[[], None]:
    """It answers nobody, and does not know that it is no longer primary when it goes on."""
    primary.pause()
    return primary.resume


async def step_down(primary: MongoMember) -> Callable[[], None]:
    """In order, as an operator does it."""
    command = {"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5}
    await asyncio.to_thread(primary.command, command)
    return lambda: None


@pytest.mark.parametrize("harm", [kill, pause, step_down])
async def test_another_primary_takes_over_and_nothing_is_lost(
    harm: Callable[[MongoMember], Awaitable[Callable[[], None]]],
    replicas: MongoReplicas,
    settings: config.Store,
) -> None:
    """Writes go on after the election; each batch had the outcome that it was told to have."""
    async with loaded(settings) as load:
        former = await asyncio.to_thread(lambda: replicas.primary)
        heal = await harm(former)
        try:
            await load.more()
            assert await asyncio.to_thread(lambda: replicas.primary) is not former
        finally:
            await asyncio.to_thread(heal)
        await load.more()
    await asyncio.to_thread(replicas.settle)
    await check(settings, load)


async def test_without_a_majority_nothing_is_acknowledged(
    replicas: MongoReplicas, settings: config.Store
) -> None:
    """Two of three are away: writes and reads fail in time, and go on when they are back."""
    async with loaded(settings) as load:
        primary = await asyncio.to_thread(lambda: replicas.primary)
        others = [member for member in replicas.members if member is not primary]
        for member in others:
            await asyncio.to_thread(member.kill)
        before = len(load.acknowledged)
        failed = len(load.refused | load.unknown)

        async def fails() -> bool:
            return len(load.refused | load.unknown) > failed

        await until(fails, within_s=WITHIN_S, what="a batch that fails")
        assert len(load.acknowledged) <= before + CALLERS  # an answer that was under way
        for member in others:
            await asyncio.to_thread(member.start)
        await load.more()
    await asyncio.to_thread(replicas.settle)
    await check(settings, load)


async def test_a_primary_that_was_cut_off_confirms_no_write_and_soon_no_read(
    replicas: MongoReplicas, settings: config.Store
) -> None:
    """It wakes in the belief of being primary; its readers see what was written meanwhile."""
    store = await MongoStore.open(settings, COLLECTIONS)
    await store.writer.write(WriteBatch((Insert("items", {"id": 1, "score": 0}),)))
    former = await asyncio.to_thread(lambda: replicas.primary)
    alone = f"mongodb://{former.address}/?directConnection=true"
    cut_off = msgspec.structs.replace(settings, mongo_uri=alone, timeout_s=1.0)
    stale = MongoReader(cut_off, COLLECTIONS)
    assert await stale.get(ITEMS, (1,)) is not None
    former.pause()
    try:
        others = [member for member in replicas.members if member is not former]

        def said() -> bool:
            return any(member.command({"hello": 1})["isWritablePrimary"] for member in others)

        async def elected() -> bool:
            return await asyncio.to_thread(said)

        async def writes() -> bool:
            return await written(store, 1)

        await until(elected, within_s=WITHIN_S, what="another primary")
        await until(writes, within_s=WITHIN_S, what="a write there")
    finally:
        former.resume()

    async def knows() -> bool:
        return await score(stale) != 0

    await until(knows, within_s=WITHIN_S, what="a read that is not of the time before")
    assert await score(stale) in (None, 1)
    await stale.close()
    await asyncio.to_thread(replicas.settle)
    assert await score(store.reader) == 1
    await store.close()


async def written(store: MongoStore, score: int) -> bool:
    """Whether a write was confirmed."""
    try:
        await store.writer.write(WriteBatch((Put("items", {"id": 1, "score": score}),)))
    except Unavailable:
        return False
    return True


async def score(reader: Reader) -> int | None:
    """Of item 1; None where the reader says that it cannot tell."""
    try:
        found = await reader.get(ITEMS, (1,))
    except StoreUnavailable:
        return None
    assert found is not None
    value: int = found["score"]
    return value
