"""Weighted length."""

import pytest

from rookery.text import normalise, weighted_length


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("hello", 5),
        ("caf\xe9", 4),
        ("cafe\u0301", 4),
        ("\u10ff\u1100", 3),
        ("\u2000\u200d\u200e\u200f\u2010\u201f\u2020", 10),
        ("\u2031\u2032\u2037\u2038", 6),
        ("\u65e5\u672c", 4),
        ("\U00020000", 2),
        ("\ud800", 2),
        ("a\r\nb", 3),
        ("http://example.com/" + "a" * 500, 23),
        ("see example.com, ok", 31),
        ("a.co", 23),
        ("a.co b.co", 47),
    ],
)
def test_weight(text: str, weight: int) -> None:
    """Light code points weigh 1, others 2, URLs 23; normal form C is what is weighed."""
    assert weighted_length(text) == weight


@pytest.mark.parametrize(
    "emoji",
    [
        "\U0001f600",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # family
        "\U0001f469\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3ff",  # kiss
        "\U0001f468\U0001f3fd\u200d\u2695\ufe0f",  # health worker
        "\U0001f9d1\u200d\U0001f384",  # Emoji 13
        "\u2764\ufe0f\u200d\U0001f525",  # Emoji 13.1
        "\U0001faf1\U0001f3fb\u200d\U0001faf2\U0001f3ff",  # Emoji 14
        "\U0001f43b\u200d\u2744\ufe0f",  # polar bear
        "\U0001f3c3\u200d\u2640\ufe0f\u200d\u27a1\ufe0f",  # Emoji 15.1
        "\U0001f1fa\U0001f1f8",  # flag
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "1\ufe0f\u20e3",
        "#\u20e3",
        "\xa9\ufe0f",
        "\u263a\ufe0f",
        "\u270c\U0001f3ff",
    ],
)
def test_emoji_weighs_two(emoji: str) -> None:
    """However many code points an emoji has, it weighs 2, also next to others."""
    assert weighted_length(emoji) == 2
    assert weighted_length(f"a{emoji}{emoji}1") == 6


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("\xa9", 1),
        ("\u263a\ufe0e", 4),  # asked for as text
        ("\U0001f600\u200d\U0001f600", 5),  # joined, but no emoji
        ("\U0001f600\U0001f3fb", 4),  # takes no skin tone
        ("1\ufe0f", 3),
        ("\u200d", 1),
    ],
)
def test_what_is_no_sequence_weighs_as_its_parts(text: str, weight: int) -> None:
    """Only sequences recommended for interchange count as one."""
    assert weighted_length(text) == weight


def test_joined_emoji_cannot_hide_text() -> None:
    """A long chain of joined emoji weighs more the longer it is."""
    assert weighted_length("\U0001f468\u200d" * 1000) > 1000


def test_emoji_within_a_url_does_not_count() -> None:
    """A URL weighs the same whatever stands in it."""
    assert weighted_length("http://\U0001f4a9\U0001f4a9.la") == 23


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("plain", "plain"),
        ("a\r\nb\n", "a\nb\n"),
        ("a\rb", "a\rb"),
        ("e\u0301", "\xe9"),
        ("\ufb2c", "\u05e9\u05bc\u05c1"),
        ("\ud800e\u0301", "\ud800\xe9"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    """Normal form C, and one kind of line end."""
    assert normalise(text) == normal
    assert normalise(normal) == normal
