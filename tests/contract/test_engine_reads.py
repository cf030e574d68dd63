"""What every store engine promises of reads: see `rookery.store.engine`."""

from typing import Any

import msgspec
import pytest

from rookery.store.engine import Insert, Key, Put, Row, Selection
from tests.contract.collections import INTS, ITEMS, LINKS, NAMES, NOTES, TEXTS, item
from tests.contract.conftest import Engine


async def fill_links(engine: Engine) -> None:
    """Sources 1 to 3 with targets 1 to 9; the later the target, the earlier the link."""
    await engine.write(
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
    await engine.write(Insert("items", document))
    assert await engine.reader.get(ITEMS, (7,)) == document


async def test_get_of_a_missing_key_is_none(engine: Engine) -> None:
    """There is no error for what is not there."""
    assert await engine.reader.get(ITEMS, (7,)) is None


async def test_columns_that_were_not_given_read_as_none(engine: Engine) -> None:
    """A reader need not know which columns a writer set."""
    await engine.write(Insert("items", {"id": 1}))
    assert await engine.reader.get(ITEMS, (1,)) == item(1)


@pytest.mark.parametrize("count", [1, 5, 64, 65, 200, 1500])
async def test_get_many_keeps_order_gaps_and_repetitions(engine: Engine, count: int) -> None:
    """One result for each key asked for, in the order asked for."""
    await engine.write(*(Insert("notes", {"id": n, "n": n}) for n in range(0, count, 2)))
    asked = [*reversed(range(count)), 0]
    found = await engine.reader.get_many(NOTES, [(n,) for n in asked])
    assert found == [{"id": n, "score": None, "n": n} if n % 2 == 0 else None for n in asked]


async def test_get_many_with_keys_of_several_fields(engine: Engine) -> None:
    """All fields of the key count."""
    await engine.write(*(Put("names", {"scope": s, "name": "n", "v": s}) for s in TEXTS))
    keys = [(s, n) for s in TEXTS for n in ("n", "m")]
    found = await engine.reader.get_many(NAMES, keys)
    assert [d and d["v"] for d in found] == [s if n == "n" else None for s, n in keys]


async def test_get_many_of_nothing_is_empty(engine: Engine) -> None:
    """No keys, no documents."""
    assert await engine.reader.get_many(ITEMS, []) == []


async def test_get_many_gives_each_key_a_document_of_its_own(engine: Engine) -> None:
    """A caller that changes one result does not change another."""
    await engine.write(Insert("items", {"id": 1, "tags": []}))
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
    await engine.write(*(Insert("items", {"id": n, "owner": n % 2}) for n in (5, 3, 8, 2, 7)))
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
    await engine.write(*(Insert("items", {"id": n, "owner": 1, "n": n}) for n in range(10)))
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
    await engine.write(*(Insert("items", {"id": n, "owner": n or None}) for n in (2, 0, 1)))
    everything = await engine.reader.select(ITEMS, ("id",), index="by_owner", limit=9)
    nobody = await engine.reader.select(ITEMS, ("id",), (None,), index="by_owner", limit=9)  # type: ignore[arg-type]
    assert (everything, nobody) == ([(0,), (1,), (2,)], [(0,)])


async def test_text_sorts_by_its_utf8_bytes(engine: Engine) -> None:
    """No locale, no folding: the same order everywhere."""
    await engine.write(*(Insert("names", {"scope": "s", "name": text}) for text in TEXTS))
    rows = await engine.reader.select(NAMES, ("name",), ("s",), limit=99)
    assert [row[0] for row in rows] == sorted(TEXTS, key=str.encode)


async def test_select_gives_the_fields_in_the_order_asked_for(engine: Engine) -> None:
    """Fields come as asked, not as declared."""
    await engine.write(Insert("items", {"id": 1, "owner": 2, "label": "x", "extra": 1}))
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
    await engine.write(
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
    await engine.write(*(Insert("names", {"scope": t, "name": t, "rank": rank[t]}) for t in TEXTS))
    found = await engine.reader.select_many(
        NAMES, ("name", "rank"), [(t, t) for t in TEXTS], limit=limit
    )
    assert found == [[(t, rank[t])] for t in TEXTS]


@pytest.mark.parametrize("limit", [3, 1000])
async def test_select_many_goes_by_an_index(engine: Engine, limit: int) -> None:
    """The order and the bounds are those of the index, whichever way it is read."""
    await fill_links(engine)
    prefixes: list[Key] = [(3,), (99,), (1,)]
    found = await engine.reader.select_many(
        LINKS, ("target", "link_id"), prefixes, index="by_time", after=(92,), limit=limit
    )
    rows = [(100 - t, t) for t in range(93, 100)][:limit]
    assert found == [rows, [], rows]
    backwards = await engine.reader.select_many(
        LINKS, ("link_id",), prefixes, index="by_time", before=(95, 5), limit=limit, reverse=True
    )
    newest = [(t,) for t in range(94, 90, -1)][:limit]
    assert backwards == [newest, [], newest]


@pytest.mark.parametrize("limit", [2, 1000])
async def test_select_many_finds_none_in_an_index(engine: Engine, limit: int) -> None:
    """Prefixes of several columns, some without a value; the key makes the order a total one."""
    labels: list[tuple[str | None, int | None]] = [("x", 1), ("x", None), (None, None), (None, 1)]
    await engine.write(
        *(
            Insert("items", {"id": 10 * n + place, "label": label, "score": score})
            for n in (2, 1)
            for place, (label, score) in enumerate(labels)
        )
    )
    found = await engine.reader.select_many(ITEMS, ("id",), labels, index="by_label", limit=limit)  # type: ignore[arg-type]
    assert found == [[(10 + place,), (20 + place,)] for place in range(4)]
    whole = await engine.reader.select_many(ITEMS, ("id",), [(), ()], index="by_label", limit=2)
    assert whole == [[(12,), (22,)]] * 2


async def test_select_many_by_an_unknown_index_is_refused(engine: Engine) -> None:
    """As a range is."""
    with pytest.raises((ValueError, KeyError), match="nowhere"):
        await engine.reader.select_many(LINKS, ("target",), [(1,)], index="nowhere", limit=5)


async def test_select_many_without_prefixes_is_empty(engine: Engine) -> None:
    """No prefixes, no lists."""
    assert await engine.reader.select_many(LINKS, ("target",), [], limit=5) == []


async def as_select_many(engine: Engine, selection: Selection) -> list[list[Row]]:
    given = msgspec.structs.asdict(selection)
    return await engine.reader.select_many(**given)


@pytest.mark.parametrize("limit", [3, 1000])
async def test_select_several_is_a_select_many_for_each_selection(
    engine: Engine, limit: int
) -> None:
    """Over several collections, or the same one in several ways; each with what is its own."""
    await fill_links(engine)
    await engine.write(
        *(Insert("items", item(n, owner=n % 3, label="x", score=n)) for n in range(9)),
        *(Insert("names", {"scope": "a", "name": each, "rank": None}) for each in TEXTS[1:]),
    )
    sources: list[Key] = [(3,), (99,), (1,)]
    selections = [
        Selection(LINKS, ("target", "link_id"), sources, limit, reverse=True),
        Selection(ITEMS, ("id",), [(1,), (2,)], limit, index="by_owner", before=(7,)),
        Selection(LINKS, ("target",), [], limit),
        Selection(LINKS, ("link_id",), sources, limit, index="by_time", after=(92,)),
        Selection(LINKS, ("link_id",), [(1, 2), (2, 20)], limit),
        Selection(NAMES, ("name", "rank"), [("a",)], limit),
        Selection(NAMES, ("name",), [("a",)], 0),
        Selection(ITEMS, ("id",), [(), ()], 2, reverse=True),
        Selection(LINKS, ("target", "link_id"), sources, limit, reverse=True),
    ]
    found = await engine.reader.select_several(selections)
    assert found == [await as_select_many(engine, each) for each in selections]
    assert found[0][0] == [(target, 100 - target) for target in range(9, 0, -1)][:limit]
    assert found[2] == []
    assert found[4] == [[(98,)], []]
    assert found[6] == [[]]
    assert found[7] == [[(8,), (7,)]] * 2


async def test_select_several_over_thousands_of_prefixes(engine: Engine) -> None:
    """Small selections and large ones in one call."""
    await engine.write(
        *(Insert("notes", {"id": n, "score": -n, "n": n}) for n in range(0, 1500, 2))
    )
    await fill_links(engine)
    numbers: list[Key] = [(n,) for n in range(1500)]
    small, large, largest = await engine.reader.select_several(
        [
            Selection(LINKS, ("target",), [(1,)], 2),
            Selection(NOTES, ("score",), numbers, 5),
            Selection(LINKS, ("target",), numbers, 1000),
        ]
    )
    assert small == [[(1,), (2,)]]
    assert large == [[(-n,)] if n % 2 == 0 else [] for n in range(1500)]
    assert [len(rows) for rows in largest] == [9 if n in (1, 2, 3) else 0 for n in range(1500)]


async def test_select_several_of_nothing_is_empty(engine: Engine) -> None:
    """No selections, no lists."""
    assert await engine.reader.select_several([]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        Selection(LINKS, ("nothing",), [(1,)], 5),
        Selection(LINKS, ("target",), [(1,)], 5, index="nowhere"),
    ],
)
async def test_a_selection_that_is_wrong_is_refused_with_all_others(
    engine: Engine, wrong: Selection
) -> None:
    """As a `select_many` of it is."""
    sound = Selection(LINKS, ("target",), [(1,)], 5)
    with pytest.raises((ValueError, KeyError), match="no"):
        await engine.reader.select_several([sound, wrong])


async def test_select_several_sees_what_was_written_before(engine: Engine) -> None:
    """Also by another process."""
    reader = engine.another_reader()
    selections = [Selection(LINKS, ("target",), [(1,)], 5), Selection(NOTES, ("id",), [(1,)], 5)]
    for each in (1, 2):
        await engine.write(
            Put("links", {"source": 1, "target": each, "link_id": 1}), Put("notes", {"id": each})
        )
        assert await reader.select_several(selections) == [
            [[(target,) for target in range(1, each + 1)]],
            [[(1,)]],
        ]
    await reader.close()


async def test_long_ranges_are_whole(engine: Engine) -> None:
    """A read of thousands of documents is complete and in order."""
    await engine.write(*(Insert("notes", {"id": n, "n": n}) for n in range(2500)))
    documents = await engine.reader.range(NOTES, limit=5000)
    rows = await engine.reader.select(NOTES, ("id",), limit=2400, reverse=True)
    assert [document["n"] for document in documents] == list(range(2500))
    assert [row[0] for row in rows] == list(range(2499, 99, -1))
