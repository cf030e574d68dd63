"""What a server's logs say: lines of ours by event, and what should not be there."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRACEBACK = "Traceback (most recent call last)"
MAX_FILE_BYTES = 256 << 20
_RAYS_OWN = ("monitor", "log_monitor", "dashboard", "gcs_server", "raylet", "old")
"""Beginnings of names of files that Ray writes about itself."""


@dataclass
class Line:
    """One of ours."""

    source: str
    event: str
    level: str
    fields: dict[str, Any]
    text: str


@dataclass
class Logs:
    """All of them."""

    lines: list[Line] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    """Each with the file it is in and the lines around it."""
    bytes: int = 0


def read(paths: Iterable[Path]) -> Logs:
    """Read files of logs, of which some may be long or no text."""
    logs = Logs()
    for path in paths:
        if path.name.endswith((".gz", ".sqlite", ".pid")):
            continue
        logs.bytes += path.stat().st_size
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES)
        texts = raw.decode(errors="replace").splitlines()
        for number, text in enumerate(texts):
            line = _parsed(path.name, text)
            if line is not None:
                logs.lines.append(line)
            if _is_traceback(path, text, line):
                about = text if line is not None else " | ".join(texts[number : number + 15])
                logs.tracebacks.append(f"{path.name}: {about[:800]}")
    return logs


def _parsed(source: str, text: str) -> Line | None:
    start = text.find("{")
    if start < 0 or '"event"' not in text:
        return None
    try:
        fields = json.loads(text[start:])
    except ValueError:
        return None
    if not isinstance(fields, dict) or "event" not in fields:
        return None
    level = str(fields.get("level", ""))
    return Line(source, str(fields["event"]), level, fields, text)


def _is_traceback(path: Path, text: str, line: Line | None) -> bool:
    if path.name.startswith(_RAYS_OWN):
        return TRACEBACK in text and "rookery" in text
    if line is not None and (line.fields.get("exception") or line.fields.get("level") == "error"):
        return True
    return TRACEBACK in text and line is None


def tracebacks_by_kind(found: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Examples, each with the number of those like it."""
    kinds: dict[str, list[str]] = {}
    for each in found:
        kinds.setdefault("".join(c for c in each if c.isalpha())[:400], []).append(each)
    for likes in kinds.values():
        yield likes[0], len(likes)
