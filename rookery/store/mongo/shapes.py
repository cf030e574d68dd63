"""How a declared collection lies in MongoDB: its documents, filters, orders and indexes.

Pure: makes what the driver takes, and talks to no server.

A key of one field is the `_id`. A key of several stands in fields of its own, so that the first
can be the shard key, and `_id` is the whole key as a JSON text: unique, and found on its own
shard, because equal keys have equal shard keys. (An embedded document would do as well, and be
three times as long in the index.)

A column that is None is left out: it sorts, and is found, like null, and `$inc` begins with 0
there. Names that begin with an underscore are the engine's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from bson import Decimal128, Int64, encode
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from rookery.store.declared import Declared
from rookery.store.engine import Collection, Document, Key

BATCH = "_batch"
"""Field with the number of the batch that wrote a document last."""
EXPIRES = "_expires"
"""Field with the date of the `expires` column: MongoDB removes by dates alone."""
LARGEST_BYTES = 16 * 1024 * 1024 - 64 * 1024
"""Of one document; MongoDB's limit, and some room for what increments add."""

Stored: TypeAlias = dict[str, Any]


class _Int64Decoder(TypeDecoder):
    bson_type = Int64

    def transform_bson(self, value: Any) -> int:
        return int(value)


class _WideIntDecoder(TypeDecoder):
    bson_type = Decimal128

    def transform_bson(self, value: Any) -> int:
        return int(value.to_decimal())


CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    type_registry=TypeRegistry([_Int64Decoder(), _WideIntDecoder()]),
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)
"""Reads every number as a plain int or float."""


class Shape(Declared):
    """One collection in MongoDB."""

    def __init__(self, collection: Collection) -> None:
        super().__init__(collection)
        self.zeros = [name for name, type_ in collection.columns.items() if type_ is int]
        self._is_single = len(self.key) == 1

    # Documents

    def path(self, name: str) -> str:
        """Where a key field or column stands in a stored document."""
        return "_id" if self._is_single and name == self.key[0] else name

    def id(self, key: Key) -> Any:
        """The `_id` of a key."""
        if self._is_single:
            return _wide(key[0])
        return msgspec.json.encode(key).decode()

    def filter(self, key: Key) -> Stored:
        """What finds the document with a key, and on a sharded cluster the shard it is on."""
        found = {"_id": self.id(key)}
        if not self._is_single:
            found[self.key[0]] = _wide(key[0])
        return found

    def keyed(self, key: Key) -> Stored:
        """A stored document with nothing but its key."""
        stored = {"_id": self.id(key)}
        if not self._is_single:
            stored |= {name: _wide(value) for name, value in zip(self.key, key, strict=True)}
        return stored

    def stored(self, document: Mapping[str, Any]) -> Stored:
        """A document as it is stored.

        Raises:
            ValueError: a field has no place.
            TypeError: a key or column is missing or has another type than declared.
        """
        rest = dict(document)
        key = tuple(self.checked(name, rest.pop(name, None)) for name in self.key)
        stored = self.keyed(key)
        for name in self.collection.columns:
            value = self.checked(name, rest.pop(name, None))
            if value is not None:
                stored[name] = _wide(value)
        for name in rest:
            if not self.collection.body or name[:1] in ("_", "$", "") or "." in name:
                raise ValueError(f"{self.name} has no field {name!r}")
        stored.update(rest)
        if self.collection.expires is not None:
            expires_ms = stored.get(self.collection.expires)
            if expires_ms is not None:
                stored[EXPIRES] = DatetimeMS(int(expires_ms))
        return stored

    def key_of(self, document: Mapping[str, Any]) -> Key:
        """The key of a document as callers give it."""
        return tuple(document[name] for name in self.key)

    def document(self, stored: Stored) -> Document:
        """A stored document as callers get it; takes `stored` over."""
        id_ = stored.pop("_id")
        stored.pop(BATCH, None)
        stored.pop(EXPIRES, None)
        document = dict.fromkeys(self.types)
        if self._is_single:
            document[self.key[0]] = id_
        document.update(stored)
        return document

    def columns(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Key fields and columns of a stored document."""
        return {name: stored.get(self.path(name)) for name in self.types}

    # Reading

    def where(
        self, order: Sequence[str], prefix: Key, after: Key | None, before: Key | None
    ) -> Stored:
        """The filter of a range; see `rookery.store.engine.Reader.range`."""
        after, before = after or (), before or ()
        self.check_bounds(order, len(prefix), len(after), len(before))
        found: Stored = {self.path(name): value for name, value in zip(order, prefix, strict=False)}
        rest = [self.path(name) for name in order[len(prefix) :]]
        positions = []
        for sign, bound in (("$gt", after), ("$lt", before)):
            if not bound:
                continue
            # The first field alone bounds the walk along the index; the rest is sorted out.
            operator = sign if len(bound) == 1 else sign + "e"
            found.setdefault(rest[0], {})[operator] = bound[0]
            if len(bound) > 1:
                positions.append({"$or": _beyond(rest, sign, bound)})
        if positions:
            found["$and"] = positions
        return found

    def sort(self, order: Sequence[str], prefix: int, reverse: bool) -> dict[str, int]:
        """The order of a range; empty where at most one document can be found."""
        return {self.path(name): -1 if reverse else 1 for name in order[prefix:]}

    def projection(self, fields: Sequence[str]) -> dict[str, int]:
        """What makes the server send only these fields."""
        return {"_id": 0} | {self.path(name): 1 for name in self.checked_fields(fields)}

    # Schema

    def indexes(self) -> dict[str, tuple[tuple[str, ...], bool]]:
        """The indexes beside that of `_id`: name → fields, and whether documents go by it.

        That of a whole key is not declared unique: `_id` is so already, and MongoDB allows no
        second unique index where the shard key is hashed.
        """
        made: dict[str, tuple[tuple[str, ...], bool]] = {}
        if not self._is_single:
            made["key"] = (self.key, False)
        for name, fields in self.orders.items():
            made[name] = (tuple(map(self.path, fields)), False)
        if self.collection.expires is not None:
            made["expires"] = ((EXPIRES,), True)
        return made

    @property
    def shard_key(self) -> dict[str, str]:
        """The first key field, hashed: Snowflakes rise, and would all go to the last shard."""
        return {self.path(self.key[0]): "hashed"}


def shapes(collections: Iterable[Collection]) -> dict[str, Shape]:
    """Shapes by the name of their collection."""
    return {collection.name: Shape(collection) for collection in collections}


def encoded(stored: Stored) -> bytes:
    """A stored document as BSON.

    Raises:
        ValueError: it holds what BSON cannot, or is too large.
    """
    try:
        try:
            raw = encode(stored)
        except OverflowError:  # rare: msgspec's ints go to 2**64, BSON's to 2**63
            raw = encode({name: _narrowed(value) for name, value in stored.items()})
    except (BSONError, ValueError, OverflowError) as error:
        raise ValueError(f"a value that the store cannot hold: {error}") from error
    if len(raw) > LARGEST_BYTES:
        raise ValueError(f"a document of {len(raw)} bytes; {LARGEST_BYTES} is the most")
    return raw


def _narrowed(value: Any) -> Any:
    """`value` with ints beyond 64 bits with sign as decimals, which BSON holds exactly."""
    if isinstance(value, dict):
        return {name: _narrowed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_narrowed(each) for each in value]
    if isinstance(value, int) and not isinstance(value, Int64) and 2**63 <= value < 2**64:
        return Decimal128(str(value))
    return value


def _wide(value: Any) -> Any:
    """Ints of keys and columns are 64 bits wide whatever their value."""
    return Int64(value) if isinstance(value, int) else value


def _beyond(paths: Sequence[str], sign: str, bound: Key) -> list[Stored]:
    """The alternatives that together compare tuples: (a, b) > (x, y)."""
    return [
        dict(zip(paths, bound[:place], strict=False)) | {paths[place]: {sign: value}}
        for place, value in enumerate(bound)
    ]
