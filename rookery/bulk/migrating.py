"""Copies everything from one store into another, empty one, and compares the two.

Resumable: each batch, and the note of how far the copy has come, are one atomic write. The note
stands among the jobs of the target until the comparison has found both sides the same.

What is not copied: the note itself, and the cluster's view, which names processes of the old
store; the first controller on the new one makes its own. The leases of worker numbers are copied
as they are: nobody takes a number before its lease has ended, and ids begin behind that end, so
no id of the old store is made again (`rookery.store.leases`). They come last, so that a server
that was started on an unfinished copy shows by the leases it took.
"""

from collections.abc import Callable, Sequence

import msgspec

from rookery.bulk.comparing import Comparison, Side, compare, key_of, naming
from rookery.errors import Conflict, StartupError, Unavailable
from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Delete,
    Document,
    Insert,
    Key,
    Operation,
    Put,
    Reader,
    WriteBatch,
    Writer,
)
from rookery.store.schema import CLUSTER, COLLECTIONS, JOBS, LEASES

JOB = "migrate-store"
NOT_COPIED: dict[str, frozenset[Key]] = {JOBS.name: frozenset({(JOB,)})}

COPIED = (*(each for each in COLLECTIONS if each not in (LEASES, CLUSTER)), LEASES)
"""The collections that are copied, in the order of copying."""

Progress = Callable[[str, int, int | None], None]
"""Called with (stage, documents done, total or None)."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """How far a copy has come: up to `after` in `collection`, and all of those before it."""

    name: str = JOB
    source: str
    collection: str = COPIED[0].name
    after: list[int | str] | None = None
    copied: dict[str, int] = {}

    def beyond(self, collection: Collection, key: Key, documents: int) -> "Note":
        copied = {**self.copied, collection.name: self.copied.get(collection.name, 0) + documents}
        return msgspec.structs.replace(
            self, collection=collection.name, after=list(key), copied=copied
        )


class Migration:
    """One copy; running it again goes on where it stopped.

    No server may use either store meanwhile. Whether one wrote to the source is seen by the
    comparison; in the target it is refused.
    """

    def __init__(
        self, source: Side, target: Side, writer: Writer, clock_ms: Callable[[], int]
    ) -> None:
        """`writer` is the target's."""
        self._source = source
        self._target = target
        self._writer = writer
        self._clock_ms = clock_ms

    async def run(self, progress: Progress) -> list[Comparison]:
        """Copy what is not copied yet, then compare all; a comparison for each collection.

        Raises:
            Conflict: one of the stores is not fit for it; the text says why and what to do.
            StoreUnavailable: one of them fails; run it again to go on.
        """
        note = await self._begin()
        for collection in COPIED[_place(note.collection) :]:
            note = await self._copy(collection, note, progress)
        compared = [await self._compare(each, note, progress) for each in COPIED]
        if all(each.is_same for each in compared):
            await self._write((Delete(JOBS.name, (JOB,)),))
        return compared

    async def _begin(self) -> Note:
        if (former := await self._note(self._source)) is not None:
            raise Conflict(
                f"{self._source.name} is itself an unfinished copy of {former.source};"
                " finish that one first"
            )
        note = await self._note(self._target)
        if note is None:
            if found := await self._filled(self._target, COLLECTIONS):
                raise Conflict(
                    f"{self._target.name} is not empty: it holds {', '.join(found)}."
                    " Name an empty store, or remove what is in this one"
                )
            if not await self._filled(self._source, COPIED):
                raise Conflict(f"{self._source.name} is empty: there is nothing to copy")
            note = Note(source=self._source.name)
            await self._write((Insert(JOBS.name, msgspec.structs.asdict(note)),))
        elif note.source != self._source.name:
            raise Conflict(
                f"{self._target.name} holds an unfinished copy of {note.source},"
                f" not of {self._source.name}. Name another store, or remove what is in this one"
            )
        elif found := await self._filled(self._target, COPIED[_place(note.collection) + 1 :]):
            raise Conflict(self._written_by_others(", ".join(found)))
        return note

    async def _note(self, side: Side) -> Note | None:
        with naming(side.name):
            document = await side.reader.get(JOBS, (JOB,))
        return None if document is None else msgspec.convert(document, Note)

    async def _filled(self, side: Side, collections: Sequence[Collection]) -> list[str]:
        """Those of the collections that hold something, except the note."""
        return [
            each.name
            for each in collections
            if any(
                key_of(each, document) not in NOT_COPIED.get(each.name, frozenset())
                for document in await side.following(each, None)
            )
        ]

    async def _copy(self, collection: Collection, note: Note, progress: Progress) -> Note:
        after = tuple(note.after or ()) if note.collection == collection.name else ()
        while documents := await self._source.following(collection, after or None):
            after = key_of(collection, documents[-1])
            note = note.beyond(collection, after, len(documents))
            await self._write(self._inserts(collection, documents, note))
            progress(f"copying {collection.name}", note.copied[collection.name], None)
        done = note.copied.get(collection.name, 0)
        progress(f"copying {collection.name}", done, done)
        return note

    def _inserts(
        self, collection: Collection, documents: Sequence[Document], note: Note
    ) -> tuple[Operation, ...]:
        if left_out := NOT_COPIED.get(collection.name):
            documents = [each for each in documents if key_of(collection, each) not in left_out]
        # Inserted, not put: what is there already was written by somebody else.
        inserts = [Insert(collection.name, document) for document in documents]
        return (Put(JOBS.name, msgspec.structs.asdict(note)), *inserts)

    async def _write(self, operations: tuple[Operation, ...]) -> None:
        try:
            with naming(self._target.name):
                await self._writer.write(WriteBatch(operations))
        except ConditionFailed as error:
            raise Conflict(self._written_by_others(error.label)) from error

    def _written_by_others(self, collections: str) -> str:
        return (
            f"{self._target.name} holds documents in {collections} that are not of this copy:"
            " a server or another copy runs on it, or did. Stop it, remove what is in this store,"
            " and run the same command again"
        )

    async def _compare(self, collection: Collection, note: Note, progress: Progress) -> Comparison:
        total = note.copied.get(collection.name, 0)
        return await compare(
            collection,
            self._source,
            self._target,
            clock_ms=self._clock_ms,
            progress=lambda done: progress(f"comparing {collection.name}", done, max(done, total)),
            left_out=NOT_COPIED.get(collection.name, frozenset()),
        )


async def check_is_whole(reader: Reader) -> None:
    """Refuse to serve a store that is an unfinished copy; closes `reader`.

    Raises:
        StartupError: it is one; the text says what to do.
    """
    try:
        document = await reader.get(JOBS, (JOB,))
    except Unavailable:  # it is not there yet, or of an older version: no copy either way
        return
    finally:
        await reader.close()
    if document is not None:
        raise StartupError(
            f"The store is an unfinished copy of {document['source']}: run rookery migrate-store"
            " again to finish it, and start the server when it has ended with exit status 0"
        )


def _place(name: str) -> int:
    return next(place for place, each in enumerate(COPIED) if each.name == name)
