"""The collections on which the contract is checked: each kind of key, column and index once."""

from typing import Any

from rookery.store.engine import Collection, Document

ITEMS = Collection(
    "items",
    key={"id": int},
    columns={"owner": int, "label": str, "score": int},
    indexes={"by_owner": ("owner",), "by_label": ("label", "score")},
)
NOTES = Collection("notes", key={"id": int}, columns={"score": int})
LINKS = Collection(
    "links",
    key={"source": int, "target": int},
    columns={"link_id": int},
    indexes={"by_time": ("source", "link_id")},
    body=False,
)
NAMES = Collection("names", key={"scope": str, "name": str}, columns={"rank": int})
COUNTS = Collection(
    "counts",
    key={"word": str, "day": int},
    columns={"seen": int, "used": int, "note": str},
    body=False,
)
TOKENS = Collection("tokens", key={"token": str}, columns={"expires_ms": int}, expires="expires_ms")
COLLECTIONS = (ITEMS, NOTES, LINKS, NAMES, COUNTS, TOKENS)

TEXTS = ("", "a", "A", "\x00", "a\x00b", "é", "zebra", "\U0001f426", "'\"\\%_", "a" * 5000)
INTS = (0, -1, 1, 2**53 + 1, 2**63 - 1, -(2**63))
"""Values at the edges of what a key or column may hold."""


def item(id_: int, **fields: Any) -> Document:
    """A document of `ITEMS` as it reads back, with all its columns."""
    return {"id": id_, "owner": None, "label": None, "score": None} | fields
