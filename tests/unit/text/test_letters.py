"""The table of letters against the Unicode database."""

import itertools
import re
import unicodedata

import pytest

from rookery.text.letters import LETTERS, NUMERALS, SPECIALS

pytestmark = pytest.mark.skipif(
    unicodedata.unidata_version != "14.0.0", reason="the table is that of Unicode 14.0"
)


def _categories() -> dict[str, str]:
    """Every assigned character (private use beyond the basic plane aside) by its kind."""
    characters: dict[str, list[str]] = {"letter": [], "numeral": [], "other": []}
    for character in map(chr, itertools.chain(range(0x32000), range(0xE0000, 0xE0200))):
        category = unicodedata.category(character)
        kind = "letter" if category[0] in "LM" else "numeral" if category == "Nd" else "other"
        characters[kind].append(character)
    return {kind: "".join(found) for kind, found in characters.items()}


def test_table_holds_the_letters_and_numerals_of_unicode() -> None:
    """All letters, marks and decimal digits, nothing else but 68 of private use."""
    categories = _categories()
    assert re.fullmatch(f"[{LETTERS}]+", categories["letter"])
    assert re.fullmatch(f"[{NUMERALS}]+", categories["numeral"])
    assert not re.search(f"[{LETTERS}]", categories["numeral"])
    extra = re.findall(f"[{LETTERS}{NUMERALS}]", categories["other"])
    assert len(extra) == 68
    assert all("\uf870" <= character <= "\uf8d6" for character in extra)


def test_specials_are_neither() -> None:
    """The joiners do not make a hashtag by themselves."""
    specials = re.findall(f"[{SPECIALS}]", "".join(map(chr, range(0x10000))))
    assert len(specials) == 17
    assert not re.search(f"[{LETTERS}{NUMERALS}]", "".join(specials))
