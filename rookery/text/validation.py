"""Which texts may be posted, and the one call that checks, weighs and reads a text at once."""

import re

import msgspec

from rookery.text.emoji import MAX_SEQUENCE_CHARS
from rookery.text.entities import Entities, Url
from rookery.text.extraction import extract_with_urls
from rookery.text.invisible import is_visible, neutralised
from rookery.text.urls import MAX_URL_CHARS, extract_urls
from rookery.text.weights import EMOJI_WEIGHT, URL_WEIGHT, normalise, weigh

DEFAULT_LIMIT = 280

PROBLEM_CODES = (
    "text_empty",
    "text_too_long",
    "text_control_character",
    "text_surrogate",
    "text_invalid_character",
)
"""Every code that a `TextProblem` may have."""

_REFUSED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\ufeff\uffff]"  # but not \t, \n
)


class TextProblem(ValueError):
    """A text that cannot be posted.

    `code` is one of `PROBLEM_CODES`; `reason` says what is wrong in words safe to show to anyone.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Parsed(msgspec.Struct, frozen=True):
    """A text that may be posted, normalised; what it holds, and its weighted length."""

    text: str
    entities: Entities
    weight: int


def validate(text: str, limit: int = DEFAULT_LIMIT) -> str:
    """The text in the form to keep, if it may be posted.

    Raises:
        TextProblem: nothing of it can be seen, it is too long for `limit` (weighted), or holds a
            control character other than tab and newline, a lone surrogate, or U+FEFF, U+FFFE or
            U+FFFF.
    """
    if _is_plain(text, limit):
        return text
    text = _check(text, limit)
    _weigh(text, _urls(text, limit), limit)
    return text


def parse(text: str, limit: int = DEFAULT_LIMIT) -> Parsed:
    """`validate`, `weighted_length` and `extract` in one, looking for URLs only once.

    Raises:
        TextProblem: as `validate`.
    """
    if _is_plain(text, limit):
        return Parsed(text, extract_with_urls(text, ()), len(text))
    text = _check(text, limit)
    urls = _urls(text, limit)
    weight = _weigh(text, urls, limit)
    return Parsed(text, extract_with_urls(text, urls), weight)


def _is_plain(text: str, limit: int) -> bool:
    """The short cut for most texts: printable ASCII without a dot is as long as it weighs."""
    return (
        len(text) <= limit
        and text.isascii()
        and text.isprintable()
        and "." not in text
        and text != ""
        and not text.isspace()
    )


def _check(text: str, limit: int) -> str:
    """The normalised text; raises for all but its weight."""
    if len(text) > _most_chars(text, limit):
        raise TextProblem(
            "text_too_long",
            f"text is {len(text)} characters long; the limit is {limit} weighted characters",
        )
    text = normalise(text)
    if not text.isprintable():
        refused = _REFUSED.search(text)
        if refused is not None and not text.isspace():
            raise _refusal(refused[0], refused.start())
        turned, text = text, neutralised(text)
        if turned != text:
            text = normalise(text)  # what was apart may compose
    if not is_visible(text):
        raise TextProblem("text_empty", "text is empty")
    return text


def _most_chars(text: str, limit: int) -> int:
    """More code points than this are refused before any other work.

    Per unit of weight a text has at most as many code points as the longest emoji (which also
    covers what normalising may save: at most three become one). Only URLs can be longer, and a
    text without a dot has none. For ASCII, which normalising does not change, that bound is
    exact. Other text is granted one URL of the greatest length but no more, because the time
    NFC takes grows with the square of a run of combining marks.
    """
    most = limit * MAX_SEQUENCE_CHARS // EMOJI_WEIGHT
    if "." in text:
        most += MAX_URL_CHARS * (limit // URL_WEIGHT if text.isascii() else 1)
    return most


def _urls(text: str, limit: int) -> tuple[Url, ...]:
    """The text's URLs; gives up once there are too many for the limit whatever else there is."""
    most = limit // URL_WEIGHT
    urls = extract_urls(text, at_most=most + 1)
    if len(urls) > most:
        raise TextProblem(
            "text_too_long",
            f"text holds more than {most} {'URL' if most == 1 else 'URLs'}, each of which counts "
            f"as {URL_WEIGHT} characters; the limit is {limit}",
        )
    return urls


def _weigh(text: str, urls: tuple[Url, ...], limit: int) -> int:
    weight = weigh(text, urls)
    if weight > limit:
        raise TextProblem(
            "text_too_long",
            f"text is {weight} weighted characters long; the limit is {limit}",
        )
    return weight


def _refusal(character: str, offset: int) -> TextProblem:
    name = f"U+{ord(character):04X} at offset {offset}"
    if "\ud800" <= character <= "\udfff":
        return TextProblem("text_surrogate", f"text holds a lone surrogate, {name}")
    if character in "\ufffe\ufeff\uffff":
        return TextProblem("text_invalid_character", f"text holds an invalid character, {name}")
    return TextProblem("text_control_character", f"text holds a control character, {name}")
