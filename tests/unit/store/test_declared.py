"""What every engine refuses of a declaration, and by it."""

from typing import Any

import pytest

from rookery.store.declared import Declared
from rookery.store.engine import Collection
from rookery.store.mongo.shapes import Shape
from rookery.store.sqlite.tables import Table

PAIRS = Collection(
    "pairs", key={"a": int, "b": str}, columns={"x": int}, indexes={"by_x": ("x", "a")}
)


@pytest.mark.parametrize("engine", [Table, Shape])
@pytest.mark.parametrize(
    "collection",
    [
        Collection("c", key={}),
        Collection('c"; drop', key={"id": int}),
        Collection("_c", key={"id": int}),
        Collection("c", key={"id": float}),
        Collection("c", key={"a b": int}),
        Collection("c", key={"id": int}, columns={"id": int}),
        Collection("c", key={"id": int}, indexes={"by": ("missing",)}),
        Collection("c", key={"id": int}, columns={"x": int}, indexes={"expires": ("x",)}),
        Collection("c", key={"id": int}, columns={"x": int}, indexes={"key": ("x",)}),
        Collection("c", key={"id": int}, columns={"until": str}, expires="until"),
        Collection("c", key={"id": int}, expires="until"),
    ],
)
def test_unsound_declarations_are_refused(engine: type[Declared], collection: Collection) -> None:
    """A mistake in a declaration shows at the start, not in a query."""
    with pytest.raises(ValueError, match="c"):
        engine(collection)


def test_an_index_sorts_by_its_fields_and_then_by_the_key() -> None:
    """So that each order is a total one."""
    assert Declared(PAIRS).order("by_x") == ("x", "a", "b")
    assert Declared(PAIRS).order(None) == ("a", "b")


@pytest.mark.parametrize("key", [(1,), (1, "b", 2), ("1", "b"), (True, "b"), (1, None)])
def test_keys_have_the_declared_fields(key: Any) -> None:
    """All of them, each of its type."""
    with pytest.raises((ValueError, TypeError), match="pairs"):
        Declared(PAIRS).checked_key(key)


@pytest.mark.parametrize("prefix", [(), (1, "b"), ("1",)])
def test_a_prefix_is_a_part_of_the_key(prefix: Any) -> None:
    """Neither nothing nor the whole."""
    with pytest.raises((ValueError, TypeError), match="pairs"):
        Declared(PAIRS).checked_prefix(prefix)
