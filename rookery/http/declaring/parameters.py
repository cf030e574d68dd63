"""The base types of what endpoints declare. The shapes themselves belong to the surfaces."""

from enum import Enum
from typing import Any, TypeVar, cast

import msgspec

P = TypeVar("P", bound="Parameters")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a client sends: bodies, queries and path parameters."""


class OptionalBody(Parameters, frozen=True, kw_only=True):
    """Base of bodies that may be left out, which is as an empty object."""


class Nothing(Parameters, frozen=True, kw_only=True):
    """No parameters of this sort."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is answered."""


class UnknownFields(Enum):
    """What a surface does about fields that it does not know, in queries and bodies."""

    REFUSED = "refused"
    IGNORED = "ignored"

    def applied_to(self, parameters: type[P]) -> type[P]:
        """`parameters` as a type that treats unknown fields so; objects within it stay as is."""
        if self is UnknownFields.REFUSED or not parameters.__struct_config__.forbid_unknown_fields:
            return parameters
        options: dict[str, Any] = {"frozen": True, "kw_only": True, "forbid_unknown_fields": False}
        made: Any = msgspec.defstruct(parameters.__name__, [], bases=(parameters,), **options)
        return cast(type[P], made)


def extra_of(shape: msgspec.inspect.Type, key: str) -> Any:
    """What a type's `msgspec.Meta(extra=…)` has under `key`, also within a union; else None.

    A surface says there what msgspec cannot: ``demand``, the end of a sentence about a value that
    does not match its pattern, and ``error``, the class of the error that such a value is.
    """
    if isinstance(shape, msgspec.inspect.Metadata):
        found = (shape.extra or {}).get(key)
        return extra_of(shape.type, key) if found is None else found
    if isinstance(shape, msgspec.inspect.UnionType):
        return next((found for each in shape.types if (found := extra_of(each, key))), None)
    return None
