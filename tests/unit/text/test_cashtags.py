"""Cashtags, beyond the conformance file."""

import pytest

from rookery.text import Cashtag, extract_cashtags


def _symbols(text: str) -> list[str]:
    return [cashtag.symbol for cashtag in extract_cashtags(text)]


@pytest.mark.parametrize("symbol", ["A", "TWTR", "abcdef", "BRK.A", "RDS_b", "BT.AX"])
def test_symbol(symbol: str) -> None:
    """One to six letters, then perhaps a dot or underscore with one or two."""
    assert _symbols(f"buy ${symbol} now") == [symbol]


@pytest.mark.parametrize(
    "text", ["$ABCDEFG", "$A1", "$1A", "$", "$_A", "$\u212a", "$\xe9", "$A\xe9"]
)
def test_no_symbol(text: str) -> None:
    """Longer words, digits, and letters outside ASCII (the kelvin sign too) make none."""
    assert _symbols(text) == []


@pytest.mark.parametrize(("text", "symbol"), [("$BRK.ABC", "BRK"), ("$A.B.C", "A.B"), ("$A_", "A")])
def test_suffix_that_does_not_fit(text: str, symbol: str) -> None:
    """A suffix too long ends the symbol at its dot."""
    assert _symbols(text) == [symbol]


@pytest.mark.parametrize("before", ["", " ", "\n", "\u3000", "\xa0", "\u200e", "\u202a", "\u2066"])
def test_may_follow(before: str) -> None:
    """White space and directional marks may stand before the sign."""
    assert _symbols(f"{before}$TWTR") == ["TWTR"]


@pytest.mark.parametrize("before", ["a", ".", "$", "(", "\u3042", "\U0001f600"])
def test_must_not_follow(before: str) -> None:
    """Nothing else may."""
    assert _symbols(f"{before}$TWTR") == []


@pytest.mark.parametrize(
    "after", ["", " ", "\n", "\u3000", ".", ",", "!", '"', "`", "$", "'s", "-"]
)
def test_may_be_followed(after: str) -> None:
    """White space and ASCII punctuation may stand behind the symbol."""
    assert _symbols(f"$TWTR{after}") == ["TWTR"]


@pytest.mark.parametrize("after", ["\u3042", "\u2019", "\xe9", "\U0001f600"])
def test_must_not_be_followed(after: str) -> None:
    """Anything outside ASCII spoils it."""
    assert _symbols(f"$TWTR{after}") == []


def test_offsets_include_the_sign() -> None:
    """The offsets are those of the sign and symbol, not of the space before."""
    assert extract_cashtags("\U0001f600 $A $B") == (Cashtag("A", 2, 4), Cashtag("B", 5, 7))
