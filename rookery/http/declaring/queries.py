"""Query strings and paths, read strictly into typed values. Pure: no I/O."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from rookery.errors import InvalidRequest
from rookery.http.declaring.parameters import Parameters
from rookery.http.declaring.problems import SHOWN_CHARS, problem_of

P = TypeVar("P", bound=Parameters)

MAX_QUERY_FIELDS = 32
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class QueryReader:
    """Reads query strings into one type. Results are shared between equal queries."""

    CACHED = 1024
    CACHED_CHARS = 64

    def __init__(self, parameters: type[P]) -> None:
        self._type = parameters
        self._integers = {
            field.encode_name for field in msgspec.structs.fields(parameters) if _takes_int(field)
        }
        self._cache: dict[str, Parameters] = {}

    def read(self, raw: str) -> Parameters:
        """The value of the query string `raw` (without its question mark).

        Raises:
            InvalidRequest: unknown, repeated or malformed parameters.
        """
        value = self._cache.get(raw)
        if value is None:
            value = self._parse(raw)
            if len(raw) <= self.CACHED_CHARS:
                if len(self._cache) >= self.CACHED:
                    self._cache.clear()
                self._cache[raw] = value
        return value

    def _parse(self, raw: str) -> Parameters:
        if _BAD_ESCAPE.search(raw):
            raise InvalidRequest("The query string is malformed: % without two hexadecimal digits")
        try:
            pairs = parse_qsl(
                raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError as error:
            raise InvalidRequest("The query string is malformed") from error
        values: dict[str, Any] = {}
        for name, text in pairs:
            if name in values:
                name = name[:SHOWN_CHARS]
                raise InvalidRequest(f"{name} is given more than once", name)
            values[name] = int(text) if name in self._integers and _is_integer(text) else text
        return convert(values, self._type)


def path_part(raw: str, name: str | None) -> str:
    """A part of a path without its percent-encoding (RFC 3986, section 2.1).

    `name` is what it is called, if it is a parameter.

    Raises:
        InvalidRequest: not percent-encoded UTF-8, or with control characters.
    """
    shown = name or "The path"
    if _BAD_ESCAPE.search(raw):
        raise InvalidRequest(f"{shown} is malformed: % without two hexadecimal digits", name)
    try:
        text = unquote(raw, errors="strict")
    except UnicodeError:
        raise InvalidRequest(f"{shown} is malformed: it is not UTF-8", name) from None
    if _CONTROL.search(text):
        raise InvalidRequest(f"{shown} is malformed: it has control characters", name)
    return text


def _takes_int(field: msgspec.structs.FieldInfo) -> bool:
    shape = msgspec.inspect.type_info(field.type)
    while isinstance(shape, msgspec.inspect.Metadata):
        shape = shape.type
    return isinstance(shape, msgspec.inspect.IntType)


def _is_integer(text: str) -> bool:
    digits = text[1:] if text[:1] == "-" else text
    return text.isascii() and digits.isdigit() and len(digits) <= 19


def convert(values: Mapping[str, Any], to: type[P]) -> P:
    """`values` (query or path parameters) as `to`; raises InvalidRequest."""
    try:
        return msgspec.convert(values, to)
    except msgspec.ValidationError as error:
        raise problem_of(error, to) from None
