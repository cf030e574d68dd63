"""The collections on which the contract is checked: each kind of key, column and index once."""

from rookery.store.engine import Collection

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
