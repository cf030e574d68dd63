"""URLs, with a protocol (`https://example.com/a`) or without one (`example.com/a`).

The rules are those of twitter-text's regular expressions. The search is not: tried at every
character, those expressions take time that grows with the cube of the text ("a.a.a.a.…", 1,000
characters, 3 s). Here the dots that a top-level domain follows are found first (mostly there are
none), then the run of domain characters around each is cut into labels once; time grows with
the length of the text alone.

How a domain is chosen within a run: labels joined by dots, each beginning and ending with a
domain character (not `-` or `_`), the last before the top-level domain without `_`, and as many
labels as possible. The first character that may begin one wins; it must not follow a letter, a
digit or one of `@#$`.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rookery.text.chars import CYRILLIC, DIRECTIONAL, HASH_SIGNS, INVALID, LATIN_ACCENTED, SPACES
from rookery.text.entities import Url
from rookery.text.tlds import ASCII_TLDS, UNICODE_TLDS

MAX_URL_CHARS = 4096
_MAX_LABEL_CHARS = 63
_MAX_TCO_SLUG_CHARS = 40
_IMPLIED_PROTOCOL_CHARS = len("https://")

# Domain characters, dots and hyphens: all but other ASCII punctuation, controls and spaces.
_RUN_CLASS = rf"[^\x00-,/:-@\[-^`{{-\x7f{SPACES}{INVALID}{DIRECTIONAL}]"
_RUN = re.compile(rf"(?<!{_RUN_CLASS}){_RUN_CLASS}++")
_START = re.compile(rf"(?<![A-Za-z0-9@\uff20${HASH_SIGNS}{INVALID}])[^_\-]")

_ANY_DOT = re.compile(r"\.")
_DOT = re.compile(r"\.(?=[A-Za-z\x80-\U0010ffff])")
_WORD = re.compile(r"[A-Za-z]++(?![0-9@+\-])")
_UNICODE_TLD = re.compile(
    f"(?:{'|'.join(map(re.escape, UNICODE_TLDS))})(?![0-9A-Za-z@+\\-])", re.IGNORECASE
)
_PUNYCODE_TLD = re.compile(r"[Xx][Nn]--[\-0-9A-Za-z]+")

_ASCII_LABEL = rf"[\-_a-zA-Z0-9{LATIN_ACCENTED}]"
_ASCII_CHAIN = re.compile(rf"(?<!{_ASCII_LABEL}){_ASCII_LABEL}++\.(?:{_ASCII_LABEL}++\.)*+")
_PLAIN_DOMAIN = re.compile(r"[A-Za-z0-9._\-]+")

# RFC 3454, table B.1.
_MAPPED_TO_NOTHING = re.compile(
    "[\xad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]"
)

# After the domain. A path may hold parentheses in pairs, one pair within another, and does not
# end with punctuation; so a closing bracket or full stop of the sentence stays out. A pair right
# after punctuation does not count (Java and JavaScript; in Ruby it does).
_PATH_CHAR = rf"[a-zA-Z{CYRILLIC}0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{LATIN_ACCENTED}]"
_PAIR = rf"\((?:{_PATH_CHAR}++\)|{_PATH_CHAR}*+\({_PATH_CHAR}++\){_PATH_CHAR}*+\))"
_PATH_END = rf"[+\-a-zA-Z{CYRILLIC}0-9=_#/{LATIN_ACCENTED}]"
_PATH = rf"(?:{_PATH_CHAR}*(?:(?>{_PAIR}){_PATH_CHAR}*)*{_PATH_END})?(?:{_PAIR})*+"
_QUERY = r"\?[a-zA-Z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-zA-Z0-9\-_&=#/]"
_TAIL = re.compile(rf"(?::[0-9]+)?(/{_PATH})?(?:{_QUERY})?")
_TCO = re.compile(rf"https?://t\.co/([a-z0-9]+)(?:{_QUERY})?", re.IGNORECASE)


def extract_urls(text: str, at_most: int | None = None) -> tuple[Url, ...]:
    """All URLs, in order; with `at_most`, no more than that many and no work for the rest.

    Of one without a protocol only the part in ASCII and accented Latin letters counts, so that
    a domain may stand in Chinese or Japanese text without spaces. A URL whose domain cannot be
    (a label of more than 63 characters in ASCII form), or of more than 4,096 characters, is none,
    nor is a t.co link with a slug of more than 40.
    """
    if "." not in text:
        return ()
    tld_ends = _find_tlds(text)
    if not tld_ends:
        return ()
    found: list[Url] = []
    consumed = 0
    run_end = 0
    for dot in tld_ends:
        if dot < run_end:
            continue
        if at_most is not None and len(found) >= at_most:
            break
        # A run holds no space, so the one around the dot begins behind the last space before it.
        behind_space = text.rfind(" ", run_end, dot) + 1
        runs = _RUN.finditer(text, max(run_end, behind_space))
        start, run_end = next(run.span() for run in runs if run.end() > dot)
        for match in _Run(text, start, run_end, tld_ends).matches(consumed):
            consumed = match.end
            found.extend(_accepted(text, match, tld_ends))
    return tuple(found[:at_most])


def _find_tlds(text: str) -> dict[int, int]:
    """Where a top-level domain follows a dot: the dot's place to the end of that domain."""
    found = {}
    for match in _DOT.finditer(text):
        end = _tld_end(text, match.end())
        if end is not None:
            found[match.start()] = end
    return found


def _tld_end(text: str, start: int) -> int | None:
    word = _WORD.match(text, start)
    if word is not None and word[0].lower() in ASCII_TLDS:
        return word.end()
    first = text[start]
    if first in "xX":
        match = _PUNYCODE_TLD.match(text, start)
    elif first in "vV" or not first.isascii():  # vermögensberatung begins in ASCII
        match = _UNICODE_TLD.match(text, start)
    else:
        return None
    return None if match is None else match.end()


class _Match(NamedTuple):
    """One match of the URL rule, not yet checked for lengths."""

    start: int
    domain_start: int  # behind the protocol; equal to `start` where there is none
    domain_end: int
    has_path: bool
    end: int


class _Run:
    """A stretch of domain characters, dots and hyphens, in which domains are to be found."""

    def __init__(self, text: str, start: int, end: int, tld_ends: dict[int, int]) -> None:
        self._text = text
        self._start = start
        self._tld_ends = tld_ends
        self._dots = [match.start() for match in _ANY_DOT.finditer(text, start, end)]
        self._reach = self._find_reach()

    def _find_reach(self) -> list[int | None]:
        """Per label, the last dot a domain beginning with that whole label can include."""
        dots = self._dots
        reach: list[int | None] = [None] * (len(dots) + 1)
        for i in range(len(dots) - 1, -1, -1):
            start, dot = self._label_start(i), dots[i]
            if start < dot and self._text[start] not in "_-" and self._text[dot - 1] not in "_-":
                reach[i] = reach[i + 1]
                if reach[i] is None and dot in self._tld_ends and not self._underscored(i):
                    reach[i] = dot
        return reach

    def _label_start(self, i: int) -> int:
        return self._dots[i - 1] + 1 if i else self._start

    def _underscored(self, i: int) -> bool:
        return self._text.find("_", self._label_start(i), self._dots[i]) >= 0

    def matches(self, consumed: int) -> Iterator[_Match]:
        """The matches in order; what stands before `consumed` belongs to earlier ones."""
        text = self._text
        start = self._protocol_start(consumed)
        last_dot = self._reach[0]
        if start is not None and last_dot is not None:
            match = self._complete(start, self._start, last_dot)
            consumed = match.end
            yield match
        for i, dot in enumerate(self._dots):
            if dot <= consumed or text[dot - 1] in "_-":
                continue
            lowest = self._label_start(i)
            last_dot = self._reach[i + 1]
            if last_dot is None:
                if dot not in self._tld_ends:
                    continue
                last_dot = dot
                lowest = max(lowest, text.rfind("_", lowest, dot) + 1)
            start = self._domain_start(lowest, dot, consumed)
            if start is not None:
                match = self._complete(start, start, last_dot)
                consumed = match.end
                yield match

    def _protocol_start(self, consumed: int) -> int | None:
        text, end = self._text, self._start
        if text[end - 3 : end] != "://":
            return None
        for protocol in ("http://", "https://"):
            start = end - len(protocol)
            if start >= 0 and text[start:end].lower() == protocol:
                free = start > consumed or start == consumed == 0
                return start if free and _START.match(text, start) else None
        return None

    def _domain_start(self, lowest: int, dot: int, consumed: int) -> int | None:
        """The first place in a label, not before `lowest`, at which a domain can begin.

        The character before it must be there and not consumed, except at the very beginning of
        the text; even there a beginning at the second character goes first (as in twitter-text).
        """
        text = self._text
        if consumed == 0 and lowest == 0:
            if dot > 1 and _START.match(text, 1):
                return 1
            if _START.match(text, 0):
                return 0
        match = _START.search(text, max(lowest, consumed + 1), dot)
        return None if match is None else match.start()

    def _complete(self, start: int, domain_start: int, last_dot: int) -> _Match:
        domain_end = self._tld_ends[last_dot]
        tail = _TAIL.match(self._text, domain_end)
        end = domain_end if tail is None else tail.end()
        has_path = tail is not None and tail[1] is not None
        return _Match(start, domain_start, domain_end, has_path, end)


def _accepted(text: str, match: _Match, tld_ends: dict[int, int]) -> Iterator[Url]:
    """The URLs a match stands for: one or none, or without a protocol perhaps several."""
    start, domain_start, domain_end, has_path, end = match
    if domain_start > start:
        tco = _TCO.match(text, start, end)
        if tco is not None:
            if len(tco[1]) > _MAX_TCO_SLUG_CHARS:
                return
            end = tco.end()
        if _is_possible(text[domain_start:domain_end], end - start):
            yield Url(text[start:end], start, end)
    elif start == 0 or text[start - 1] not in "-_./":
        for domain, at in _ascii_domains(text, start, domain_end, tld_ends):
            last = end if has_path and at + len(domain) == domain_end else at + len(domain)
            if _is_possible(domain, last - at + _IMPLIED_PROTOCOL_CHARS):
                yield Url(text[at:last], at, last)


def _ascii_domains(
    text: str, start: int, end: int, tld_ends: dict[int, int]
) -> Iterator[tuple[str, int]]:
    """The domains in ASCII and accented Latin letters within a domain, and where they stand."""
    domain = text[start:end]
    if _PLAIN_DOMAIN.fullmatch(domain):
        yield domain, start
        return
    for chain in _ASCII_CHAIN.finditer(domain):
        dot = start + chain.end() - 1
        while dot >= start + chain.start():
            if dot in tld_ends:
                yield text[start + chain.start() : tld_ends[dot]], start + chain.start()
                break
            dot = text.rfind(".", start + chain.start(), dot)


def _is_possible(domain: str, url_chars: int) -> bool:
    """Whether a domain can be written in ASCII (RFC 3492), and its URL is short enough then."""
    if domain.isascii():
        if len(domain) > _MAX_LABEL_CHARS and any(
            len(label) > _MAX_LABEL_CHARS for label in domain.split(".")
        ):
            return False
        return url_chars <= MAX_URL_CHARS
    encoded_chars = -1
    for label in re.split("[.\u3002\uff0e\uff61]", domain):
        if not label.isascii():
            label = _MAPPED_TO_NOTHING.sub("", label)
        chars = len(label)
        if not label.isascii():
            # Punycode is longer than what it encodes, so a long label need not be encoded; and
            # only what is in ASCII already may begin like it.
            if chars > _MAX_LABEL_CHARS or label[:4].lower() == "xn--":
                return False
            chars = len("xn--") + len(label.encode("punycode"))
        if not 0 < chars <= _MAX_LABEL_CHARS:
            return False
        encoded_chars += chars + 1
    return url_chars - len(domain) + encoded_chars <= MAX_URL_CHARS
