"""Compares two stores, collection by collection: counts, a hash of the contents, and what differs.

Both are walked in the order of keys, a batch at a time. Reads only.
"""

from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Collection as Container
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from rookery.errors import StoreUnavailable, Unavailable
from rookery.store.engine import Collection, Document, Key, Reader

BATCH = 2_000
"""Documents read at once."""
EXAMPLES = 3
"""Keys that are named of the documents that differ."""
CLOCKS_MS = 60_000
"""By so much the clock of an engine that removes expired documents may be ahead of ours."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")


@contextmanager
def naming(store: str) -> Iterator[None]:
    """Say in errors of the store which one it is, and why, if the engine knows."""
    try:
        yield
    except Unavailable as error:
        why = f" ({error.__cause__})" if error.__cause__ is not None else ""
        raise StoreUnavailable(
            f"{store}: {error}{why}. Mend that and run the same command again: it goes on where"
            " it stopped"
        ) from error


def key_of(collection: Collection, document: Document) -> Key:
    """The key of a document."""
    return tuple(document[name] for name in collection.key)


@dataclass(frozen=True)
class Side:
    """One of two stores: its name for people, and what reads it."""

    name: str
    reader: Reader

    async def following(
        self, collection: Collection, after: Key | None, limit: int = BATCH
    ) -> list[Document]:
        """The next documents after a key, or the first.

        Raises:
            StoreUnavailable: the store cannot be read; the text names it.
        """
        with naming(self.name):
            return await self.reader.range(collection, after=after, limit=limit)


@dataclass(frozen=True)
class Content:
    """What one store holds of a collection."""

    documents: int
    digest: str


@dataclass(frozen=True)
class Comparison:
    """What two stores hold of one collection, and where they part.

    `missing` documents are only in the source, `foreign` ones only in the target, `changed` ones
    in both and not the same. `examples`: the first keys of each kind.
    """

    collection: str
    source: Content
    target: Content
    missing: int
    foreign: int
    changed: int
    examples: dict[str, list[Key]]

    @property
    def is_same(self) -> bool:
        return self.source == self.target

    @property
    def described(self) -> str:
        """How they differ, for people."""
        parts = []
        for kind, count, text in (
            ("missing", self.missing, "only in FROM"),
            ("foreign", self.foreign, "only in TO"),
            ("changed", self.changed, "not the same"),
        ):
            if count:
                keys = ", ".join("/".join(map(str, key)) for key in self.examples[kind])
                more = ", …" if count > EXAMPLES else ""
                parts.append(f"{count:,} {text} ({keys}{more})")
        counts = f"{self.source.documents:,} documents in FROM, {self.target.documents:,} in TO"
        return "; ".join([counts, *parts])


class _Entry(NamedTuple):
    key: Key
    content: bytes
    expires_ms: int | None


class _Walk:
    """Goes through a collection of one store, and counts and hashes what it passes."""

    def __init__(self, side: Side, collection: Collection, left_out: Container[Key]) -> None:
        self.ahead: deque[_Entry] = deque()
        self._side = side
        self._collection = collection
        self._left_out = left_out
        self._after: Key | None = None
        self._is_at_end = False
        self._documents = 0
        self._hash = blake2b(digest_size=16)

    async def look(self) -> None:
        """See to it that `ahead` is empty only at the end."""
        collection = self._collection
        while not self.ahead and not self._is_at_end:
            documents = await self._side.following(collection, self._after)
            for document in documents:
                self._after = key_of(collection, document)
                if self._after not in self._left_out:
                    expires_ms = document[collection.expires] if collection.expires else None
                    self.ahead.append(_Entry(self._after, _encoder.encode(document), expires_ms))
            self._is_at_end = len(documents) < BATCH

    def take(self, entries: int) -> None:
        """Go past the next entries, which count."""
        self._documents += entries
        self._hash.update(b"".join(self.ahead.popleft().content for _ in range(entries)))

    @property
    def content(self) -> Content:
        """Of all that was taken."""
        return Content(self._documents, self._hash.hexdigest())


@dataclass
class _Differences:
    counts: dict[str, int] = field(
        default_factory=lambda: {"missing": 0, "foreign": 0, "changed": 0}
    )
    examples: dict[str, list[Key]] = field(default_factory=dict)

    def note(self, kind: str, key: Key) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= EXAMPLES:
            self.examples.setdefault(kind, []).append(key)


async def compare(
    collection: Collection,
    source: Side,
    target: Side,
    *,
    clock_ms: Callable[[], int],
    progress: Callable[[int], None],
    left_out: Container[Key] = (),
) -> Comparison:
    """Compare a collection of two stores, except the keys `left_out`.

    A document that one of them lacks is no difference where its time is over: the engines remove
    such documents by themselves. `progress` is told how many documents of the source are done.

    Raises:
        StoreUnavailable: one of them cannot be read; the text names it.
    """
    one, other = _Walk(source, collection, left_out), _Walk(target, collection, left_out)
    differences = _Differences()
    while True:
        await one.look()
        await other.look()
        progress(one.content.documents)
        if not one.ahead and not other.ahead:
            break
        if one.ahead == other.ahead:
            one.take(len(one.ahead))
            other.take(len(other.ahead))
        else:
            _merge(one, other, differences, clock_ms() + CLOCKS_MS)
    return Comparison(
        collection=collection.name,
        source=one.content,
        target=other.content,
        examples=differences.examples,
        **differences.counts,
    )


def _merge(one: _Walk, other: _Walk, differences: _Differences, expired_ms: int) -> None:
    """Go on until one of them has to be looked at again.

    Where one is at its end, the rest of the other is without counterpart.
    """

    def alone(walk: _Walk, kind: str) -> None:
        entry = walk.ahead[0]
        if entry.expires_ms is not None and entry.expires_ms < expired_ms:
            walk.ahead.popleft()
            return
        differences.note(kind, entry.key)
        walk.take(1)

    at_end = not one.ahead or not other.ahead
    while one.ahead or other.ahead:
        if not at_end and not (one.ahead and other.ahead):
            return
        if not other.ahead or (one.ahead and one.ahead[0].key < other.ahead[0].key):
            alone(one, "missing")
        elif not one.ahead or other.ahead[0].key < one.ahead[0].key:
            alone(other, "foreign")
        else:
            if one.ahead[0].content != other.ahead[0].content:
                differences.note("changed", one.ahead[0].key)
            one.take(1)
            other.take(1)
