"""What every store engine promises of writes and values: see `rookery.store.engine`."""

import asyncio
from typing import Any

import pytest

from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    Document,
    Expect,
    Increment,
    Insert,
    Operation,
    Put,
)
from tests.contract.collections import COUNTS, INTS, ITEMS, LINKS, NAMES, NOTES, TEXTS, item
from tests.contract.conftest import BULK_WRITE_ENGINE, ENGINES, Engine

pytestmark = pytest.mark.parametrize("engine", [*ENGINES, BULK_WRITE_ENGINE], indirect=True)

# Writing


async def test_insert_of_an_existing_key_fails_under_the_collections_name(engine: Engine) -> None:
    """Nobody overwrites by inserting, and the error says where."""
    await engine.write(Insert("items", {"id": 1, "text": "first"}))
    with pytest.raises(ConditionFailed) as failed:
        await engine.write(Insert("items", {"id": 1, "text": "second"}))
    assert failed.value.label == "items"
    assert await engine.reader.get(ITEMS, (1,)) == item(1, text="first")


async def test_put_replaces_all_of_a_document(engine: Engine) -> None:
    """Fields of the former document do not shine through."""
    await engine.write(Put("items", {"id": 1, "owner": 1, "label": "x", "old": 1}))
    await engine.write(Put("items", {"id": 1, "owner": 2, "new": 1}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1, owner=2, new=1)


async def test_put_moves_a_document_in_its_indexes(engine: Engine) -> None:
    """An index never finds the former value."""
    await engine.write(Put("items", {"id": 1, "owner": 1}), Put("items", {"id": 1, "owner": 2}))
    found = [
        await engine.reader.select(ITEMS, ("id",), (owner,), index="by_owner", limit=9)
        for owner in (1, 2)
    ]
    assert found == [[], [(1,)]]


async def test_put_in_a_collection_of_keys_alone(engine: Engine) -> None:
    """Putting what is there already changes nothing."""
    link: Document = {"source": 1, "target": 2, "link_id": None}
    await engine.write(Put("links", link), Put("links", link))
    assert await engine.reader.get(LINKS, (1, 2)) == link


async def test_delete_is_idempotent(engine: Engine) -> None:
    """Deleting what is not there is no error."""
    await engine.write(Insert("items", {"id": 1, "owner": 1}))
    await engine.write(Delete("items", (1,)))
    await engine.write(Delete("items", (1,)))
    assert await engine.reader.get(ITEMS, (1,)) is None
    assert await engine.reader.range(ITEMS, (1,), index="by_owner", limit=1) == []


async def test_increment_starts_from_zeros(engine: Engine) -> None:
    """All int columns of a new document are 0, text is None."""
    await engine.write(Increment("counts", ("w", 1), {"seen": 3}))
    assert await engine.reader.get(COUNTS, ("w", 1)) == {
        "word": "w", "day": 1, "seen": 3, "used": 0, "note": None,
    }  # fmt: skip


async def test_increments_add_up(engine: Engine) -> None:
    """Several columns, up and down, also twice in one batch; the rest stays."""
    await engine.write(Put("counts", {"word": "w", "day": 1, "seen": 5, "note": "n"}))
    up, down = {"seen": 1, "used": 2}, {"seen": -3}
    await engine.write(Increment("counts", ("w", 1), up), Increment("counts", ("w", 1), down))
    assert await engine.reader.get(COUNTS, ("w", 1)) == {
        "word": "w", "day": 1, "seen": 3, "used": 2, "note": "n",
    }  # fmt: skip


@pytest.mark.parametrize(
    "second",
    [
        (Insert("items", {"id": 2}), Insert("items", {"id": 2})),
        (Put("items", {"id": 2}), Insert("items", {"id": 2})),
        (Increment("items", (2,), {"score": 1}),),
    ],
    ids=["inserts", "put and insert", "increment"],
)
async def test_of_two_operations_that_fail_the_first_is_named(
    engine: Engine, second: tuple[Operation, ...]
) -> None:
    """Although only the second one fails by the batch alone."""
    await engine.write(Insert("links", {"source": 1, "target": 1}))
    with pytest.raises(ConditionFailed) as failed:
        await engine.write(Insert("links", {"source": 1, "target": 1}), *second)
    assert failed.value.label == "links"


async def test_increment_in_a_collection_with_body_keeps_the_body(engine: Engine) -> None:
    """Counters may stand beside undeclared fields."""
    await engine.write(Insert("items", {"id": 1, "text": "t"}))
    await engine.write(Increment("items", (1,), {"score": 2}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1, score=2, text="t")


async def test_increment_does_not_make_half_a_document(engine: Engine) -> None:
    """Where documents have a body, a missing one cannot start from zeros."""
    with pytest.raises((ConditionFailed, ValueError)):
        await engine.write(Insert("items", {"id": 2}), Increment("items", (1,), {"score": 2}))
    assert await engine.reader.range(ITEMS, limit=9) == []


async def test_concurrent_increments_are_all_counted(engine: Engine) -> None:
    """No update is lost between callers."""
    one = Increment("counts", ("w", 1), {"seen": 1})
    await asyncio.gather(*(engine.write(one) for _ in range(200)))
    document = await engine.reader.get(COUNTS, ("w", 1))
    assert document is not None and document["seen"] == 200


@pytest.mark.parametrize(
    ("expect", "holds"),
    [
        (Expect("items", (1,), True, label="l"), True),
        (Expect("items", (1,), False, label="l"), False),
        (Expect("items", (2,), True, label="l"), False),
        (Expect("items", (2,), False, label="l"), True),
        (Expect("items", (1,), True, {"owner": 5, "label": "x"}, "l"), True),
        (Expect("items", (1,), True, {"owner": 5, "label": "y"}, "l"), False),
        (Expect("items", (1,), True, {"score": None}, "l"), True),
        (Expect("items", (1,), True, {"score": 0}, "l"), False),
        (Expect("items", (2,), True, {"score": None}, "l"), False),
    ],
)
async def test_expectations(engine: Engine, expect: Expect, holds: bool) -> None:
    """A batch takes effect only where its expectation holds; the error carries the label."""
    await engine.write(Insert("items", {"id": 1, "owner": 5, "label": "x"}))
    if holds:
        await engine.write(expect, Insert("items", {"id": 9}))
    else:
        with pytest.raises(ConditionFailed) as failed:
            await engine.write(expect, Insert("items", {"id": 9}))
        assert failed.value.label == "l"
    assert (await engine.reader.get(ITEMS, (9,)) is not None) == holds


async def test_expectations_see_the_state_before_the_batch(engine: Engine) -> None:
    """An expectation that stands after a change does not see it."""
    await engine.write(Insert("items", {"id": 1}), Expect("items", (1,), False))
    with pytest.raises(ConditionFailed):
        await engine.write(Insert("items", {"id": 2}), Expect("items", (2,), True))
    assert await engine.reader.get(ITEMS, (2,)) is None


async def test_compare_and_swap_lets_one_of_many_win(engine: Engine) -> None:
    """Of concurrent callers with the same expectation exactly one takes effect."""
    await engine.write(Insert("items", {"id": 1, "score": 0}))

    async def swap(caller: int) -> bool:
        try:
            await engine.write(
                Expect("items", (1,), True, {"score": 0}),
                Put("items", {"id": 1, "score": caller}),
            )
        except ConditionFailed:
            return False
        return True

    won = await asyncio.gather(*(swap(caller) for caller in range(1, 30)))
    document = await engine.reader.get(ITEMS, (1,))
    assert won.count(True) == 1
    assert document is not None and document["score"] == won.index(True) + 1


async def test_a_batch_that_fails_in_the_middle_leaves_no_trace(engine: Engine) -> None:
    """Whatever came before the operation that failed is undone."""
    await engine.write(Insert("items", {"id": 1, "owner": 1}), Insert("items", {"id": 2}))
    with pytest.raises(ConditionFailed):
        await engine.write(
            Insert("items", {"id": 3}),
            Put("items", {"id": 1, "owner": 9}),
            Delete("items", (2,)),
            Increment("counts", ("w", 1), {"seen": 1}),
            Insert("items", {"id": 1}),
            Insert("items", {"id": 4}),
        )
    assert await engine.reader.range(ITEMS, limit=9) == [item(1, owner=1), item(2)]
    assert await engine.reader.get(COUNTS, ("w", 1)) is None


async def test_concurrent_batches_each_have_their_own_outcome(engine: Engine) -> None:
    """A batch that fails takes nobody else along."""
    await engine.write(*(Insert("items", {"id": n}) for n in range(0, 60, 3)))
    outcomes = await asyncio.gather(
        *(
            engine.write(Increment("counts", ("w", n), {"seen": 1}), Insert("items", {"id": n}))
            for n in range(60)
        ),
        return_exceptions=True,
    )
    counted = await engine.reader.select(COUNTS, ("day",), ("w",), limit=99)
    assert [outcome is None for outcome in outcomes] == [n % 3 != 0 for n in range(60)]
    assert counted == [(n,) for n in range(60) if n % 3]


@pytest.mark.parametrize(
    "operation",
    [
        Insert("nowhere", {"id": 1}),
        Insert("items", {"owner": 1}),
        Insert("items", {"id": "1"}),
        Insert("items", {"id": None}),
        Insert("items", {"id": 1.0}),
        Insert("items", {"id": 3, "owner": "1"}),
        Insert("items", {"id": 3, "label": 5}),
        Insert("links", {"source": 1, "target": 2, "text": "no body"}),
        Delete("links", (1,)),
        Increment("counts", ("w", 1), {"note": 1}),
        Increment("items", ("1",), {"score": 1}),
        Expect("items", (1,), True, {"text": 1}),
    ],
)
async def test_what_the_declaration_does_not_allow_is_refused(
    engine: Engine, operation: Operation
) -> None:
    """A fault of the caller shows at once, as such, and has no effect."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        await engine.write(Put("items", {"id": 1}), operation)
    assert await engine.reader.get(ITEMS, (1,)) is None


# Values and visibility


@pytest.mark.parametrize(
    "value",
    [
        *TEXTS,
        *INTS,
        2**64 - 1,
        True,
        False,
        None,
        0.0,
        -1.5e300,
        b"",
        b"\x00\xff" * 10,
        [],
        {},
        [1, [2, [None, "\x00"]]],
        {"a": {"b": [True, b"x"]}, "": 0},
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_undeclared_fields_keep_their_value_and_type(engine: Engine, value: Any) -> None:
    """Any JSON-like value comes back as it went in."""
    await engine.write(Put("notes", {"id": 1, "value": value}))
    document = await engine.reader.get(NOTES, (1,))
    assert document is not None
    assert (document["value"], type(document["value"])) == (value, type(value))


@pytest.mark.parametrize("number", INTS)
async def test_int_keys_and_columns_hold_64_bits(engine: Engine, number: int) -> None:
    """The whole range of signed 64-bit numbers, as key and as column."""
    for collection in (NOTES, ITEMS):
        await engine.write(Put(collection.name, {"id": number, "score": number}))
        rows = await engine.reader.select(collection, ("id", "score"), (number,), limit=2)
        assert rows == [(number, number)]
        assert await engine.reader.get(collection, (number,)) is not None


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:20])
async def test_text_keys_and_columns_hold_any_text(engine: Engine, text: str) -> None:
    """Empty text, NUL and everything else is a key like another."""
    await engine.write(
        Put("names", {"scope": text, "name": "n"}),
        Put("names", {"scope": "-", "name": text}),
    )
    assert await engine.reader.get(NAMES, (text, "n")) == {"scope": text, "name": "n", "rank": None}
    assert await engine.reader.get(NAMES, ("-", text)) is not None


async def test_every_reader_sees_a_write_that_returned(engine: Engine) -> None:
    """Also one that has read before."""
    first, second = engine.another_reader(), engine.another_reader()
    try:
        for n in range(20):
            assert await first.get(ITEMS, (n,)) is None
            assert await second.get(ITEMS, (n,)) is None
            await engine.write(Insert("items", {"id": n}))
            assert await first.get(ITEMS, (n,)) == item(n)
            assert await second.range(ITEMS, (n,), limit=1) == [item(n)]
    finally:
        await first.close()
        await second.close()


@pytest.mark.parametrize("collection", [ITEMS, NOTES, LINKS, NAMES])
async def test_an_empty_collection_reads_as_empty(engine: Engine, collection: Collection) -> None:
    """There is nothing to prepare before reading."""
    assert await engine.reader.range(collection, limit=5) == []
