"""Whose turn it is."""

from rookery.domain.turns import Turns


def _all(turns: Turns[str]) -> list[str]:
    taken = []
    while (item := turns.next()) is not None:
        taken.append(item)
    return taken


def test_keys_take_turns() -> None:
    """Whoever has lined up many items delays the one of another by one item."""
    turns: Turns[str] = Turns(100, 100)
    for item in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        assert turns.add(item[0], item)
    assert _all(turns) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert len(turns) == 0


def test_an_item_can_leave_before_its_turn() -> None:
    """It is not taken then; leaving twice does nothing."""
    turns: Turns[str] = Turns(100, 100)
    for item in ("a1", "a2", "b1"):
        turns.add(item[0], item)
    assert turns.discard("a", "a1")
    assert turns.discard("b", "b1")
    assert not turns.discard("b", "b1")
    assert _all(turns) == ["a2"]


def test_room_is_bounded_for_each_and_for_all() -> None:
    """Over the bound an item is not taken in; others still are, as long as there is room."""
    turns: Turns[str] = Turns(2, 3)
    assert [turns.add("a", item) for item in ("a1", "a2", "a3")] == [True, True, False]
    assert [turns.add(key, key) for key in ("b", "c")] == [True, False]
    assert turns.next() == "a1"
    assert turns.add("c", "c")
