"""Whose turn it is."""

from rookery.domain.turns import Lanes, Turns


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


def _all_of_lanes(lanes: Lanes[str]) -> list[str]:
    taken = []
    while (item := lanes.next()) is not None:
        taken.append(item)
    return taken


def test_the_known_do_not_wait_for_strangers() -> None:
    """However many strangers wait, every second turn is of one who is known, key by key."""
    lanes: Lanes[str] = Lanes(100, 100)
    for number in range(4):
        lanes.add(f"s{number}", f"s{number}", is_known=False)
    for item in ("a1", "a2", "b1"):
        lanes.add(item[0], item, is_known=True)
    assert len(lanes) == 7
    assert _all_of_lanes(lanes) == ["a1", "s0", "b1", "s1", "a2", "s2", "s3"]


def test_strangers_have_the_other_turns() -> None:
    """However many wait who are known."""
    lanes: Lanes[str] = Lanes(100, 100)
    lanes.add("s", "s1", is_known=False)
    lanes.add("s", "s2", is_known=False)
    for number in range(3):
        lanes.add(f"k{number}", f"k{number}", is_known=True)
    assert _all_of_lanes(lanes) == ["k0", "s1", "k1", "s2", "k2"]


def test_strangers_take_no_room_of_the_known() -> None:
    """A full lane says nothing of the other; items leave the lane that they are in."""
    lanes: Lanes[str] = Lanes(1, 1)
    assert lanes.add("a", "a", is_known=False)
    assert not lanes.add("b", "b", is_known=False)
    assert lanes.add("b", "b", is_known=True)
    assert not lanes.discard("b", "b", is_known=False)
    assert lanes.discard("b", "b", is_known=True)
