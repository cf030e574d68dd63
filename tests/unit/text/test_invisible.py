"""What can be seen, and what has no place in a label."""

import sys

import pytest
import regex

from rookery.text import invisible

_FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


def test_nothing_that_is_ignorable_or_blank_is_visible() -> None:
    """No character of Unicode that shows nothing by its properties counts as visible."""
    unseen = regex.compile(
        r"[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{C}\p{Z}\p{M}\u2800]+", regex.V1
    )
    found = "".join(unseen.findall("".join(map(chr, range(sys.maxunicode + 1)))))
    assert "\u2800" in found
    assert not invisible.is_visible(found), [
        hex(ord(each)) for each in found if invisible.is_visible(each)
    ]


@pytest.mark.parametrize(
    "text", ["a", "\u65e5", "\u0639", "\U0001f600", "-", "\u0e01\u0e31", "\u2801"]
)
def test_visible(text: str) -> None:
    """Letters, digits, signs and emoji of any script."""
    assert invisible.is_visible(text)


@pytest.mark.parametrize(
    "label",
    [
        "Ada Lovelace",
        "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",  # Persian: books
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: I want
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala: Sri
        "\u0d05\u0d35\u0d28\u0d4d\u200d",  # Malayalam: he
        "\u0928\u092e\u0938\u094d\u200d\u0924\u0947",  # Hindi: namaste
        "\U0001f469\u200d\U0001f4bb",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\u2764\ufe0f",
        "1\ufe0f\u20e3",
        _FLAG,
        "\u845b\U000e0100",  # a variant of a Han character
        "\u2813\u2811\u2800\u2807",  # Braille, in two words
        "\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u05d9\u05ea",  # Hebrew, pointed
    ],
)
def test_what_scripts_and_emoji_need_has_its_place(label: str) -> None:
    """Joiners inside words, variation selectors and emoji sequences."""
    assert invisible.misplaced(label) is None
    assert not invisible.too_many_marks(label)


@pytest.mark.parametrize(
    ("label", "at"),
    [
        ("A\u200bda", 1),
        ("A\u200dda", 1),
        ("Ada\u3164", 3),
        ("Ada\u2800", 3),
        ("Ada\ufe0f", 3),
        ("1\ufe0f", 1),
        ("\u202eada", 0),
        ("ada\u200e", 3),
        ("\u061cada", 0),
        ("\u2066ada\u2069", 0),
        ("a\xadda", 1),
        ("\U0001f469\u200d", 1),
        ("\U0001f3f4\U000e0067", 1),
        ("Ada\U000e0041", 3),
    ],
)
def test_what_only_tells_two_equal_labels_apart_is_found(label: str, at: int) -> None:
    """Zero-width characters, fillers, and all twelve controls of direction."""
    assert invisible.misplaced(label) == at


def test_marks_that_cover_other_lines_are_found() -> None:
    """Six marks over a letter are more than any language's, seven too many."""
    assert not invisible.too_many_marks("a" + "\u0301" * 6)
    assert invisible.too_many_marks("a" + "\u0301" * 7)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\u202eabc", "abc"),
        ("\u202dabc\u202c", "abc"),
        ("\u202babc\u202c", "\u202babc\u202c"),
        ("\u2067abc\u2069", "\u2067abc\u2069"),
        ("\u2067abc", "abc"),
        ("abc\u202c\u2069", "abc"),
        ("\u2066a\u202b\u2069b", "\u2066a\u202b\u2069b"),  # ended by the isolate around it
        ("\u2067a\nb\u2069", "a\nb"),  # a paragraph's end is the end
        ("a\u200fb", "a\u200fb"),
    ],
)
def test_direction_is_kept_within_its_line(text: str, shown: str) -> None:
    """What is closed stays, what is left open or written backwards goes."""
    assert invisible.neutralised(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a   b\nc"),
        ("\x1b[0m\x00\x7f\x9b\r", "\\x1b[0m\\x00\\x7f\\x9b\\r"),
        ("\u202e\ud800\u3164", "\\u202e\\ud800\\u3164"),
        ("1\ufe0f\u20e3 \u0645\u06cc\u200c\u062e", "1\ufe0f\u20e3 \u0645\u06cc\u200c\u062e"),
    ],
)
def test_escaped_text_acts_on_nothing(text: str, shown: str) -> None:
    """What shows nothing is written out; what scripts and emoji need stays."""
    assert invisible.escaped(text) == shown.replace("\\r", "\\x0d")
