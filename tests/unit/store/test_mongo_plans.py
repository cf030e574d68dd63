"""What a group of batches comes to, and what is written for it; no server is needed."""

from collections.abc import Mapping
from typing import Any

import pytest
from bson import Int64
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    Expect,
    Increment,
    Insert,
    Operation,
    Put,
    WriteBatch,
)
from rookery.store.mongo.plans import (
    Place,
    Plan,
    State,
    carry_out,
    places_to_read,
    plan,
    writes,
)
from rookery.store.mongo.shapes import BATCH, shapes

ITEMS = Collection("items", key={"id": int}, columns={"score": int})
COUNTS = Collection("counts", key={"word": str, "day": int}, columns={"seen": int}, body=False)
SHAPES = shapes((ITEMS, COUNTS))
ONE: Place = ("items", (1,))
WORD: Place = ("counts", ("w", 1))


def planned(*operations: Operation) -> Plan:
    return plan(SHAPES, WriteBatch(operations))


def group(
    *batches: Plan, found: Mapping[Place, dict[str, Any] | None] | None = None
) -> dict[Place, State]:
    """The states after a group, having read exactly what it asks for."""
    wanted = places_to_read(SHAPES, batches, inserts=False)
    return carry_out(SHAPES, batches, dict.fromkeys(wanted) | dict(found or {}))


def written(place: Place, states: Mapping[Place, State]) -> list[Any]:
    return list(writes(SHAPES[place[0]], place[1], states[place], "db.c"))


def test_inserts_alone_are_not_read_before() -> None:
    """A new document costs no question to the server, which refuses a second one itself."""
    batch = planned(Insert("items", {"id": 1}), Put("items", {"id": 2}))
    assert places_to_read(SHAPES, [batch], inserts=False) == set()
    assert places_to_read(SHAPES, [batch], inserts=True) == {ONE}


def test_what_decides_an_outcome_is_read() -> None:
    """Conditions, increments of what cannot start from zeros, and inserts that are not alone."""
    batches = [
        planned(Expect("items", (1,), True), Increment("items", (2,), {"score": 1})),
        planned(Insert("items", {"id": 3})),
        planned(Delete("items", (3,)), Increment("counts", ("w", 1), {"seen": 1})),
    ]
    assert places_to_read(SHAPES, batches, inserts=False) == {("items", (n,)) for n in (1, 2, 3)}


@pytest.mark.parametrize(
    "others",
    [
        [planned(Put("items", {"id": 2}))],
        [planned(Delete("items", (2,)))],
        [planned(Expect("items", (2,), False), Put("items", {"id": 3}))],
    ],
)
def test_inserts_beside_one_that_is_read_are_read_too(others: list[Plan]) -> None:
    """Of two that fail the first is named, whichever of the two other batches look at."""
    batch = planned(Insert("items", {"id": 1}), Insert("items", {"id": 2}))
    wanted = places_to_read(SHAPES, [batch, *others], inserts=False)
    assert {ONE, ("items", (2,))} <= wanted


def test_an_insert_of_what_must_not_be_there_costs_no_more_reads() -> None:
    """It cannot fail by itself any more."""
    batch = planned(
        Expect("items", (1,), False), Insert("items", {"id": 1}), Insert("items", {"id": 2})
    )
    assert places_to_read(SHAPES, [batch], inserts=False) == {ONE}


def test_many_increments_become_one_write() -> None:
    """A counter that everybody raises is written once a group."""
    states = group(*(planned(Increment("counts", ("w", 1), {"seen": 1})) for _ in range(100)))
    (write,) = written(WORD, states)
    assert isinstance(write, UpdateOne)
    assert isinstance(write._doc, dict)
    assert write._doc["$inc"] == {"seen": 100}


def test_a_condition_sees_the_batches_before_its_own() -> None:
    """Batches of a group take effect one after another."""
    batches = [
        planned(Expect("items", (1,), False, label="l"), Insert("items", {"id": 1, "score": n}))
        for n in range(3)
    ]
    states = group(*batches)
    assert [made.error is None for made in batches] == [True, False, False]
    assert states[ONE].columns == {"id": 1, "score": 0}


def test_a_batch_that_fails_leaves_no_trace_in_its_group() -> None:
    """Neither of what it would have written, nor of what it has looked at."""
    failing = planned(Put("items", {"id": 2}), Expect("items", (1,), True, label="l"))
    states = group(failing, planned(Put("items", {"id": 3})))
    assert isinstance(failing.error, ConditionFailed)
    assert set(states) == {("items", (3,))}


def test_a_document_that_was_looked_at_is_written() -> None:
    """Otherwise two transactions could each change what the other has read."""
    batch = planned(Expect("items", (1,), True), Put("items", {"id": 2}))
    states = group(batch, found={ONE: {"id": 1, "score": 5}})
    (write,) = written(ONE, states)
    assert isinstance(write, UpdateOne)
    assert write._doc == {"$set": {BATCH: Int64(batch.number)}}


def test_an_absence_that_was_looked_at_is_written() -> None:
    """A document is inserted and deleted again, which collides with whoever inserts it."""
    states = group(planned(Expect("items", (1,), False), Put("items", {"id": 2})))
    insert, delete = written(ONE, states)
    assert isinstance(insert, InsertOne)
    assert isinstance(delete, DeleteOne)


def test_writing_the_same_again_is_a_change() -> None:
    """MongoDB skips, and does not see conflicts of, a replacement that changes nothing."""
    numbers = set()
    for _ in range(2):
        (write,) = written(ONE, group(planned(Put("items", {"id": 1, "score": 1}))))
        assert isinstance(write, ReplaceOne)
        numbers.add(write._doc[BATCH])
    assert len(numbers) == 2


def test_filters_name_the_shard() -> None:
    """The first key field stands beside `_id`, where a router looks for the shard key."""
    (write,) = written(WORD, group(planned(Delete("counts", ("w", 1)))))
    assert write._filter == {"_id": '["w",1]', "word": "w"}


def test_increments_add_to_a_document_of_the_same_group() -> None:
    """What is written is the document as it is in the end."""
    states = group(
        planned(Put("counts", {"word": "w", "day": 1, "seen": 5})),
        planned(Increment("counts", ("w", 1), {"seen": 2})),
    )
    (write,) = written(WORD, states)
    assert isinstance(write, ReplaceOne)
    assert write._doc["seen"] == 7


@pytest.mark.parametrize(
    "operation",
    [
        Insert("items", {"id": 1, "_id": 2}),
        Insert("items", {"id": 1, "$set": 2}),
        Insert("items", {"id": 1, "a.b": 2}),
        Insert("items", {"id": 2**63}),
        Insert("items", {"id": 1, "text": "x" * 2**24}),
        Insert("items", {"id": 1, "text": {"a\x00": 1}}),
        Increment("counts", ("w", 1), {}),
        Increment("counts", ("w", 1), {"seen": 2**63}),
    ],
    ids=lambda operation: repr(operation)[:40],
)
def test_what_mongodb_cannot_hold_is_refused_before_it_is_sent(operation: Operation) -> None:
    """Only the batch at fault fails: no other of its group is ever with it."""
    with pytest.raises(ValueError, match=r"items|counts|hold|document"):
        planned(operation)
