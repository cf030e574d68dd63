"""Which texts may be posted."""

import pickle

import pytest

from rookery.text import TextProblem, extract, parse, validate, weighted_length

_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
_LONG_URL = "https://example.com/" + "a" * 4000


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "two\nlines\tand a tab",
        "a" * 280,
        "\u65e5" * 140,
        _FAMILY * 140,
        "e\u0301" * 280,
        "a. " + "b" * 277,
        " ".join([_LONG_URL] * 11),
        "\u202ahello\u202c",
        "\u200bx",
        "x\ue000",
    ],
)
def test_may_be_posted(text: str) -> None:
    """Texts within the limit, whatever their length in code points."""
    assert weighted_length(validate(text)) <= 280


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("a" * 281, 281),
        ("\u65e5" * 140 + "a", 281),
        (_FAMILY * 140 + "a", 281),
        ("see http://example.com " + "a" * 260, 288),
    ],
)
def test_too_long(text: str, weight: int) -> None:
    """The reason tells the weight and the limit."""
    with pytest.raises(TextProblem) as caught:
        validate(text)
    assert caught.value.code == "text_too_long"
    reason = f"text is {weight} weighted characters long; the limit is 280"
    assert caught.value.reason == str(caught.value) == reason


@pytest.mark.parametrize("text", ["a.co " * 13, "a.co " * 10_000])
def test_too_many_urls(text: str) -> None:
    """More URLs than can fit are refused without looking at the rest."""
    with pytest.raises(TextProblem, match="text holds more than 12 URLs"):
        validate(text)


@pytest.mark.parametrize("text", ["a" * 1401, "\u0301" * 100_000, "a." * 100_000])
def test_far_too_long_is_refused_before_any_work(text: str) -> None:
    """Such a text is not even weighed, so the reason tells its length instead."""
    with pytest.raises(TextProblem, match=f"text is {len(text)} characters long; the limit is 280"):
        validate(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\n\t\r\n", "\u3000\xa0", "\u200b\u200d\ufe0f", "\u2060\u3164\u180e", "\u2028"),
        *("\u3164", "\u2800", "\u034f", "\uffa0\u115f", "\ufe0f", "\U000e0100", "\u0301", "\ue000"),
        *("\U0001d159", "\U00013441", "\ufffc", "\u202e \u202c", "\U000e0041"),
    ],
)
def test_blank(text: str) -> None:
    """White space, and what shows nothing at all, is no text."""
    with pytest.raises(TextProblem, match=r"^text is empty$") as caught:
        validate(text)
    assert caught.value.code == "text_empty"


@pytest.mark.parametrize(
    ("character", "code"),
    [
        ("\x00", "text_control_character"),
        ("\x0b", "text_control_character"),
        ("\r", "text_control_character"),
        ("\x1b", "text_control_character"),
        ("\x7f", "text_control_character"),
        ("\x85", "text_control_character"),
        ("\x9f", "text_control_character"),
        ("\ud800", "text_surrogate"),
        ("\udfff", "text_surrogate"),
        ("\ufeff", "text_invalid_character"),
        ("\ufffe", "text_invalid_character"),
        ("\uffff", "text_invalid_character"),
    ],
)
def test_character_refused(character: str, code: str) -> None:
    """The reason names the first such character and its place, never showing it."""
    with pytest.raises(TextProblem) as caught:
        validate(f"ab{character}")
    assert caught.value.code == code
    assert f"U+{ord(character):04X} at offset 2" in caught.value.reason
    assert caught.value.reason.isprintable()


def test_returns_the_normal_form() -> None:
    """What is validated is what is kept."""
    assert validate("cafe\u0301\r\n") == "caf\xe9\n"


def test_direction_stays_within_the_text() -> None:
    """What would turn the lines behind it is left out; offsets and weight are of what is kept."""
    parsed = parse("\u202e#tag \u2067open")
    assert parsed.text == "#tag open"
    assert parsed.entities.hashtags[0].start == 0
    assert parsed.weight == len(parsed.text)


def test_limit_is_the_callers() -> None:
    """Another limit may be given."""
    assert validate("a" * 300, limit=300) == "a" * 300
    with pytest.raises(TextProblem, match=r"the limit is 3$"):
        validate("abcd", limit=3)


def test_problem_survives_pickling() -> None:
    """It crosses between processes with all it says."""
    problem = TextProblem("text_empty", "text is empty")
    copy = pickle.loads(pickle.dumps(problem))
    assert (type(copy), copy.code, copy.reason) == (TextProblem, "text_empty", "text is empty")


@pytest.mark.parametrize(
    "text",
    ["hello @user", "e\u0301 #tag see example.com/@user", "a.co $TWTR", "x" * 280, _FAMILY, "a\nb"],
)
def test_parsing_is_validating_weighing_and_extracting(text: str) -> None:
    """One call gives what the three give, offsets being into the normal form."""
    parsed = parse(text)
    assert parsed.text == validate(text)
    assert parsed.weight == weighted_length(text)
    assert parsed.entities == extract(parsed.text)


@pytest.mark.parametrize("text", ["", "a" * 281, "a\x00", "\ud800"])
def test_parsing_refuses_what_validating_refuses(text: str) -> None:
    """With the same problem."""
    with pytest.raises(TextProblem) as validating:
        validate(text)
    with pytest.raises(TextProblem) as parsing:
        parse(text)
    assert parsing.value.args == validating.value.args
