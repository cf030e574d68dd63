"""Hashtags, beyond the conformance file."""

import pytest

from rookery.text import Hashtag, extract, extract_hashtags


def _tags(text: str) -> list[str]:
    return [hashtag.tag for hashtag in extract_hashtags(text)]


@pytest.mark.parametrize(
    "tag",
    [
        "a",
        "1a",
        "_a_",
        "caf\xe9",
        "cafe\u0301",
        "a\xb7b",
        "\u05d0\u05f4\u05d1",
        "\u0915\u094d\u200d\u0937",
        "\u30ab\u30fb\u30bf",
        "\U00020000",
        "\u1c90",  # a letter since Unicode 11
        "a\u0663",
        "a\uff11",
    ],
)
def test_is_taken_whole(tag: str) -> None:
    """Letters and marks of any script, numerals and joiners make a tag."""
    assert _tags(f"so #{tag} it is") == [tag]


@pytest.mark.parametrize(
    "tag", ["1", "_", "\u200d", "\u0663", "1_\xb7", "\u30fb", "\u2460", "\xb2"]
)
def test_needs_a_letter(tag: str) -> None:
    """Numerals and joiners alone are no tag; circled and superscript numbers never belong."""
    assert _tags(f"#{tag} ") == []


@pytest.mark.parametrize(
    "after", ["-", ".", "'", "\u2019", "\u3002", "\U0001f600", "$", "@", "\xd7"]
)
def test_is_ended(after: str) -> None:
    """Punctuation, symbols and emoji end a tag."""
    assert _tags(f"#tag{after}more") == ["tag"]


@pytest.mark.parametrize("before", ["a", "1", "_", "&", "\u3042", "\xb7", "\u0301", "\u200d"])
def test_must_not_follow(before: str) -> None:
    """A tag does not begin right after what could be part of one, nor in an HTML entity."""
    assert _tags(f" {before}#tag") == []


@pytest.mark.parametrize(
    "before", ["#", "\uff03", "-", "/", "@", "$", "\U0001f600", "\ufe0f", "\ufe0e"]
)
def test_may_follow(before: str) -> None:
    """A tag may touch a sign or an emoji, with its selector or without."""
    assert _tags(f" {before}#tag") == ["tag"]


@pytest.mark.parametrize("after", ["#", "\uff03", "://"])
def test_is_spoilt_by_what_follows(after: str) -> None:
    """Another sign right behind, or a protocol's end, prevents a tag."""
    assert _tags(f"#tag{after}") == []


def test_sign_that_spoils_cannot_begin_the_next() -> None:
    """After a tag ending in a selector the next sign is spoilt too."""
    assert _tags("#a\ufe0f#b") == []


@pytest.mark.parametrize("text", ["#\ufe0f\u20e3tag", "#\u20e3tag", "#\ufe0ftag"])
def test_keycap_is_no_sign(text: str) -> None:
    """The emoji of a hash sign begins no tag."""
    assert _tags(text) == []


def test_accepts_a_full_width_sign() -> None:
    """U+FF03 is a hash sign, and counts within the offsets."""
    assert extract_hashtags("x \uff03tag") == (Hashtag("tag", 2, 6),)


@pytest.mark.parametrize("text", ["example.com/#tag", "http://example.com/?q#tag"])
def test_within_a_url_is_left_out(text: str) -> None:
    """A tag inside a URL belongs to the URL."""
    assert _tags(text) == []
    assert extract(text).hashtags == ()


def test_wins_over_a_url_that_begins_within_it() -> None:
    """Of two entities that overlap the one that begins first stays."""
    found = extract("#\u65e5\u672cexample.com")
    assert ([h.tag for h in found.hashtags], found.urls) == (["\u65e5\u672cexample"], ())


def test_ascii_tag_is_the_same_within_other_text() -> None:
    """The rule for plain ASCII agrees with the general one."""
    for text in ["#a", "x#a", "&#a", "#1 #1a #_", "##a", "#a#b #c", "#a://b #c", "#a-#b"]:
        assert _tags(text) == _tags(f"{text} \u3042")
