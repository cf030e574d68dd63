"""Mentions of users (`@username`) and of lists (`@username/slug`), and whom a text replies to.

The rule: an at sign, half or full width, then 1 to 20 of `[A-Za-z0-9_]`, then perhaps a slash
and a slug of 1 to 25 that starts with a letter. What stands before the sign must not be a letter,
digit or one of `_!#$%&*@`, unless it is the letters RT on their own. What follows must not be
another at sign, an accented Latin letter (the name would be cut in two) or `://`.
"""

import re

from rookery.text.chars import AT_SIGNS, DIRECTIONAL, LATIN_ACCENTED, SPACES
from rookery.text.entities import Mention

_NAME = r"[A-Za-z0-9_]{1,20}+"
# Consumed when it is there: the at sign that spoils one mention cannot begin the next.
_SPOILT = rf"([{AT_SIGNS}{LATIN_ACCENTED}]|://)?+"

_MENTION = re.compile(
    rf"[{AT_SIGNS}]"
    rf"(?:(?<![A-Za-z0-9_!#$%&*{AT_SIGNS}].)|(?<=[Rr][Tt].)(?<![A-Za-z0-9_+~.\-][Rr][Tt].))"
    rf"({_NAME})(?:/([A-Za-z][A-Za-z0-9_\-]{{0,24}}+))?+{_SPOILT}"
)
_REPLY = re.compile(rf"[{SPACES}{DIRECTIONAL}]*+[{AT_SIGNS}]({_NAME}){_SPOILT}")


def extract_mentions_or_lists(text: str) -> tuple[Mention, ...]:
    """The mentions of users and of lists, in order; also those in URLs (`extract` drops these)."""
    if "@" not in text and "\uff20" not in text:
        return ()
    found = []
    for match in _MENTION.finditer(text):
        name, slug, spoilt = match.groups()
        if spoilt is None:
            found.append(Mention(name, match.start(), match.end(), slug))
    return tuple(found)


def extract_mentions(text: str) -> tuple[Mention, ...]:
    """The mentions of users alone: `@username/slug` names a list, not its owner."""
    return tuple(m for m in extract_mentions_or_lists(text) if m.list_slug is None)


def reply_to(text: str) -> str | None:
    """The username a text begins with (white space aside), or None if it begins otherwise."""
    match = _REPLY.match(text)
    return match[1] if match is not None and match[2] is None else None
