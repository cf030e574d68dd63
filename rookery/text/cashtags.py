"""Cashtags: `$` and a ticker symbol, as in `$TWTR` or `$BRK.A`.

The rule: one to six ASCII letters, then perhaps a dot or underscore with one or two more; before
the sign white space, a directional mark or nothing; after the symbol white space, ASCII
punctuation or nothing. Directional marks count as Java's and Ruby's twitter-text has it.
"""

import re

from rookery.text.chars import ASCII_PUNCTUATION, DIRECTIONAL, SPACES
from rookery.text.entities import Cashtag

_CASHTAG = re.compile(
    rf"\$(?<![^{SPACES}{DIRECTIONAL}].)([A-Za-z]{{1,6}}(?:[._][A-Za-z]{{1,2}})?)"
    rf"(?=\Z|[{SPACES}{ASCII_PUNCTUATION}])"
)


def extract_cashtags(text: str) -> tuple[Cashtag, ...]:
    """All cashtags, in order."""
    if "$" not in text:
        return ()
    return tuple(Cashtag(m[1], m.start(), m.end()) for m in _CASHTAG.finditer(text))
