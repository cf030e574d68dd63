"""Positions as text."""

import pytest

from rookery.client.position import Position


@pytest.mark.parametrize("epoch", ["a", "x" * 40, "with:colon", "é\n"])
def test_a_position_survives_as_text(epoch: str) -> None:
    """What was saved is what is loaded."""
    position = Position(epoch, 12)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text", ["", "12", ":a", "12:", "-1:a", "x:a", f"12:{41 * 'x'}", "\u0661:a"]
)
def test_other_texts_are_refused(text: str) -> None:
    """A damaged file is noticed."""
    with pytest.raises(ValueError, match="not a stream position"):
        Position.parse(text)
