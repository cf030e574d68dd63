"""Random batches have the outcomes, and leave the state, that a plain model says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    DeleteRange,
    Document,
    Expect,
    Increment,
    Insert,
    Key,
    Operation,
    Put,
    WriteBatch,
    is_within_bounds,
)
from tests.contract.collections import COUNTS, ITEMS, NAMES, NOTES
from tests.contract.conftest import BULK_WRITE_ENGINE, ENGINES, Engine

pytestmark = pytest.mark.parametrize("engine", [*ENGINES, BULK_WRITE_ENGINE], indirect=True)

BY_NAME = {collection.name: collection for collection in (ITEMS, NOTES, NAMES, COUNTS)}
State = dict[tuple[str, Key], Document]

ids = st.integers(0, 3)
names = st.sampled_from(["", "a", "b\x00"])
keys: dict[str, st.SearchStrategy[Any]] = {
    "items": st.tuples(ids),
    "notes": st.tuples(ids),
    "names": st.tuples(names, names),
    "counts": st.tuples(names, ids),
}
numbers = st.none() | st.integers(-2, 2)


@st.composite
def documents(draw: st.DrawFn, collection: str) -> Document:
    declared = BY_NAME[collection]
    document: Document = dict(zip(declared.key, draw(keys[collection]), strict=True))
    for name, type_ in declared.columns.items():
        document[name] = draw(numbers if type_ is int else st.none() | names)
    if declared.body:
        document |= draw(st.dictionaries(st.sampled_from(["x", "y"]), numbers))
    return document


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    name = draw(st.sampled_from(sorted(BY_NAME)))
    collection = BY_NAME[name]
    kind = draw(st.sampled_from(["insert", "put", "delete", "increment", "range", "expect"]))
    if kind == "insert":
        return Insert(name, draw(documents(name)))
    if kind == "put":
        return Put(name, draw(documents(name)))
    key = draw(keys[name])
    if kind == "range" and len(key) > 1:
        return DeleteRange(name, key[:1], draw(st.integers(1, 3)))
    ints = [column for column, type_ in collection.columns.items() if type_ is int]
    if kind == "delete":
        return Delete(name, key)
    if kind == "increment" and not collection.body:
        deltas = draw(st.dictionaries(st.sampled_from(ints), st.integers(-2, 2), min_size=1))
        bounds = st.dictionaries(st.sampled_from(sorted(deltas)), st.integers(-3, 3), max_size=1)
        return Increment(name, key, deltas, draw(bounds), draw(bounds), draw(names))
    columns = draw(st.dictionaries(st.sampled_from(ints), numbers, max_size=1))
    present = draw(st.booleans())
    return Expect(name, key, present, columns if present else {}, draw(names))


batches = st.lists(operations(), min_size=1, max_size=6).map(lambda drawn: WriteBatch(tuple(drawn)))


def key_of(collection: Collection, document: Document) -> Key:
    return tuple(document[name] for name in collection.key)


def apply(state: State, batch: WriteBatch) -> State:
    """The state after `batch`; raises `ConditionFailed`."""
    for operation in batch.operations:
        if isinstance(operation, Expect):
            document = state.get((operation.collection, operation.key))
            holds = (document is not None) == operation.present and all(
                document is not None and document[name] == value
                for name, value in operation.columns.items()
            )
            if not holds:
                raise ConditionFailed(operation.label)
    state = dict(state)
    for operation in batch.operations:
        collection = BY_NAME[operation.collection]
        if isinstance(operation, Insert | Put):
            place = (collection.name, key_of(collection, operation.document))
            if isinstance(operation, Insert) and place in state:
                raise ConditionFailed(collection.name)
            state[place] = operation.document
        elif isinstance(operation, Delete):
            state.pop((collection.name, operation.key), None)
        elif isinstance(operation, DeleteRange):
            width = len(operation.prefix)
            places = sorted(
                place
                for place in state
                if place[0] == collection.name and place[1][:width] == operation.prefix
            )
            for place in places[: operation.limit]:
                del state[place]
        elif isinstance(operation, Increment):
            place = (collection.name, operation.key)
            fresh = {n: 0 if type_ is int else None for n, type_ in collection.columns.items()}
            document = dict(zip(collection.key, operation.key, strict=True)) | fresh
            document |= state.get(place, {})
            if not is_within_bounds(operation, document):
                raise ConditionFailed(operation.label or collection.name)
            for name, delta in operation.deltas.items():
                document[name] = (document[name] or 0) + delta
            state[place] = document
    return state


async def stored(engine: Engine) -> State:
    return {
        (collection.name, key_of(collection, document)): document
        for collection in BY_NAME.values()
        for document in await engine.reader.range(collection, limit=1000)
    }


def by_rank(document: Document) -> tuple[tuple[bool, Any], ...]:
    """The order of the index `by_label` of items; None first."""
    fields = (document["label"], document["score"], document["id"])
    return tuple((value is not None, value or 0 if value is None else value) for value in fields)


@pytest.mark.timeout(300)  # A timeout within it would be shrunk like a failure, for minutes.
@given(st.lists(batches, max_size=12))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_random_batches_do_what_the_model_does(
    engine: Engine, drawn: list[WriteBatch]
) -> None:
    """Same outcome of each batch, same documents, same order in an index."""
    places = list(await stored(engine))
    await engine.store.writer.write(WriteBatch(tuple(Delete(*place) for place in places)))
    state: State = {}
    for batch in drawn:
        try:
            state = apply(state, batch)
            expected = None
        except ConditionFailed as failed:
            expected = failed.label
        try:
            await engine.store.writer.write(batch)
            outcome = None
        except ConditionFailed as failed:
            outcome = failed.label
        assert outcome == expected
    assert await stored(engine) == state
    items = [document for (name, _), document in state.items() if name == "items"]
    ordered = await engine.reader.range(ITEMS, index="by_label", limit=1000)
    assert ordered == sorted(items, key=by_rank)
