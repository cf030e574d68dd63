"""What a group of batches comes to: who fails, and one write for each document touched.

Pure: decides on what was read, and makes what the driver takes; talks to no server. Batches are
carried out in memory, one after another, on the documents that their conditions ask about; what
is then written is the outcome alone. A counter that a hundred batches raise is raised once.

Serializable, although MongoDB's transactions are only snapshots: whatever a batch that takes
effect has looked at is written as well, if only with the number of the batch (`BATCH`). So two
transactions of which one looked at what the other changed always conflict, and one of them is
repeated. Where a document is looked at and is not there, one is inserted and deleted again. Only
what is missing from a range that is deleted is not guarded so, see `DeleteRange`.
"""

import secrets
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from bson import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from rookery.store.engine import (
    ConditionFailed,
    Delete,
    DeleteRange,
    Expect,
    Increment,
    Insert,
    Key,
    Operation,
    Put,
    WriteBatch,
    check_increment,
    check_limit,
    is_within_bounds,
)
from rookery.store.mongo.shapes import BATCH, Shape, Stored, encoded

Place: TypeAlias = tuple[str, Key]
"""Collection and key of a document, there or not."""
Range: TypeAlias = tuple[str, Key]
"""Collection, and the leading key fields of some of its documents."""
Columns: TypeAlias = dict[str, Any]
Write: TypeAlias = InsertOne[Any] | ReplaceOne[Any] | UpdateOne | DeleteOne


@dataclass(frozen=True, slots=True)
class Whole:
    """A document to be stored as it is, checked and encoded."""

    stored: Stored
    raw: RawBSONDocument


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on `place`: a document, an increment, or (neither) its removal."""

    place: Place
    whole: Whole | None = None
    is_insert: bool = False
    increment: Increment | None = None


@dataclass(frozen=True, slots=True)
class RangeStep:
    """The removal of the first `limit` documents of `range`."""

    range: Range
    limit: int


@dataclass(slots=True)
class Plan:
    """One batch, checked; `error` is its outcome once its group is committed."""

    number: int = 0
    checks: list[tuple[Place, Expect]] = field(default_factory=list)
    steps: list[Step | RangeStep] = field(default_factory=list)
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A document in the course of a group.

    `columns`: its key fields and columns now; None: it is not there; `UNKNOWN`: not read.
    `was_there`: before the group; None where that was not read.
    `change`: what is to be written; `KEPT` where it was only looked at.
    `number`: the batch that changed it last, or looked at it.
    """

    columns: Any
    was_there: bool | None
    change: Any
    number: int = 0


UNKNOWN: Any = "unknown"
KEPT: Any = "kept"
REMOVED: Any = "removed"


def plan(shapes: Mapping[str, Shape], batch: WriteBatch) -> Plan:
    """`batch`, checked and encoded.

    Raises:
        ValueError, TypeError: an operation that its collection's declaration does not allow.
    """
    made = Plan(number=secrets.randbits(63))
    for operation in batch.operations:
        shape = shapes.get(operation.collection)
        if shape is None:
            raise ValueError(f"unknown collection {operation.collection!r}")
        if isinstance(operation, Expect):
            for name, value in operation.columns.items():
                shape.checked(name, value)
            made.checks.append(((shape.name, shape.checked_key(operation.key)), operation))
        else:
            made.steps.append(_step(shape, operation, made.number))
    return made


def _step(shape: Shape, operation: Operation, number: int) -> Step | RangeStep:
    if isinstance(operation, Insert | Put):
        whole = _whole(shape.stored(operation.document), number)
        place = (shape.name, shape.key_of(operation.document))
        return Step(place, whole, is_insert=isinstance(operation, Insert))
    if isinstance(operation, Delete):
        return Step((shape.name, shape.checked_key(operation.key)))
    if isinstance(operation, DeleteRange):
        check_limit(operation)
        return RangeStep((shape.name, shape.checked_prefix(operation.prefix)), operation.limit)
    assert isinstance(operation, Increment)
    return _increment(shape, operation)


def _increment(shape: Shape, operation: Increment) -> Step:
    check_increment(operation)
    for name, delta in operation.deltas.items():
        if shape.collection.columns.get(name) is not int or name == shape.collection.expires:
            raise ValueError(f"{shape.name} has no int column {name!r} that can be incremented")
        if not -(2**63) <= shape.checked(name, delta) < 2**63:
            raise ValueError(f"{shape.name}.{name}: an increment beyond 64 bits")
    return Step((shape.name, shape.checked_key(operation.key)), increment=operation)


def _whole(stored: Stored, number: int) -> Whole:
    stored[BATCH] = Int64(number)
    return Whole(stored, RawBSONDocument(encoded(stored)))


def places_to_read(
    shapes: Mapping[str, Shape], plans: Iterable[Plan], *, inserts: bool
) -> set[Place]:
    """The documents whose state decides who fails.

    An `Insert` counts on there being none, and is refused by the server otherwise. Its place is
    read as well where other operations of the group go to the same one, where `inserts`, and where
    its batch may fail of something else that is read: of two that fail, the first one is named.
    """
    wanted: set[Place] = set()
    touched: set[Place] = set()
    inserted: set[Place] = set()
    contended: set[Place] = set()
    for made in plans:
        wanted.update(place for place, _ in made.checks)
        for step in made.steps:
            if isinstance(step, RangeStep):
                continue
            if step.place in inserted or (step.is_insert and step.place in touched):
                contended.add(step.place)
            if _may_fail(shapes, step):
                wanted.add(step.place)
            touched.add(step.place)
            if step.is_insert:
                inserted.add(step.place)
    wanted |= inserted if inserts else contended
    for made in plans:
        steps = [step for step in made.steps if isinstance(step, Step)]
        added = {step.place for step in steps if step.is_insert}
        absent = {place for place, expect in made.checks if not expect.present}
        may_exist = added & wanted - (absent - contended)
        if may_exist or any(_may_fail(shapes, step) for step in steps):
            wanted |= added
    return wanted


def _may_fail(shapes: Mapping[str, Shape], step: Step) -> bool:
    """Whether it is an increment that what is there may forbid."""
    added = step.increment
    return added is not None and bool(
        shapes[step.place[0]].collection.body or added.most or added.least
    )


def ranges_to_read(plans: Iterable[Plan]) -> dict[Range, int]:
    """The ranges that are deleted, and how many of the first keys of each have to be known.

    That is so many that enough are left where other steps of the group remove some of them.
    """
    removed: Counter[str] = Counter()
    ranges: set[Range] = set()
    for step in (step for made in plans for step in made.steps):
        if isinstance(step, RangeStep):
            ranges.add(step.range)
            removed[step.range[0]] += step.limit
        elif step.whole is None and step.increment is None:
            removed[step.place[0]] += 1
    return {each: removed[each[0]] for each in ranges}


def carry_out(
    shapes: Mapping[str, Shape],
    plans: Sequence[Plan],
    found: Mapping[Place, Columns | None],
    ranges: Mapping[Range, Sequence[Key]] = MappingProxyType({}),
) -> dict[Place, State]:
    """The batches' outcomes, noted in them, and what is to be written.

    `found` has all of `places_to_read`, and `ranges` the first keys of all of `ranges_to_read`.
    """
    states: dict[Place, State] = {}

    def state_of(place: Place) -> State:
        if (state := states.get(place)) is not None:
            return state
        if place in found:
            return State(found[place], found[place] is not None, KEPT)
        return State(UNKNOWN, None, KEPT)

    for made in plans:
        changed: dict[Place, State] = {}
        try:
            for place, expect in made.checks:
                state = state_of(place)
                if not _holds(expect, state.columns):
                    raise ConditionFailed(expect.label)
                changed[place] = replace(state, number=made.number)
            for step in made.steps:
                if isinstance(step, RangeStep):
                    now = ChainMap(changed, states)
                    changed |= _without(step, ranges[step.range], now, made.number)
                    continue
                state = changed.get(step.place) or state_of(step.place)
                shape = shapes[step.place[0]]
                changed[step.place] = _changed(shape, step, state, made.number)
        except (ConditionFailed, ValueError) as error:
            made.error = error
        else:
            made.error = None
            states |= changed
    return states


def _without(
    step: RangeStep, keys: Sequence[Key], now: Mapping[Place, State], number: int
) -> dict[Place, State]:
    """The first documents of a range, removed.

    `keys` are the first that were there before the group; `now` is what the group has touched.
    """
    name, prefix = step.range
    there = {(name, key) for key in keys}
    for place, state in now.items():
        if place[0] == name and place[1][: len(prefix)] == prefix:
            if state.columns is None:
                there.discard(place)
            else:
                there.add(place)
    return {
        place: State(None, now[place].was_there if place in now else True, REMOVED, number)
        for place in sorted(there)[: step.limit]
    }


def _holds(expect: Expect, columns: Columns | None) -> bool:
    if columns is None:
        return not expect.present
    return expect.present and all(columns[name] == value for name, value in expect.columns.items())


def _changed(shape: Shape, step: Step, state: State, number: int) -> State:
    """`state` after `step`; raises `ConditionFailed`."""
    if step.whole is not None:
        if step.is_insert:
            if state.columns is not None and state.columns is not UNKNOWN:
                raise ConditionFailed(shape.name)
            was_there: bool | None = bool(state.was_there)  # where not read, it counts on that
        else:
            was_there = state.was_there
        return State(shape.columns(step.whole.stored), was_there, step.whole, number)
    if step.increment is None:
        return State(None, state.was_there, REMOVED, number)
    return _incremented(shape, step.increment, state, number)


def _incremented(shape: Shape, increment: Increment, state: State, number: int) -> State:
    """`state` after `increment`; raises `ConditionFailed`."""
    columns, deltas = state.columns, increment.deltas
    if increment.most or increment.least:  # then the columns are known
        holds = is_within_bounds(increment, columns or {})
    else:
        holds = True
    if not holds or (columns is None and shape.collection.body):
        raise ConditionFailed(increment.label or shape.name)
    if columns is None:
        key = shape.checked_key(increment.key)
        stored = shape.keyed(key) | dict.fromkeys(shape.zeros, Int64(0))
        stored = _added(stored, deltas)
        return State(shape.columns(stored), state.was_there, _whole(stored, number), number)
    if isinstance(state.change, Whole):
        stored = _added(state.change.stored, deltas)
        return State(shape.columns(stored), state.was_there, _whole(stored, number), number)
    sums = dict(state.change) if isinstance(state.change, dict) else {}
    for name, delta in deltas.items():
        sums[name] = sums.get(name, 0) + delta
    if columns is not UNKNOWN:
        columns = columns | {name: (columns[name] or 0) + delta for name, delta in deltas.items()}
    return State(columns, state.was_there, sums, number)


def _added(stored: Stored, deltas: Mapping[str, int]) -> Stored:
    sums = {name: Int64((stored.get(name) or 0) + delta) for name, delta in deltas.items()}
    return stored | sums


def writes(shape: Shape, key: Key, state: State, namespace: str) -> list[Write]:
    """What brings a document to its state at the end of the group."""
    where = shape.filter(key)
    change, number = state.change, Int64(state.number)
    if isinstance(change, Whole):
        if state.was_there is False:
            return [InsertOne(change.raw, namespace=namespace)]
        return [ReplaceOne(where, change.raw, upsert=True, namespace=namespace)]
    if change is REMOVED and state.was_there is not False:
        return [DeleteOne(where, namespace=namespace)]
    if isinstance(change, dict):
        update: Stored = {
            "$inc": {name: Int64(delta) for name, delta in change.items()},
            "$set": {BATCH: number},
        }
        upsert = not shape.collection.body
        if upsert:
            fresh = {name: value for name, value in shape.keyed(key).items() if name not in where}
            fresh |= {name: Int64(0) for name in shape.zeros if name not in change}
            if fresh:
                update["$setOnInsert"] = fresh
        return [UpdateOne(where, update, upsert=upsert, namespace=namespace)]
    if state.columns is None:
        return absence(shape, key, namespace)
    return [UpdateOne(where, {"$set": {BATCH: number}}, namespace=namespace)]


def absence(shape: Shape, key: Key, namespace: str) -> list[Write]:
    """What makes a transaction conflict with every other that brings this document about."""
    return [
        InsertOne(shape.keyed(key), namespace=namespace),
        DeleteOne(shape.filter(key), namespace=namespace),
    ]
