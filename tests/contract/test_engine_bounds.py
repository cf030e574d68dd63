"""What every store engine promises of bounded counters and of ranges deleted in steps."""

import asyncio

import msgspec
import pytest

from rookery.store.engine import (
    MOST_DELETED,
    ConditionFailed,
    Delete,
    DeleteRange,
    Document,
    Expect,
    Increment,
    Insert,
    Operation,
    Put,
)
from tests.contract.collections import COUNTS, ITEMS, LINKS, NAMES
from tests.contract.conftest import BULK_WRITE_ENGINE, ENGINES, Engine

pytestmark = pytest.mark.parametrize("engine", [*ENGINES, BULK_WRITE_ENGINE], indirect=True)

WORD = ("w", 1)


async def counted(engine: Engine) -> Document | None:
    return await engine.reader.get(COUNTS, WORD)


async def seen(engine: Engine) -> int:
    document = await counted(engine)
    assert document is not None
    number: int = document["seen"]
    return number


# Bounded counters


async def test_a_counter_goes_up_to_its_bound_and_no_further(engine: Engine) -> None:
    """The bound itself is allowed; beyond it nothing of the batch takes effect."""
    one = Increment("counts", WORD, {"seen": 1}, most={"seen": 3}, label="full")
    for number in range(3):
        await engine.write(one, Insert("items", {"id": number}))
    with pytest.raises(ConditionFailed) as failed:
        await engine.write(Insert("items", {"id": 3}), one, Insert("items", {"id": 4}))
    assert (failed.value.label, await seen(engine)) == ("full", 3)
    assert await engine.reader.select(ITEMS, ("id",), limit=9) == [(0,), (1,), (2,)]


async def test_a_counter_goes_down_to_its_bound_and_no_further(engine: Engine) -> None:
    """Without a label, the error has the collection's name."""
    down = Increment("counts", WORD, {"seen": -2}, least={"seen": 0})
    await engine.write(Increment("counts", WORD, {"seen": 3}))
    await engine.write(down)
    with pytest.raises(ConditionFailed) as failed:
        await engine.write(down)
    assert (failed.value.label, await seen(engine)) == ("counts", 1)


@pytest.mark.parametrize(
    "increment",
    [
        Increment("counts", WORD, {"seen": 4}, most={"seen": 3}),
        Increment("counts", WORD, {"seen": -1}, least={"seen": 0}),
        Increment("counts", WORD, {"seen": 1, "used": 2}, most={"seen": 9, "used": 1}),
    ],
)
async def test_a_missing_document_is_held_to_the_bounds_too(
    engine: Engine, increment: Increment
) -> None:
    """It counts from zeros, and none is made where that is beyond a bound."""
    with pytest.raises(ConditionFailed):
        await engine.write(increment)
    assert await counted(engine) is None


async def test_a_column_without_a_value_is_held_to_the_bounds_as_zero(engine: Engine) -> None:
    """None is no way around a bound."""
    await engine.write(Put("counts", {"word": "w", "day": 1}))
    await engine.write(Increment("counts", WORD, {"seen": 2}, most={"seen": 2}))
    with pytest.raises(ConditionFailed):
        await engine.write(Increment("counts", WORD, {"used": 2}, most={"used": 1}))
    assert await seen(engine) == 2


async def test_all_bounds_of_an_increment_must_hold(engine: Engine) -> None:
    """And each is compared with its own column."""
    await engine.write(Increment("counts", WORD, {"seen": 5, "used": 1}))
    both = {"seen": 1, "used": -1}
    await engine.write(Increment("counts", WORD, both, most={"seen": 6}, least={"used": 0}))
    for fails in ({"seen": 1, "used": 0}, {"seen": 0, "used": -1}):
        with pytest.raises(ConditionFailed):
            await engine.write(
                Increment("counts", WORD, fails, most={"seen": 6}, least={"used": 0})
            )
    found = await counted(engine)
    assert found is not None
    assert (found["seen"], found["used"]) == (6, 0)


async def test_a_bounded_counter_beside_a_body(engine: Engine) -> None:
    """The body stays; a document that is missing is not made."""
    one = Increment("items", (1,), {"score": 1}, most={"score": 1}, label="full")
    with pytest.raises((ConditionFailed, ValueError)):
        await engine.write(one)
    await engine.write(Insert("items", {"id": 1, "text": "t"}))
    await engine.write(one)
    with pytest.raises(ConditionFailed, match="full"):
        await engine.write(one)
    found = await engine.reader.get(ITEMS, (1,))
    assert found == {"id": 1, "owner": None, "label": None, "score": 1, "text": "t"}


async def test_a_bound_sees_what_the_batch_did_before(engine: Engine) -> None:
    """It is held to at its place in the batch."""
    one = Increment("counts", WORD, {"seen": 1}, most={"seen": 2})
    with pytest.raises(ConditionFailed):
        await engine.write(one, one, one)
    assert await counted(engine) is None
    await engine.write(one, one, Increment("counts", WORD, {"seen": -1}), one)
    assert await seen(engine) == 2


async def test_bounds_at_the_edge_of_64_bits(engine: Engine) -> None:
    """A sum that is compared need not fit itself."""
    most = 2**63 - 1
    with pytest.raises(ConditionFailed):
        await engine.write(
            Put("counts", {"word": "w", "day": 1, "seen": most}),
            Increment("counts", WORD, {"seen": most}, most={"seen": 5}),
        )
    await engine.write(
        Increment("counts", WORD, {"seen": -5}, most={"seen": most}, least={"seen": -most})
    )
    assert await seen(engine) == -5


async def test_of_many_at_once_no_more_than_the_bound_come_through(engine: Engine) -> None:
    """However many callers add at the same time, each with a document of its own."""

    async def add(number: int) -> bool:
        try:
            await engine.write(
                Increment("counts", WORD, {"seen": 1}, most={"seen": 5}),
                Insert("links", {"source": 1, "target": number, "link_id": None}),
            )
        except ConditionFailed:
            return False
        return True

    outcomes = await asyncio.gather(*(add(number) for number in range(40)))
    added = await engine.reader.select(LINKS, ("target",), (1,), limit=99)
    assert (outcomes.count(True), await seen(engine)) == (5, 5)
    assert [number for (number,) in added] == [n for n, done in enumerate(outcomes) if done]


async def test_a_bound_of_what_is_not_added_to_is_refused(engine: Engine) -> None:
    """A fault of the caller, who would believe in it."""
    for bounds in ({"used": 1}, {"seen": None}):
        with pytest.raises(ValueError, match="bound"):
            await engine.write(Increment("counts", WORD, {"seen": 1}, most=bounds))  # type: ignore[arg-type]
    assert await counted(engine) is None


# Ranges deleted in steps


async def fill(engine: Engine) -> None:
    """Links of three sources, ten each, added in no order."""
    targets = [(7 * n) % 10 for n in range(10)]
    await engine.write(
        *(
            Insert("links", {"source": source, "target": target, "link_id": 100 - target})
            for target in targets
            for source in (1, 2, 3)
        )
    )


async def targets(engine: Engine, source: int) -> list[int]:
    rows = await engine.reader.select(LINKS, ("target",), (source,), limit=99)
    return [target for (target,) in rows]


async def test_a_range_goes_in_steps_from_its_beginning(engine: Engine) -> None:
    """Each step takes the first that are left; other prefixes are not touched."""
    await fill(engine)
    left = []
    while found := await targets(engine, 2):
        left.append(found)
        await engine.write(DeleteRange("links", (2,), 4))
    assert left == [list(range(10)), [4, 5, 6, 7, 8, 9], [8, 9]]
    assert await targets(engine, 1) == await targets(engine, 3) == list(range(10))
    assert await engine.reader.select(LINKS, ("target",), (2,), index="by_time", limit=9) == []
    await engine.write(DeleteRange("links", (2,), 4))


async def test_a_range_sees_what_the_batch_did_before(engine: Engine) -> None:
    """What was added goes too, what is gone counts no more, and what comes after stays."""
    await fill(engine)
    early: Document = {"source": 1, "target": -1, "link_id": None}
    await engine.write(
        Insert("links", early),
        Delete("links", (1, 0)),
        DeleteRange("links", (1,), 3),
        DeleteRange("links", (1,), 2),
        Insert("links", {"source": 1, "target": 1, "link_id": 5}),
        Put("links", early),
    )
    assert await targets(engine, 1) == [-1, 1, 5, 6, 7, 8, 9]
    assert await engine.reader.get(LINKS, (1, 1)) == {"source": 1, "target": 1, "link_id": 5}


async def test_steps_of_many_callers_take_each_their_own(engine: Engine) -> None:
    """Batches take effect one after another, also where they are committed together."""
    await fill(engine)
    await asyncio.gather(*(engine.write(DeleteRange("links", (1,), 2)) for _ in range(4)))
    assert await targets(engine, 1) == [8, 9]


async def test_a_batch_that_fails_deletes_no_range(engine: Engine) -> None:
    """As with any other operation."""
    await fill(engine)
    for fails in (Expect("items", (1,), True), Insert("links", {"source": 2, "target": 1})):
        with pytest.raises(ConditionFailed):
            await engine.write(DeleteRange("links", (1,), 5), fails)
    assert await targets(engine, 1) == list(range(10))


async def test_a_range_of_text_keys(engine: Engine) -> None:
    """In the order in which they are read."""
    texts = ["\U0001f426", "é", "a", "", "\x00", "Z"]
    await engine.write(*(Insert("names", {"scope": "s\x00", "name": text}) for text in texts))
    await engine.write(DeleteRange("names", ("s\x00",), 4))
    rows = await engine.reader.select(NAMES, ("name",), ("s\x00",), limit=9)
    assert rows == [("é",), ("\U0001f426",)]


@pytest.mark.parametrize(
    "operation",
    [
        DeleteRange("nowhere", (1,), 1),
        DeleteRange("links", (), 1),
        DeleteRange("links", (1, 2), 1),
        DeleteRange("items", (1,), 1),
        DeleteRange("links", ("1",), 1),
        DeleteRange("links", (1,), 0),
        DeleteRange("links", (1,), MOST_DELETED + 1),
    ],
)
async def test_a_range_without_a_bound_is_refused(engine: Engine, operation: Operation) -> None:
    """Nobody empties a collection, or holds up the others, by mistake."""
    await fill(engine)
    with pytest.raises((ValueError, TypeError, KeyError)):
        await engine.write(Delete("links", (1, 1)), operation)
    assert await targets(engine, 1) == list(range(10))


async def test_operations_of_the_former_release_are_understood(engine: Engine) -> None:
    """They cross processes, of which some may be of another release during an upgrade."""
    former = msgspec.msgpack.encode(["Increment", "counts", ["w", 1], {"seen": 1}])
    read = msgspec.msgpack.decode(former, type=Increment)
    assert read == Increment("counts", WORD, {"seen": 1})
