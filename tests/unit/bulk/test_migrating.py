"""Copying one store into another: whole, resumable, and never a difference unnoticed."""

from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from rookery.bulk.comparing import Comparison, Side, naming
from rookery.bulk.migrating import COPIED, JOB, Migration
from rookery.errors import Conflict, StoreUnavailable
from rookery.store.engine import (
    Collection,
    Delete,
    Document,
    Insert,
    Key,
    Operation,
    Put,
    WriteBatch,
)
from rookery.store.leases import WorkerLease
from rookery.store.mongo import writer
from rookery.store.schema import (
    CLUSTER,
    COLLECTIONS,
    IDEMPOTENCY,
    JOBS,
    LEASES,
    OUTBOX,
    SIGNING_KEYS,
    TWEETS,
    USERS,
)
from tests.unit.memory_store import MemoryStore

NOW_MS = 1_900_000_000_000


async def put(store: MemoryStore, collection: Collection, *documents: Document) -> None:
    await store.write(WriteBatch(tuple(Put(collection.name, each) for each in documents)))


async def delete(store: MemoryStore, collection: Collection, key: Key) -> None:
    operation: Operation = Delete(collection.name, key)
    await store.write(WriteBatch((operation,)))


async def filled() -> MemoryStore:
    """A store with something in every collection, some of them longer than a batch."""
    store = MemoryStore()
    for collection in COLLECTIONS:
        for number in range(5):
            document: Document = {
                name: type_(number + 1)
                for name, type_ in (*collection.key.items(), *collection.columns.items())
            }
            if collection.body:
                document |= {"secret": bytes([number]), "parts": [1, 2.5, None, {"a": "ä"}]}
            if collection.expires:
                document[collection.expires] = NOW_MS + 3_600_000 if number else None
            await put(store, collection, document)
    return store


def migration(source: MemoryStore, target: MemoryStore, *, of: str = "old") -> Migration:
    return Migration(Side(of, source, 2), Side("new", target, 2), target, lambda: NOW_MS)


async def migrated(source: MemoryStore, target: MemoryStore) -> list[Comparison]:
    return await migration(source, target).run(lambda *_: None)


def failing_at(write: int) -> Callable[[WriteBatch], Awaitable[None]]:
    """What plays a store that fails from its `write`th write on."""
    writes = count(1)

    async def before_write(_: WriteBatch) -> None:
        if next(writes) >= write:
            raise StoreUnavailable("the disk is full")

    return before_write


async def test_everything_is_copied_and_found_the_same() -> None:
    """Every collection, but the cluster's view; and no note is left in the new store."""
    source, target = await filled(), MemoryStore()
    compared = await migrated(source, target)
    assert [each.collection for each in compared] == [each.name for each in COPIED]
    assert all(each.is_same and each.source.documents == 5 for each in compared)
    for collection in COLLECTIONS:
        expected = [] if collection is CLUSTER else source.documents(collection)
        assert target.documents(collection) == expected, collection.name


async def test_a_copy_goes_on_wherever_it_broke_off() -> None:
    """After a failure at each write there is, one more at every run, the copy is whole."""
    source, target = await filled(), MemoryStore()
    failures = 0
    while True:
        target.before_write = failing_at(2)
        try:
            compared = await migrated(source, target)
        except StoreUnavailable as error:
            assert "new: the disk is full" in str(error) and "run the same command" in str(error)
            failures += 1
        else:
            break
    assert failures > 3 * len(COPIED)
    assert all(each.is_same for each in compared)
    inserted = [
        operation
        for batch in target.batches
        for operation in batch.operations
        if isinstance(operation, Insert)
    ]
    assert len(inserted) == 5 * len(COPIED) + 1, "each document once, and the note"


async def test_a_source_that_fails_is_named() -> None:
    """Which of the two it was, and that the copy can go on."""

    class Failing(MemoryStore):
        async def get(self, collection: Collection, key: Key) -> Document | None:
            raise StoreUnavailable from OSError("no route")

    with pytest.raises(StoreUnavailable, match=r"old: .*no route"):
        await migrated(Failing(), MemoryStore())


async def test_a_target_that_is_not_empty_is_refused() -> None:
    """With the names of what is in it, and nothing is written."""
    source, target = await filled(), MemoryStore()
    await put(target, USERS, {"id": 1, "version": 1})
    await put(target, JOBS, {"name": "load higgs", "done": 1})
    with pytest.raises(Conflict, match="new is not empty: it holds users, jobs"):
        await migrated(source, target)
    assert len(target.batches) == 2


async def test_an_unfinished_copy_of_another_store_is_refused() -> None:
    """Two stores are never mixed."""
    source, target = await filled(), MemoryStore()
    target.before_write = failing_at(3)
    with pytest.raises(StoreUnavailable):
        await migrated(source, target)
    with pytest.raises(Conflict, match="an unfinished copy of old, not of other"):
        await migration(source, target, of="other").run(lambda *_: None)


async def test_an_unfinished_copy_is_not_copied_on() -> None:
    """Half a store would pass for a whole one."""
    source, target = await filled(), MemoryStore()
    target.before_write = failing_at(3)
    with pytest.raises(StoreUnavailable):
        await migrated(source, target)
    with pytest.raises(Conflict, match="is itself an unfinished copy of old"):
        await migrated(target, MemoryStore())


async def test_an_empty_source_is_refused() -> None:
    """More likely a wrong name than a wish."""
    with pytest.raises(Conflict, match="old is empty"):
        await migrated(MemoryStore(), MemoryStore())


async def test_a_server_started_on_an_unfinished_copy_is_noticed() -> None:
    """It took a lease, which the copy did not bring."""
    source, target = await filled(), MemoryStore()
    target.before_write = failing_at(9)
    with pytest.raises(StoreUnavailable):
        await migrated(source, target)
    target.before_write = None
    await WorkerLease(target, lambda: NOW_MS).acquire()
    with pytest.raises(Conflict, match="leases that are not of this copy"):
        await migrated(source, target)


async def test_a_document_written_in_the_way_of_the_copy_is_noticed() -> None:
    """It is neither overwritten nor taken for the copy's."""
    source, target = await filled(), MemoryStore()

    async def server(batch: WriteBatch) -> None:
        target.before_write = None
        await put(target, TWEETS, {"id": 3, "version": 9, "author_id": 9})

    target.before_write = server
    with pytest.raises(Conflict, match="tweets that are not of this copy"):
        await migrated(source, target)


async def test_each_difference_is_named_and_the_note_stays() -> None:
    """What is missing, foreign or changed, by key; also where the number is the same."""
    source, target = await filled(), MemoryStore()

    def meddling(stage: str, *_: object) -> None:
        if stage == "comparing users" and not meddled:
            meddled.append(stage)
            tweets = target.tampered(TWEETS)
            del tweets[(2,)]
            tweets[(99,)] = {"id": 99, "author_id": 1, "version": 1}
            target.tampered(OUTBOX)[(4,)]["secret"] = b"other"

    meddled: list[str] = []
    compared = await migration(source, target).run(meddling)
    by_name = {each.collection: each for each in compared if not each.is_same}
    assert set(by_name) == {TWEETS.name, OUTBOX.name}
    assert by_name[TWEETS.name].described == (
        "5 documents in FROM, 5 in TO; 1 only in FROM (2); 1 only in TO (99)"
    )
    assert by_name[OUTBOX.name].described == ("5 documents in FROM, 5 in TO; 1 not the same (4)")
    assert await target.get(JOBS, (JOB,)) is not None


async def test_writes_to_the_source_after_they_were_copied_are_found() -> None:
    """The comparison shows whether writes were stopped."""
    source, target = await filled(), MemoryStore()
    target.before_write = failing_at(30)
    with pytest.raises(StoreUnavailable):
        await migrated(source, target)
    target.before_write = None
    await put(source, USERS, {"id": 1, "version": 7})
    differing = [each for each in await migrated(source, target) if not each.is_same]
    assert [(each.collection, each.changed) for each in differing] == [(USERS.name, 1)]


async def test_the_same_numbers_of_different_types_differ() -> None:
    """1, 1.0 and True are equal in Python, and not in a document."""
    source, target = MemoryStore(), MemoryStore()
    await put(source, SIGNING_KEYS, {"kid": "1", "created_ms": 1, "value": 1})

    def meddling(stage: str, *_: object) -> None:
        if stage == "comparing users":
            target.tampered(SIGNING_KEYS)[("1",)]["value"] = True

    compared = await migration(source, target).run(meddling)
    assert [each.collection for each in compared if not each.is_same] == [SIGNING_KEYS.name]


async def test_an_expired_document_may_go_on_either_side() -> None:
    """Engines remove them by themselves at any time; others must not go."""
    source, target = MemoryStore(), MemoryStore()

    def record(key: str, expires_ms: int) -> Document:
        return {"scope": 1, "idempotency_key": key, "expires_ms": expires_ms, "result": {}}

    expired = [record(key, NOW_MS - 1) for key in "abc"]
    await put(source, IDEMPOTENCY, *expired, record("d", NOW_MS + 3_600_000))

    def sweeping(stage: str, *_: object) -> None:
        if stage == "comparing users":
            source.tampered(IDEMPOTENCY).pop((1, "a"), None)
            target.tampered(IDEMPOTENCY).pop((1, "b"), None)

    compared = await migration(source, target).run(sweeping)
    assert all(each.is_same for each in compared)
    found = next(each for each in compared if each.collection == IDEMPOTENCY.name)
    assert found.source.documents == 2


async def test_no_id_of_the_old_store_is_made_again() -> None:
    """A number whose lease is in force is not given out in the new store either."""
    source, target = await filled(), MemoryStore()
    for each in source.documents(LEASES):
        await delete(source, LEASES, (each["worker"],))
    old = WorkerLease(source, lambda: NOW_MS)
    await old.acquire()
    made = {old.next_id() for _ in range(1000)}
    assert all(each.is_same for each in await migrated(source, target))
    early, late = (
        WorkerLease(target, lambda: NOW_MS),
        WorkerLease(target, lambda: NOW_MS + 40_000),  # The steady clock goes on, too.
    )
    await early.acquire()
    await late.acquire()
    assert early.worker != old.worker and late.worker == old.worker
    assert not made & {lease.next_id() for lease in (early, late) for _ in range(1000)}


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (TimeoutError(), "no answer in time"),
        (OSError(), "OSError"),
        (KeyError("x"), "'x'"),
        (writer._Again(), "no transaction came through in time"),
        (writer._Unknown(), "it did not say whether it took the write"),
    ],
)
def test_a_store_that_is_slow_is_named_with_a_reason(cause: Exception, why: str) -> None:
    """Also where the library's error says nothing."""
    failed = StoreUnavailable("The store does not answer")
    failed.__cause__ = cause
    with pytest.raises(StoreUnavailable) as caught, naming("mongodb://slow/rookery"):
        raise failed
    assert f"mongodb://slow/rookery: The store does not answer ({why})." in str(caught.value)
