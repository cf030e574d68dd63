"""How settings and their values are told to people."""

from difflib import get_close_matches
from typing import Any, get_args

from msgspec import Meta

from rookery.redaction import redacted, redacted_address

PREFIX = "ROOKERY_"
MAX_TEXT = 4_096
"""Characters of a setting that is text."""


def variable(path: str) -> str:
    return f"{PREFIX}{path.replace('.', '_')}".upper()


def nearest(name: str, known: list[str]) -> str:
    match = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else f"; known are {', '.join(known)}"


def quoted(value: object) -> str:
    """A value for people: on one line, not too long, and without passwords."""
    text = redacted_address(value) if isinstance(value, str) else redacted(str(value))
    if len(text) > 100:
        text = f"{text[:100]}…"
    return repr(text) if isinstance(value, str) else text


def allowed(hint: Any) -> str:
    """What a setting may be, in words."""
    base, *metas = get_args(hint)
    bounds = {}
    for meta in metas:
        if isinstance(meta, Meta):
            if meta.extra is not None and "allowed" in meta.extra:
                return str(meta.extra["allowed"])
            for bound in ("ge", "gt", "le", "min_length", "max_length"):
                if (value := getattr(meta, bound)) is not None:
                    bounds[bound] = value
    if base is bool:
        return "true or false"
    if base is str:
        least, most = bounds.get("min_length", 0), bounds.get("max_length", MAX_TEXT)
        return f"text of {least} to {most:,} characters, none of them a control character"
    if base in (int, float):
        kind = "a whole number" if base is int else "a number"
        least = f"above {bounds['gt']}" if "gt" in bounds else f"from {bounds.get('ge', 0)}"
        return f"{kind} {least} to {bounds['le']}" if "le" in bounds else f"{kind} {least}"
    *others, last = map(str, get_args(base))
    return f"{', '.join(others)} or {last}"
