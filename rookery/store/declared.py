"""A declared collection as both engines understand it: its fields, its orders, and what it allows.

Pure. An engine's own form of a collection (a table, the shape of a document) is a subclass.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, TypeVar

from rookery.store.engine import Collection, Key

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_RESERVED_INDEXES = {"key", "expires"}
"""Names of the indexes that engines make by themselves."""

T = TypeVar("T")


class Declared:
    """One collection. `orders` are the fields by which each index sorts, those of the key last.

    What the methods check raises `ValueError` or `TypeError`.

    Raises:
        ValueError: the declaration is not sound.
    """

    reserved_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.name = collection.name
        self.key = tuple(collection.key)
        self.types = {**collection.key, **collection.columns}
        self.orders = {
            name: (*fields, *(field for field in self.key if field not in fields))
            for name, fields in collection.indexes.items()
        }
        self._key_types = tuple(collection.key.values())
        self._check()

    def _check(self) -> None:
        collection = self.collection
        for name in (self.name, *self.types, *collection.indexes):
            if not _NAME.match(name):
                raise ValueError(f"{self.name}: {name!r} is not a plain name")
        if not self.key:
            raise ValueError(f"{self.name} has no key")
        if set(collection.key) & set(collection.columns):
            raise ValueError(f"{self.name} declares a field twice")
        for name in self.reserved_fields & self.types.keys():
            raise ValueError(f"{self.name}: a field may not be named {name!r}")
        if not set(self.types.values()) <= {int, str}:
            raise ValueError(f"{self.name}: keys and columns are int or str")
        for index, fields in collection.indexes.items():
            if not set(fields) <= self.types.keys():
                raise ValueError(f"{self.name}: index {index!r} names a field that is not declared")
        for name in _RESERVED_INDEXES & collection.indexes.keys():
            raise ValueError(f"{self.name}: an index may not be named {name!r}")
        if collection.expires is not None and collection.columns.get(collection.expires) is not int:
            raise ValueError(f"{self.name}: {collection.expires!r} is not an int column")

    def checked_key(self, key: Key) -> Key:
        """`key` as a tuple, if it is a whole and sound one."""
        if tuple(map(type, key)) != self._key_types:  # much faster than one by one
            if len(key) != len(self.key):
                raise ValueError(f"{self.name} has the key {self.key}, not {len(key)} fields")
            for name, value in zip(self.key, key, strict=True):
                self.checked(name, value)
        return tuple(key)

    def checked_prefix(self, prefix: Key) -> Key:
        """`prefix` as a tuple, if it is a sound one of some of the key's fields, but not of all."""
        if not 0 < len(prefix) < len(self.key):
            raise ValueError(f"{self.name}: a range has a part of the key {self.key} as prefix")
        for name, value in zip(self.key, prefix, strict=False):
            self.checked(name, value)
        return tuple(prefix)

    def checked(self, name: str, value: T) -> T:
        """`value`, if the key field or column `name` may hold it."""
        type_ = self.types.get(name)
        if type_ is None:
            raise ValueError(f"{self.name} has no key field or column {name!r}")
        # SQLite would store "12" and 12.0 as 12 in an int column, and nobody would notice.
        if isinstance(value, type_) and not isinstance(value, bool):
            return value
        if value is None and name not in self.collection.key:
            return value
        raise TypeError(f"{self.name}.{name} takes {type_.__name__}, not {value!r}")

    def checked_fields(self, fields: Sequence[str]) -> Sequence[str]:
        """`fields`, if they can be read by their names."""
        if not fields:
            raise ValueError(f"{self.name}: name the fields to read")
        for name in fields:
            if name not in self.types:
                raise ValueError(f"{self.name} has no key field or column {name!r}")
        return fields

    def order(self, index: str | None) -> tuple[str, ...]:
        """The fields by which the key or an index sorts."""
        if index is None:
            return self.key
        try:
            return self.orders[index]
        except KeyError:
            raise ValueError(f"{self.name} has no index {index!r}") from None

    def check_bounds(self, order: Sequence[str], prefix: int, after: int, before: int) -> None:
        """See that a prefix and bounds of so many fields are not longer than an order."""
        if prefix + max(after, before) > len(order):
            raise ValueError(f"{self.name} sorts by {tuple(order)}: too many fields given")
