"""What every store engine promises: see `rookery.store.engine`."""

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
    Key,
    Operation,
    Put,
    WriteBatch,
)
from tests.contract.collections import COUNTS, ITEMS, LINKS, NAMES, NOTES
from tests.contract.conftest import Engine

TEXTS = ("", "a", "A", "\x00", "a\x00b", "é", "zebra", "\U0001f426", "'\"\\%_", "a" * 5000)
INTS = (0, -1, 1, 2**53 + 1, 2**63 - 1, -(2**63))


async def write(engine: Engine, *operations: Operation) -> None:
    await engine.store.writer.write(WriteBatch(operations))


def item(id_: int, **fields: Any) -> Document:
    return {"id": id_, "owner": None, "label": None, "score": None} | fields


async def fill_links(engine: Engine) -> None:
    """Sources 1 to 3 with targets 1 to 9; the later the target, the earlier the link."""
    await write(
        engine,
        *(
            Insert("links", {"source": source, "target": target, "link_id": 100 - target})
            for source in (1, 2, 3)
            for target in range(1, 10)
        ),
    )


async def targets(engine: Engine, prefix: Key = (1,), **how: Any) -> list[int]:
    how.setdefault("limit", 100)
    rows = await engine.reader.select(LINKS, ("target",), prefix, **how)
    documents = await engine.reader.range(LINKS, prefix, **how)
    assert rows == [(document["target"],) for document in documents]
    return [row[0] for row in rows]


# Reading by key


async def test_get_finds_what_was_inserted_with_all_its_fields(engine: Engine) -> None:
    """A document comes back with key, columns and undeclared fields."""
    document = item(7, owner=1, label="x", score=2, text="hello", tags=["a", {"b": None}])
    await write(engine, Insert("items", document))
    assert await engine.reader.get(ITEMS, (7,)) == document


async def test_get_of_a_missing_key_is_none(engine: Engine) -> None:
    """There is no error for what is not there."""
    assert await engine.reader.get(ITEMS, (7,)) is None


async def test_columns_that_were_not_given_read_as_none(engine: Engine) -> None:
    """A reader need not know which columns a writer set."""
    await write(engine, Insert("items", {"id": 1}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1)


@pytest.mark.parametrize("count", [1, 5, 64, 65, 200, 1500])
async def test_get_many_keeps_order_gaps_and_repetitions(engine: Engine, count: int) -> None:
    """One result for each key asked for, in the order asked for."""
    await write(engine, *(Insert("notes", {"id": n, "n": n}) for n in range(0, count, 2)))
    asked = [*reversed(range(count)), 0]
    found = await engine.reader.get_many(NOTES, [(n,) for n in asked])
    assert found == [{"id": n, "score": None, "n": n} if n % 2 == 0 else None for n in asked]


async def test_get_many_with_keys_of_several_fields(engine: Engine) -> None:
    """All fields of the key count."""
    await write(engine, *(Put("names", {"scope": s, "name": "n", "v": s}) for s in TEXTS))
    keys = [(s, n) for s in TEXTS for n in ("n", "m")]
    found = await engine.reader.get_many(NAMES, keys)
    assert [d and d["v"] for d in found] == [s if n == "n" else None for s, n in keys]


async def test_get_many_of_nothing_is_empty(engine: Engine) -> None:
    """No keys, no documents."""
    assert await engine.reader.get_many(ITEMS, []) == []


async def test_get_many_gives_each_key_a_document_of_its_own(engine: Engine) -> None:
    """A caller that changes one result does not change another."""
    await write(engine, Insert("items", {"id": 1, "tags": []}))
    first, second = await engine.reader.get_many(ITEMS, [(1,), (1,)])
    assert first is not None and first is not second


# Ranges


async def test_range_by_prefix_is_in_key_order(engine: Engine) -> None:
    """Documents of one prefix, smallest first."""
    await fill_links(engine)
    assert await targets(engine) == list(range(1, 10))


async def test_range_without_prefix_covers_the_collection(engine: Engine) -> None:
    """The empty prefix holds for all."""
    await fill_links(engine)
    rows = await engine.reader.select(LINKS, ("source", "target"), limit=100)
    assert rows == [(s, t) for s in (1, 2, 3) for t in range(1, 10)]


async def test_range_by_the_whole_key_is_that_document(engine: Engine) -> None:
    """A prefix may be all of the key."""
    await fill_links(engine)
    assert await targets(engine, (2, 5)) == [5]


async def test_range_by_index_is_in_the_order_of_the_index(engine: Engine) -> None:
    """An index has an order of its own."""
    await fill_links(engine)
    assert await targets(engine, index="by_time") == list(range(9, 0, -1))


async def test_the_key_breaks_ties_of_an_index(engine: Engine) -> None:
    """Equal in the index, ordered by the key."""
    await write(engine, *(Insert("items", {"id": n, "owner": n % 2}) for n in (5, 3, 8, 2, 7)))
    rows = await engine.reader.select(ITEMS, ("owner", "id"), index="by_owner", limit=9)
    assert rows == [(0, 2), (0, 8), (1, 3), (1, 5), (1, 7)]


async def test_reverse_is_largest_first(engine: Engine) -> None:
    """The same documents, the other way round."""
    await fill_links(engine)
    assert await targets(engine, reverse=True, limit=3) == [9, 8, 7]


@pytest.mark.parametrize("reverse", [False, True])
async def test_bounds_are_exclusive_in_either_direction(engine: Engine, reverse: bool) -> None:
    """`after` is below and `before` above, whichever end comes first."""
    await fill_links(engine)
    expected = [4, 5, 6]
    found = await targets(engine, after=(3,), before=(7,), reverse=reverse)
    assert found == (expected[::-1] if reverse else expected)


async def test_bounds_compare_as_tuples(engine: Engine) -> None:
    """A bound of several fields is a position, not a limit on each field."""
    await fill_links(engine)
    rows = await engine.reader.select(
        LINKS, ("source", "target"), after=(1, 8), before=(3, 2), limit=100
    )
    assert rows == [(1, 9), *((2, t) for t in range(1, 10)), (3, 1)]


async def test_a_short_bound_skips_all_that_begins_with_it(engine: Engine) -> None:
    """Fields that a bound does not give are not compared."""
    await fill_links(engine)
    rows = await engine.reader.select(LINKS, ("source",), after=(1,), before=(3,), limit=100)
    assert rows == [(2,)] * 9


async def test_bounds_on_an_index_continue_after_the_last_one_seen(engine: Engine) -> None:
    """Pages by an index follow each other without gap or repetition."""
    await write(engine, *(Insert("items", {"id": n, "owner": 1, "n": n}) for n in range(10)))
    pages: list[int] = []
    after: Key | None = None
    while page := await engine.reader.range(ITEMS, (1,), index="by_owner", after=after, limit=3):
        pages += [document["n"] for document in page]
        after = (page[-1]["id"],)
    assert pages == list(range(10))


@pytest.mark.parametrize("limit", [0, 1, 9, 10])
async def test_limit_is_the_most_there_can_be(engine: Engine, limit: int) -> None:
    """Never more than asked for, and all if there are fewer."""
    await fill_links(engine)
    assert len(await targets(engine, limit=limit)) == min(9, limit)


async def test_none_sorts_first_and_can_be_asked_for(engine: Engine) -> None:
    """A column without a value has a place in the order, and is a prefix like another."""
    await write(engine, *(Insert("items", {"id": n, "owner": n or None}) for n in (2, 0, 1)))
    everything = await engine.reader.select(ITEMS, ("id",), index="by_owner", limit=9)
    nobody = await engine.reader.select(ITEMS, ("id",), (None,), index="by_owner", limit=9)  # type: ignore[arg-type]
    assert (everything, nobody) == ([(0,), (1,), (2,)], [(0,)])


async def test_text_sorts_by_its_utf8_bytes(engine: Engine) -> None:
    """No locale, no folding: the same order everywhere."""
    await write(engine, *(Insert("names", {"scope": "s", "name": text}) for text in TEXTS))
    rows = await engine.reader.select(NAMES, ("name",), ("s",), limit=99)
    assert [row[0] for row in rows] == sorted(TEXTS, key=str.encode)


async def test_select_gives_the_fields_in_the_order_asked_for(engine: Engine) -> None:
    """Fields come as asked, not as declared."""
    await write(engine, Insert("items", {"id": 1, "owner": 2, "label": "x", "extra": 1}))
    assert await engine.reader.select(ITEMS, ("label", "id"), limit=1) == [("x", 1)]


async def test_select_of_an_undeclared_field_is_refused(engine: Engine) -> None:
    """Only key fields and columns can be projected."""
    with pytest.raises(ValueError, match="text"):
        await engine.reader.select(ITEMS, ("text",), limit=1)


@pytest.mark.parametrize("limit", [3, 1000])
async def test_select_many_answers_each_prefix(engine: Engine, limit: int) -> None:
    """One list for each prefix, in their order; empty where there is nothing."""
    await fill_links(engine)
    prefixes: list[Key] = [(3,), (99,), (1,), (3,)]
    found = await engine.reader.select_many(
        LINKS, ("target", "link_id"), prefixes, limit=limit, reverse=True
    )
    rows = [(t, 100 - t) for t in range(9, 0, -1)][:limit]
    assert found == [rows, [], rows, rows]


@pytest.mark.parametrize("limit", [9, 1000])
async def test_select_many_keeps_to_its_bounds(engine: Engine, limit: int) -> None:
    """Bounds hold for each prefix."""
    await fill_links(engine)
    found = await engine.reader.select_many(
        LINKS, ("target",), [(1,), (2,)], after=(3,), before=(6,), limit=limit
    )
    assert found == [[(4,), (5,)]] * 2


async def test_select_many_over_thousands_of_prefixes(engine: Engine) -> None:
    """Nothing is lost or mixed up where the engine splits the work."""
    await write(
        engine,
        *(
            Insert("links", {"source": s, "target": t, "link_id": None})
            for s in range(0, 1500, 2)
            for t in range(s % 5)
        ),
    )
    sources = list(reversed(range(1500)))
    prefixes: list[Key] = [(s,) for s in sources]
    found = await engine.reader.select_many(
        LINKS, ("source", "target", "link_id"), prefixes, limit=40
    )
    assert found == [[(s, t, None) for t in range(s % 5)] if s % 2 == 0 else [] for s in sources]


@pytest.mark.parametrize("limit", [1, 1000])
async def test_select_many_with_text_prefixes_and_extreme_values(
    engine: Engine, limit: int
) -> None:
    """Whatever a key can hold comes back unchanged by either way of reading."""
    rank = dict(zip(TEXTS, INTS * 2, strict=False))
    await write(engine, *(Insert("names", {"scope": t, "name": t, "rank": rank[t]}) for t in TEXTS))
    found = await engine.reader.select_many(
        NAMES, ("name", "rank"), [(t, t) for t in TEXTS], limit=limit
    )
    assert found == [[(t, rank[t])] for t in TEXTS]


async def test_select_many_without_prefixes_is_empty(engine: Engine) -> None:
    """No prefixes, no lists."""
    assert await engine.reader.select_many(LINKS, ("target",), [], limit=5) == []


async def test_long_ranges_are_whole(engine: Engine) -> None:
    """A read of thousands of documents is complete and in order."""
    await write(engine, *(Insert("notes", {"id": n, "n": n}) for n in range(2500)))
    documents = await engine.reader.range(NOTES, limit=5000)
    rows = await engine.reader.select(NOTES, ("id",), limit=2400, reverse=True)
    assert [document["n"] for document in documents] == list(range(2500))
    assert [row[0] for row in rows] == list(range(2499, 99, -1))


# Writing


async def test_insert_of_an_existing_key_fails_under_the_collections_name(engine: Engine) -> None:
    """Nobody overwrites by inserting, and the error says where."""
    await write(engine, Insert("items", {"id": 1, "text": "first"}))
    with pytest.raises(ConditionFailed) as failed:
        await write(engine, Insert("items", {"id": 1, "text": "second"}))
    assert failed.value.label == "items"
    assert await engine.reader.get(ITEMS, (1,)) == item(1, text="first")


async def test_put_replaces_all_of_a_document(engine: Engine) -> None:
    """Fields of the former document do not shine through."""
    await write(engine, Put("items", {"id": 1, "owner": 1, "label": "x", "old": 1}))
    await write(engine, Put("items", {"id": 1, "owner": 2, "new": 1}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1, owner=2, new=1)


async def test_put_moves_a_document_in_its_indexes(engine: Engine) -> None:
    """An index never finds the former value."""
    await write(engine, Put("items", {"id": 1, "owner": 1}), Put("items", {"id": 1, "owner": 2}))
    found = [
        await engine.reader.select(ITEMS, ("id",), (owner,), index="by_owner", limit=9)
        for owner in (1, 2)
    ]
    assert found == [[], [(1,)]]


async def test_put_in_a_collection_of_keys_alone(engine: Engine) -> None:
    """Putting what is there already changes nothing."""
    link: Document = {"source": 1, "target": 2, "link_id": None}
    await write(engine, Put("links", link), Put("links", link))
    assert await engine.reader.get(LINKS, (1, 2)) == link


async def test_delete_is_idempotent(engine: Engine) -> None:
    """Deleting what is not there is no error."""
    await write(engine, Insert("items", {"id": 1, "owner": 1}))
    await write(engine, Delete("items", (1,)))
    await write(engine, Delete("items", (1,)))
    assert await engine.reader.get(ITEMS, (1,)) is None
    assert await engine.reader.range(ITEMS, (1,), index="by_owner", limit=1) == []


async def test_increment_starts_from_zeros(engine: Engine) -> None:
    """All int columns of a new document are 0, text is None."""
    await write(engine, Increment("counts", ("w", 1), {"seen": 3}))
    assert await engine.reader.get(COUNTS, ("w", 1)) == {
        "word": "w", "day": 1, "seen": 3, "used": 0, "note": None,
    }  # fmt: skip


async def test_increments_add_up(engine: Engine) -> None:
    """Several columns, up and down, also twice in one batch; the rest stays."""
    await write(engine, Put("counts", {"word": "w", "day": 1, "seen": 5, "note": "n"}))
    up, down = {"seen": 1, "used": 2}, {"seen": -3}
    await write(engine, Increment("counts", ("w", 1), up), Increment("counts", ("w", 1), down))
    assert await engine.reader.get(COUNTS, ("w", 1)) == {
        "word": "w", "day": 1, "seen": 3, "used": 2, "note": "n",
    }  # fmt: skip


async def test_increment_in_a_collection_with_body_keeps_the_body(engine: Engine) -> None:
    """Counters may stand beside undeclared fields."""
    await write(engine, Insert("items", {"id": 1, "text": "t"}))
    await write(engine, Increment("items", (1,), {"score": 2}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1, score=2, text="t")


async def test_increment_does_not_make_half_a_document(engine: Engine) -> None:
    """Where documents have a body, a missing one cannot start from zeros."""
    with pytest.raises((ConditionFailed, ValueError)):
        await write(engine, Insert("items", {"id": 2}), Increment("items", (1,), {"score": 2}))
    assert await engine.reader.range(ITEMS, limit=9) == []


async def test_concurrent_increments_are_all_counted(engine: Engine) -> None:
    """No update is lost between callers."""
    one = WriteBatch((Increment("counts", ("w", 1), {"seen": 1}),))
    await asyncio.gather(*(engine.store.writer.write(one) for _ in range(200)))
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
    await write(engine, Insert("items", {"id": 1, "owner": 5, "label": "x"}))
    if holds:
        await write(engine, expect, Insert("items", {"id": 9}))
    else:
        with pytest.raises(ConditionFailed) as failed:
            await write(engine, expect, Insert("items", {"id": 9}))
        assert failed.value.label == "l"
    assert (await engine.reader.get(ITEMS, (9,)) is not None) == holds


async def test_expectations_see_the_state_before_the_batch(engine: Engine) -> None:
    """An expectation that stands after a change does not see it."""
    await write(engine, Insert("items", {"id": 1}), Expect("items", (1,), False))
    with pytest.raises(ConditionFailed):
        await write(engine, Insert("items", {"id": 2}), Expect("items", (2,), True))
    assert await engine.reader.get(ITEMS, (2,)) is None


async def test_compare_and_swap_lets_one_of_many_win(engine: Engine) -> None:
    """Of concurrent callers with the same expectation exactly one takes effect."""
    await write(engine, Insert("items", {"id": 1, "score": 0}))

    async def swap(caller: int) -> bool:
        try:
            await write(
                engine,
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
    await write(engine, Insert("items", {"id": 1, "owner": 1}), Insert("items", {"id": 2}))
    with pytest.raises(ConditionFailed):
        await write(
            engine,
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
    await write(engine, *(Insert("items", {"id": n}) for n in range(0, 60, 3)))
    outcomes = await asyncio.gather(
        *(
            write(engine, Increment("counts", ("w", n), {"seen": 1}), Insert("items", {"id": n}))
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
        await write(engine, Put("items", {"id": 1}), operation)
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
    await write(engine, Put("notes", {"id": 1, "value": value}))
    document = await engine.reader.get(NOTES, (1,))
    assert document is not None
    assert (document["value"], type(document["value"])) == (value, type(value))


@pytest.mark.parametrize("number", INTS)
async def test_int_keys_and_columns_hold_64_bits(engine: Engine, number: int) -> None:
    """The whole range of signed 64-bit numbers, as key and as column."""
    for collection in (NOTES, ITEMS):
        await write(engine, Put(collection.name, {"id": number, "score": number}))
        rows = await engine.reader.select(collection, ("id", "score"), (number,), limit=2)
        assert rows == [(number, number)]
        assert await engine.reader.get(collection, (number,)) is not None


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:20])
async def test_text_keys_and_columns_hold_any_text(engine: Engine, text: str) -> None:
    """Empty text, NUL and everything else is a key like another."""
    await write(
        engine,
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
            await write(engine, Insert("items", {"id": n}))
            assert await first.get(ITEMS, (n,)) == item(n)
            assert await second.range(ITEMS, (n,), limit=1) == [item(n)]
    finally:
        await first.close()
        await second.close()


@pytest.mark.parametrize("collection", [ITEMS, NOTES, LINKS, NAMES])
async def test_an_empty_collection_reads_as_empty(engine: Engine, collection: Collection) -> None:
    """There is nothing to prepare before reading."""
    assert await engine.reader.range(collection, limit=5) == []
