"""Hashtags: `#` or its full-width form, then letters, marks, numerals and a few joiners.

The rule: at least one letter among them; no letter, numeral, joiner or `&` before the sign (the
selectors U+FE0E and U+FE0F are marks but end an emoji, so they may stand there); the sign not
itself part of an emoji (`#` with U+FE0F or the keycap U+20E3); and neither another sign nor
`://` right after the tag.
"""

import re

from rookery.text.chars import HASH_SIGNS
from rookery.text.entities import Hashtag
from rookery.text.letters import LETTERS, NUMERALS, SPECIALS

# Consumed when it is there: the sign that spoils one tag cannot begin the next.
_SPOILT = rf"([{HASH_SIGNS}]|://)?+"

_HASHTAG = re.compile(
    rf"[{HASH_SIGNS}](?:(?<![&{LETTERS}{NUMERALS}{SPECIALS}].)|(?<=[\ufe0e\ufe0f].))"
    rf"(?![\ufe0f\u20e3])"
    rf"([{NUMERALS}{SPECIALS}]*+[{LETTERS}][{LETTERS}{NUMERALS}{SPECIALS}]*+){_SPOILT}"
)
_ASCII_HASHTAG = re.compile(r"#(?<![&A-Za-z0-9_].)([0-9_]*+[A-Za-z][A-Za-z0-9_]*+)(#|://)?+")


def find_hashtags(text: str) -> tuple[Hashtag, ...]:
    """The hashtags, in order; also those in URLs (`extract` drops these)."""
    if "#" not in text and "\uff03" not in text:
        return ()
    pattern = _ASCII_HASHTAG if text.isascii() else _HASHTAG
    found = []
    for match in pattern.finditer(text):
        tag, spoilt = match.groups()
        if spoilt is None:
            found.append(Hashtag(tag, match.start(), match.end()))
    return tuple(found)
