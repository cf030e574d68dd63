"""Parts of SQL statements."""

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name as SQL has it, whatever words SQL keeps for itself."""
    return f'"{name}"'


def listed(names: Iterable[str], table: str = "") -> str:
    """Names with commas between them; `table` is put before each."""
    return ", ".join(table + quoted(name) for name in names)


def marks(count: int) -> str:
    """So many places for parameters."""
    return ", ".join("?" * count)


def equal(names: Iterable[str]) -> str:
    """The condition that each of the columns equals its parameter."""
    return " AND ".join(f"{quoted(name)} = ?" for name in names)
