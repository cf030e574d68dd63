"""The engine protocol: documents in declared collections, and atomic conditional writes.

Interface, and the checks that all implementations make alike; `sqlite/` and `mongo/` implement
it, and `tests/contract` says what every implementation must do. The repositories of this package
are written once, on top of it.

Model:
    A document is a flat mapping of field names to JSON-like values (int, str, bool, float, None,
    bytes, lists and dicts of these). A collection declares its key fields, further *columns*
    (fields that are indexed, projected or incremented) and ordered indexes; what else a document
    holds travels with it unindexed. Keys and columns are int or str (a column may be None).

Guarantees:
    * `write` is atomic, and durable when it returns. Batches take effect one after another.
    * A read sees every write that returned before the read began, in any process.
    * A read is of one moment for one call, not across calls; `select_several` is as several calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

Value: TypeAlias = Any
Document: TypeAlias = dict[str, Value]
Key: TypeAlias = tuple[int | str, ...]
Row: TypeAlias = tuple[Value, ...]

MOST_DELETED = 1000
"""So many documents a `DeleteRange` removes at the most, so that no batch holds up the others."""


@dataclass(frozen=True)
class Collection:
    """The declared shape of one collection.

    `key`: fields that identify a document, in order; also the order of `range`. The first is the
        shard key in a cluster.
    `columns`: further typed fields that may be indexed, projected and incremented.
    `indexes`: name → fields (of key and columns); the key is appended to make it a total order.
    `body`: whether documents may hold fields that are not declared.
    `expires`: the column holding the millisecond (since 1970) after which a document may go.
    """

    name: str
    key: Mapping[str, type]
    columns: Mapping[str, type] = field(default_factory=dict)
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: bool = True
    expires: str | None = None


class Insert(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Add a document; the batch fails with `ConditionFailed` if its key exists."""

    collection: str
    document: Document


class Put(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Add or replace a document."""

    collection: str
    document: Document


class Delete(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Remove a document; no error if there is none."""

    collection: str
    key: Key


class Increment(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Add to int columns.

    A missing document starts from zeros in a collection without body; in one with a body, where
    it could not be whole, the batch fails with `ConditionFailed`. None counts as zero.

    `most`, `least`: bounds of columns among `deltas`. The batch fails with `ConditionFailed` where
    a column would be beyond its bound right after this operation, however many callers add to it
    at the same time. Operations without bounds are not held to those of others.
    `label` names the condition in the error, as that of `Expect` does.
    """

    collection: str
    key: Key
    deltas: dict[str, int]
    most: dict[str, int] = {}
    least: dict[str, int] = {}
    label: str = ""


class DeleteRange(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Remove the first `limit` documents whose leading key fields equal `prefix`, in their order.

    All of them where there are fewer, and no error where there are none: whoever wants a range
    gone writes this again until a read finds nothing there. What other batches add to the range
    meanwhile may stay, as if it had been added afterwards.

    `prefix` has at least one field and not all of them; `limit` is 1 to `MOST_DELETED`.
    """

    collection: str
    prefix: Key
    limit: int


class Expect(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A condition on the state before the batch.

    `present` False: no such document. True: it exists, and each of `columns` has the given value.
    `label` names the condition in the error.
    """

    collection: str
    key: Key
    present: bool
    columns: dict[str, Value] = {}
    label: str = ""


Operation: TypeAlias = Insert | Put | Delete | Increment | DeleteRange | Expect


class WriteBatch(msgspec.Struct, frozen=True, array_like=True):
    """Operations that take effect all together or not at all.

    All `Expect`s are checked before anything is changed, wherever they stand; then the rest runs
    in order.
    """

    operations: tuple[Operation, ...]


class ConditionFailed(Exception):
    """A condition of a batch did not hold; nothing of it took effect.

    `label` is that of the `Expect` or `Increment`; it is the collection's name for an `Increment`
    without a label and for an `Insert` of an existing key.
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)

    @property
    def label(self) -> str:
        return str(self.args[0])


def check_increment(operation: Increment) -> None:
    """Raises `ValueError` where an increment has no numbers, or a bound of nothing it adds to."""
    if not operation.deltas or None in operation.deltas.values():
        raise ValueError(f"{operation.collection}: an increment without a number")
    for bounds in (operation.most, operation.least):
        if not bounds.keys() <= operation.deltas.keys() or None in bounds.values():
            raise ValueError(f"{operation.collection}: a bound of a column that is not added to")


def is_within_bounds(operation: Increment, columns: Mapping[str, Value]) -> bool:
    """Whether an increment keeps to its bounds, of a document that has `columns` before it."""
    sums = {name: (columns.get(name) or 0) + delta for name, delta in operation.deltas.items()}
    return all(sums[name] <= bound for name, bound in operation.most.items()) and all(
        sums[name] >= bound for name, bound in operation.least.items()
    )


def check_limit(operation: DeleteRange) -> None:
    """Raises `ValueError` where a range is to be deleted in too large a step, or in none."""
    if not 1 <= operation.limit <= MOST_DELETED:
        raise ValueError(f"{operation.collection}: a range of 1 to {MOST_DELETED} documents")


def checked_limit(limit: int) -> int:
    """`limit` of a read, if it is one; an engine below might take others for no limit."""
    if limit < 0:
        raise ValueError("a limit is not negative")
    return limit


class Selection(msgspec.Struct, frozen=True):
    """What one `Reader.select_many` reads."""

    collection: Collection
    fields: tuple[str, ...]
    prefixes: Sequence[Key]
    limit: int
    reverse: bool = False
    index: str | None = None
    after: Key | None = None
    before: Key | None = None


class Reader(Protocol):
    """Reads. Raises `StoreUnavailable` where the store cannot answer."""

    async def get(self, collection: Collection, key: Key) -> Document | None:
        """The document with this key."""
        ...

    async def get_many(self, collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        """The documents with these keys, in their order; None where there is none."""
        ...

    async def range(
        self,
        collection: Collection,
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Document]:
        """Documents whose leading key fields (or fields of `index`) equal `prefix`, in order.

        `after` and `before` are exclusive bounds on the fields that follow the prefix, compared
        as tuples. They may give fewer fields than there are; then only these are compared, so
        that `after=(5,)` skips every document that has 5 there. `reverse` is largest first, and
        does not swap the bounds. None sorts first, and is within no bound on its field.
        """
        ...

    async def select(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefix: Key = (),
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Row]:
        """As `range`, but only the given key fields and columns, as tuples; no body is read."""
        ...

    async def select_many(
        self,
        collection: Collection,
        fields: tuple[str, ...],
        prefixes: Sequence[Key],
        *,
        index: str | None = None,
        after: Key | None = None,
        before: Key | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[list[Row]]:
        """One `select` per prefix, all at one moment; `limit` is per prefix."""
        ...

    async def select_several(self, selections: Sequence[Selection]) -> list[list[list[Row]]]:
        """One `select_many` per selection, in one call, which is cheaper than a call for each.

        Each selection is read at one moment, which need not be that of the others.
        """
        ...

    async def close(self) -> None: ...


class Writer(Protocol):
    """Writes. One call may carry batches of many independent callers."""

    async def write(self, batch: WriteBatch) -> None:
        """Make `batch` durable.

        Raises:
            ConditionFailed: nothing took effect.
            StoreUnavailable: disk full, I/O error, …; nothing took effect.
            Unavailable (others): the outcome is unknown.
        """
        ...


class GroupWriter(Writer, Protocol):
    """A `Writer` that one process holds, commits in groups with, and closes."""

    async def close(self) -> None: ...

    def figures(self) -> Mapping[str, float]: ...


class EngineWriter(GroupWriter, Protocol):
    """An engine's own writer, in the process that commits."""

    async def write_many(self, batches: Sequence[WriteBatch]) -> list[Exception | None]:
        """Make batches of independent callers durable; the outcome of each, in their order.

        An outcome is None or what `write` would have raised. Batches take effect in their order.
        """
        ...


class SoleWriter(EngineWriter, Protocol):
    """The writer of an engine that one process writes for all others."""

    async def sweep(self, now_ms: int) -> int:
        """Remove some documents whose time is over by `now_ms`; how many."""
        ...

    @property
    def is_folded(self) -> bool:
        """Since `close`: whether the store's file alone is the whole store."""
        ...


class Store(Protocol):
    """What repositories hold: a reader and a writer of the same data."""

    @property
    def reader(self) -> Reader: ...

    @property
    def writer(self) -> Writer: ...
