"""`rookery.domain.adjacency` against a plain dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.adjacency import Adjacency, Rows, common, without

_author = st.integers(1, 6)
_row = st.integers(0, 4)
_step = st.one_of(
    st.tuples(st.just("enter"), _row, st.lists(_author)),
    st.tuples(st.just("add"), _row, _author),
    st.tuples(st.just("remove"), _row, _author),
    st.tuples(st.just("drop"), _row, st.none()),
    st.tuples(st.just("rows"), st.just(0), _author),
)


@given(st.lists(_step, max_size=60))
def test_both_directions_agree_with_a_model(steps: list[tuple[str, int, object]]) -> None:
    """After any steps, rows by author and authors by row are those of a dictionary of sets."""
    adjacency = Adjacency()
    model: dict[int, set[int]] = {}
    for kind, row, argument in steps:
        if kind == "enter":
            assert isinstance(argument, list)
            adjacency.enter(row, argument)
            model[row] = set(argument)
        elif kind == "drop":
            adjacency.drop(row)
            model.pop(row, None)
        elif kind == "rows":  # which sorts them
            assert isinstance(argument, int)
            adjacency.rows(argument)
        elif row in model:
            assert isinstance(argument, int)
            if kind == "add":
                adjacency.add(row, argument)
                model[row].add(argument)
            else:
                adjacency.remove(row, argument)
                model[row].discard(argument)
    for author in range(1, 7):
        rows = adjacency.rows(author).tolist()
        assert rows == sorted(row for row, authors in model.items() if author in authors)
    for row in range(5):
        assert (row in adjacency) == (row in model)
        assert sorted(adjacency.following(row)) == sorted(model.get(row, ()))


ROWS = st.sets(st.integers(0, 30)).map(lambda rows: np.array(sorted(rows), np.int64))


@given(ROWS, ROWS)
def test_rows_are_cut_and_joined_as_sets(rows: Rows, others: Rows) -> None:
    """Whichever of the two is longer, and in order."""
    assert common(rows, others).tolist() == sorted({*rows.tolist()} & {*others.tolist()})
    assert without(rows, others).tolist() == sorted({*rows.tolist()} - {*others.tolist()})
