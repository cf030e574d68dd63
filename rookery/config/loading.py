"""Reads the settings from all sources, and validates them once."""

import os
import unicodedata
from collections.abc import Mapping
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from rookery.config.contradictions import check
from rookery.config.sections import ADDRESSES, Config, Section, sections
from rookery.config.sources import from_environment, from_file
from rookery.config.words import MAX_TEXT, allowed, quoted, variable
from rookery.errors import ConfigError


def _is_sound(value: object) -> bool:
    """What the types do not say: numbers are finite, text is short and of characters."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and not any(
            unicodedata.category(each) in ("Cc", "Cs") for each in value
        )
    return True


@cache
def _hints(cls: type[Section]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _validate(section: str, cls: type[Section], values: dict[str, Any]) -> Section:
    hints = _hints(cls)
    converted = {}
    for name, value in values.items():
        try:
            found = msgspec.convert(value, hints[name], strict=not isinstance(value, str))
            if not _is_sound(found):
                raise ValueError("it is infinite, or has control characters, or is too long")
        except (ValueError, OverflowError, msgspec.ValidationError):
            # Without its cause, which may quote a password.
            path = f"{section}.{name}"
            is_text = isinstance(value, str) or path not in ADDRESSES
            said = quoted(value) if is_text else f"a {type(value).__name__}"
            raise ConfigError(
                f"setting {path} ({variable(path)}) = {said}: it may be {allowed(hints[name])}"
            ) from None
        converted[name] = found
    return cls(**converted)


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """The settings from all sources.

    Raises:
        ConfigError: something is unknown, malformed or contradictory; the text names it.
    """
    merged: dict[str, dict[str, Any]] = {}
    if path is None and Path("rookery.toml").exists():
        path = Path("rookery.toml")
    sources: list[Mapping[str, Mapping[str, Any]]] = []
    if path is not None:
        sources.append(from_file(path))
    sources.append(from_environment(os.environ if environ is None else environ))
    sources.append(overrides or {})
    for source in sources:
        for section, values in source.items():
            merged.setdefault(section, {}).update(values)
    built = {
        section: _validate(section, cls, merged.get(section, {}))
        for section, cls in sections().items()
    }
    config = msgspec.structs.replace(Config(), **built)
    check(config)
    return config
