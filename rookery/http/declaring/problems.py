"""What is wrong with a value, in the client's terms: errors of msgspec as errors of ours. Pure."""

import re
from collections.abc import Callable

import msgspec
from msgspec import inspect

from rookery.errors import InvalidRequest
from rookery.http.declaring.parameters import Parameters, extra_of

SHOWN_CHARS = 64
"""So much of a name that a client made up is said back to it."""

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `str[^`]*` of length (?P<sign>[<>=]+) (?P<bound>\d+)")
_BOUND = re.compile(r"Expected `int[^`]*` (?P<sign>[<>]=?) (?P<bound>-?\d+)")
_PATTERN = re.compile(r"Expected `str[^`]*` matching regex (?P<pattern>.+)", re.DOTALL)
_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_NO_CHOICE = "Invalid enum value"
_AT = re.compile(r"(?P<text>.*) - at `\$\.?(?P<path>[^`]*)`", re.DOTALL)
_STEP = re.compile(r"\.|\[[^]]*\]")
_TYPE_NAMES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def problem_of(error: msgspec.ValidationError, wanted: type[Parameters]) -> InvalidRequest:
    """`error` of msgspec about a value that was to be `wanted`, in the client's terms."""
    text, path = str(error), ""
    if located := _AT.fullmatch(text):
        text, path = located["text"], located["path"]
    shape = _shape_at(wanted, path)
    if shape is not None and (_PATTERN.fullmatch(text) or _LENGTH.fullmatch(text)):
        error_type: Callable[[], InvalidRequest] | None = extra_of(shape, "error")
        if error_type is not None:
            return error_type()
    for pattern, kind in ((_MISSING, "is required"), (_UNKNOWN, "is not known here")):
        if found := pattern.fullmatch(text):
            name = f"{path}.{found['name']}" if path else found["name"]
            name = name[:SHOWN_CHARS]
            return InvalidRequest(f"{name} {kind}", name)
    if text.startswith(_NO_CHOICE) and shape is not None and (choices := _texts_in(shape)):
        return InvalidRequest(f"{path} must be {_listed(choices)}", path)
    demand = None
    if shape is not None and _PATTERN.fullmatch(text):
        demand = extra_of(shape, "demand")
    return InvalidRequest(f"{path or 'The body'} {demand or _demand(text)}", path or None)


def _shape_at(wanted: type[Parameters], path: str) -> inspect.Type | None:
    """The declared type of what is at a JSON path of msgspec's, such as ``media[...].alt``."""
    shape: inspect.Type | None = inspect.type_info(wanted)
    for name in filter(None, _STEP.split(path)):
        shape = None if shape is None else _field_of(shape, name)
    return shape


def _field_of(shape: inspect.Type, name: str) -> inspect.Type | None:
    if isinstance(shape, inspect.StructType):
        return next((each.type for each in shape.fields if each.encode_name == name), None)
    if isinstance(shape, inspect.Metadata):
        return _field_of(shape.type, name)
    if isinstance(shape, inspect.ListType | inspect.VarTupleType):
        return _field_of(shape.item_type, name)
    if isinstance(shape, inspect.UnionType):
        return next((found for each in shape.types if (found := _field_of(each, name))), None)
    return None


def _texts_in(shape: inspect.Type) -> list[str]:
    """The texts of a literal, also within a union or with a description."""
    if isinstance(shape, inspect.Metadata):
        return _texts_in(shape.type)
    if isinstance(shape, inspect.UnionType):
        return [text for each in shape.types for text in _texts_in(each)]
    if isinstance(shape, inspect.LiteralType):
        return [str(value) for value in shape.values]
    return []


def _listed(choices: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def _characters(count: str) -> str:
    return "1 character" if count == "1" else f"{count} characters"


def _demand(text: str) -> str:
    """What msgspec wanted, as the end of a sentence about the field."""
    if found := _LENGTH.fullmatch(text):
        if (found["sign"], found["bound"]) == (">=", "1"):
            return "must not be empty"
        limit = {">=": "at least", "<=": "at most"}.get(found["sign"], "exactly")
        return f"must be {limit} {_characters(found['bound'])} long"
    if found := _BOUND.fullmatch(text):
        limit = "at least" if found["sign"].startswith(">") else "at most"
        return f"must be {limit} {found['bound']}"
    if _PATTERN.fullmatch(text):
        return "does not have the right form"
    if found := _TYPE.fullmatch(text):
        wanted = [_TYPE_NAMES.get(name, name) for name in found["wanted"].split(" | ")]
        return f"must be {' or '.join(wanted)}"
    return "is not one of the values allowed"
