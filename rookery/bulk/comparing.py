"""Compares two stores, collection by collection: counts, a hash of the contents, and what differs.

Both are walked in the order of keys, a batch at a time. Reads only.
"""

from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from rookery.errors import StoreUnavailable, Unavailable, reason_of
from rookery.store.engine import Collection, Document, Key, Reader

BATCH = 1_000
"""Documents read at once, and copied in one write: MongoDB advises against longer transactions."""
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
        why = f" ({reason_of(error.__cause__)})" if error.__cause__ is not None else ""
        raise StoreUnavailable(
            f"{store}: {error}{why}. Mend that and run the same command again: it goes on where"
            " it stopped"
        ) from error


def key_of(collection: Collection, document: Document) -> Key:
    """The key of a document."""
    return tuple(document[name] for name in collection.key)


@dataclass(frozen=True)
class Side:
    """One of two stores: its name for people, what reads it, and how many documents at once."""

    name: str
    reader: Reader
    batch: int = BATCH

    async def following(self, collection: Collection, after: Key | None) -> list[Document]:
        """The next batch after a key, or the first; less than a whole one at the end.

        Raises:
            StoreUnavailable: the store cannot be read; the text names it.
        """
        with naming(self.name):
            return await self.reader.range(collection, after=after, limit=self.batch)


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


class _Walk:
    """Goes through a collection of one store, and counts and hashes what it passes."""

    def __init__(self, side: Side, collection: Collection, left_out: AbstractSet[Key]) -> None:
        self.contents: deque[bytes] = deque()
        """The next documents, each in the one form that equal documents have."""
        self._ahead: deque[Document] = deque()
        self._side = side
        self._collection = collection
        self._left_out = left_out
        self._after: Key | None = None
        self._is_at_end = False
        self._documents = 0
        self._hash = blake2b(digest_size=16)

    async def look(self) -> None:
        """See to it that something is ahead, but at the end."""
        collection, left_out = self._collection, self._left_out
        while not self.contents and not self._is_at_end:
            found = await self._side.following(collection, self._after)
            if found:
                self._after = key_of(collection, found[-1])
            self._is_at_end = len(found) < self._side.batch
            if left_out:
                found = [each for each in found if key_of(collection, each) not in left_out]
            self._ahead.extend(found)
            self.contents.extend(map(_encoder.encode, found))

    @property
    def key(self) -> Key:
        """That of the next document."""
        return key_of(self._collection, self._ahead[0])

    def is_expired(self, now_ms: int) -> bool:
        """Whether the next document's time is over."""
        expires = self._collection.expires
        if expires is None:
            return False
        expires_ms = self._ahead[0][expires]
        return expires_ms is not None and int(expires_ms) < now_ms

    def take(self, documents: int) -> None:
        """Go past the next documents, which count."""
        self._documents += documents
        if documents == len(self.contents):
            self._hash.update(b"".join(self.contents))
            self.contents.clear()
            self._ahead.clear()
            return
        for _ in range(documents):
            self._hash.update(self.contents.popleft())
            self._ahead.popleft()

    def skip(self) -> None:
        """Go past the next document, which does not count."""
        self.contents.popleft()
        self._ahead.popleft()

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
    left_out: AbstractSet[Key] = frozenset(),
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
        if not one.contents and not other.contents:
            break
        if one.contents == other.contents:
            one.take(len(one.contents))
            other.take(len(other.contents))
        else:
            _merge(one, other, differences, clock_ms() + CLOCKS_MS)
    return Comparison(
        collection=collection.name,
        source=one.content,
        target=other.content,
        examples=differences.examples,
        **differences.counts,
    )


def _merge(one: _Walk, other: _Walk, differences: _Differences, now_ms: int) -> None:
    """Go on until one of them has to be looked at again.

    Where one is at its end, the rest of the other is without counterpart.
    """

    def alone(walk: _Walk, kind: str) -> None:
        if walk.is_expired(now_ms):
            walk.skip()
            return
        differences.note(kind, walk.key)
        walk.take(1)

    at_end = not one.contents or not other.contents
    while one.contents or other.contents:
        if not at_end and not (one.contents and other.contents):
            return
        if not other.contents or (one.contents and one.key < other.key):
            alone(one, "missing")
        elif not one.contents or other.key < one.key:
            alone(other, "foreign")
        else:
            if one.contents[0] != other.contents[0]:
                differences.note("changed", one.key)
            one.take(1)
            other.take(1)
