"""Writers in several processes: MongoDB's transactions alone would let some of this pass."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from rookery import config
from rookery.store.engine import (
    ConditionFailed,
    Delete,
    Expect,
    Increment,
    Insert,
    Put,
    WriteBatch,
)
from rookery.store.mongo import MongoStore, MongoWriter
from tests.contract.collections import COLLECTIONS, COUNTS, ITEMS
from tests.servers.mongo import lost_sockets_collected

ROUNDS = 20
EACH = 60
CANCELLED = 300


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    with lost_sockets_collected():
        yield


@pytest.fixture
async def stores(mongo_database: config.Store) -> AsyncIterator[tuple[MongoStore, MongoStore]]:
    """Two stores on one database, with nothing in common but that."""
    first = await MongoStore.open(mongo_database, COLLECTIONS)
    # Another timeout means another client, as another process has one.
    apart = msgspec.structs.replace(mongo_database, timeout_s=mongo_database.timeout_s + 1)
    second = await MongoStore.open(apart, COLLECTIONS)
    yield first, second
    await first.close()
    await second.close()


async def holds(writer: MongoWriter, *operations: Expect | Put | Insert) -> bool:
    """Whether the conditions of a batch held."""
    try:
        await writer.write(WriteBatch(operations))
    except ConditionFailed:
        return False
    return True


async def test_two_conditions_on_each_others_documents_do_not_both_hold(
    stores: tuple[MongoStore, MongoStore],
) -> None:
    """Write skew: each writes what the other has looked at, and only one may."""
    first, second = stores
    for n in range(ROUNDS):
        left, right = 2 * n, 2 * n + 1
        await first.writer.write(
            WriteBatch(tuple(Insert("items", {"id": id_, "score": 0}) for id_ in (left, right)))
        )
        outcomes = await asyncio.gather(
            *(
                holds(
                    store.writer,
                    Expect("items", (looked_at,), True, {"score": 0}),
                    Put("items", {"id": written, "score": 1}),
                )
                for store, looked_at, written in ((first, left, right), (second, right, left))
            )
        )
        assert sorted(outcomes) == [False, True]


async def test_two_absences_do_not_both_hold(stores: tuple[MongoStore, MongoStore]) -> None:
    """Each brings about the document that the other found missing: only one may."""
    first, second = stores
    for n in range(ROUNDS):
        left, right = 2 * n, 2 * n + 1
        outcomes = await asyncio.gather(
            *(
                holds(
                    store.writer,
                    Expect("items", (missing,), False),
                    Insert("items", {"id": made}),
                )
                for store, missing, made in ((first, left, right), (second, right, left))
            )
        )
        assert sorted(outcomes) == [False, True]
        found = await first.reader.get_many(ITEMS, [(left,), (right,)])
        assert sum(document is not None for document in found) == 1


async def test_one_of_two_inserts_of_a_key_wins(stores: tuple[MongoStore, MongoStore]) -> None:
    """Whoever comes second hears so, and the document is the first one's."""
    for n in range(ROUNDS):
        outcomes = await asyncio.gather(
            *(
                holds(store.writer, Insert("items", {"id": n, "score": number}))
                for number, store in enumerate(stores)
            )
        )
        document = await stores[0].reader.get(ITEMS, (n,))
        assert sorted(outcomes) == [False, True]
        assert document is not None and document["score"] == outcomes.index(True)


async def test_each_batch_of_a_group_has_its_own_outcome(
    stores: tuple[MongoStore, MongoStore],
) -> None:
    """The label is that of the batch's condition; the others of the group take effect."""
    writer, reader = stores[0].writer, stores[1].reader
    await writer.write(WriteBatch((Insert("items", {"id": 1, "score": 0}),)))
    outcomes = await writer.write_many(
        [
            WriteBatch((Expect("items", (1,), True, {"score": 5}, "five"), Delete("items", (1,)))),
            WriteBatch((Insert("items", {"id": 2}), Increment("counts", ("w", 1), {"seen": 1}))),
            WriteBatch((Expect("items", (2,), False, {}, "two"), Put("items", {"id": 3}))),
            WriteBatch((Insert("items", {"id": 1}),)),
            WriteBatch((Delete("items", (7,)), Increment("counts", ("w", 1), {"seen": 1}))),
        ]
    )
    told = [each.label if isinstance(each, ConditionFailed) else each for each in outcomes]
    assert told == ["five", None, "two", "items", None]
    found = await reader.get_many(ITEMS, [(1,), (2,), (3,)])
    assert [document is not None for document in found] == [True, True, False]
    count = await reader.get(COUNTS, ("w", 1))
    assert count is not None and count["seen"] == 2


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("what", ["write", "get", "range"])
async def test_whoever_is_cancelled_stops(what: str, stores: tuple[MongoStore, MongoStore]) -> None:
    """At any moment, also in the one in which the driver has sent something."""
    store = stores[0]

    async def go_on() -> None:
        while True:
            if what == "write":
                await store.writer.write(WriteBatch((Put("items", {"id": 1}),)))
            elif what == "get":
                await store.reader.get(ITEMS, (1,))
            else:
                await store.reader.range(ITEMS, limit=1)

    chance = random.Random(1)
    for _ in range(CANCELLED):
        task = asyncio.create_task(go_on())
        for _ in range(chance.randrange(1, 200)):  # turns of the loop, not time
            await asyncio.sleep(0)
        task.cancel()
        _, still_going = await asyncio.wait([task], timeout=10)
        assert not still_going


async def increment_often(settings: config.Store) -> None:
    """Raise one counter, and swap another one's value; runs in a process of its own."""
    store = await MongoStore.open(settings, COLLECTIONS)

    async def raise_both() -> None:
        await store.writer.write(WriteBatch((Increment("counts", ("w", 1), {"seen": 1}),)))
        while True:
            document = await store.reader.get(ITEMS, (1,))
            assert document is not None
            score = document["score"]
            if await holds(
                store.writer,
                Expect("items", (1,), True, {"score": score}),
                Put("items", {"id": 1, "score": score + 1}),
            ):
                return

    for _ in range(EACH):
        await raise_both()
    await store.close()


def start_processes(settings: config.Store) -> list[subprocess.Popen[bytes]]:
    """Three that run `increment_often`."""
    program = (
        "import asyncio, sys, msgspec\n"
        "from rookery import config\n"
        "from tests.contract.test_mongo_concurrency import increment_often\n"
        "settings = msgspec.json.decode(sys.argv[1], type=config.Store)\n"
        "asyncio.run(increment_often(settings))\n"
    )
    argument = msgspec.json.encode(settings).decode()
    return [
        subprocess.Popen(
            [sys.executable, "-c", program, argument],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]


async def test_processes_lose_no_update(mongo_database: config.Store) -> None:
    """Increments, and swaps by read and condition, of three processes all count."""
    store = await MongoStore.open(mongo_database, COLLECTIONS)
    await store.writer.write(WriteBatch((Insert("items", {"id": 1, "score": 0}),)))
    processes = start_processes(mongo_database)
    ended = [await asyncio.to_thread(process.wait, 50) for process in processes]
    count = await store.reader.get(COUNTS, ("w", 1))
    item = await store.reader.get(ITEMS, (1,))
    await store.close()
    assert ended == [0, 0, 0]
    assert count is not None and count["seen"] == 3 * EACH
    assert item is not None and item["score"] == 3 * EACH
