"""The formats of bodies that a surface may list: JSON and forms here, `multipart` beside it. Pure.

A format makes a reader for each type that an endpoint declares; `BodyReader` takes each request to
the reader of its ``Content-Type``.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from rookery.errors import InvalidRequest, UnsupportedMediaType
from rookery.http.declaring.parameters import OptionalBody, Parameters
from rookery.http.declaring.problems import problem_of

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 100
_UTF8 = ("", "charset=utf-8", "charset=utf8")

Read: TypeAlias = Callable[[bytes, str], Parameters]
"""Reads a body, given what follows the media type in its ``Content-Type``."""


class BodyFormat(Protocol):
    """A format of bodies."""

    @property
    def media_type(self) -> str: ...

    @property
    def demand(self) -> str:
        """What a body must be, and how it must be sent, as the end of a sentence."""
        ...

    def reader(self, parameters: type[Parameters]) -> Read:
        """What reads a body into `parameters`.

        It raises InvalidRequest for a body that does not fit, and UnsupportedMediaType for
        parameters of the media type that the format does not know.
        """
        ...


class BodyReader:
    """Reads the bodies of one endpoint, in any of its surface's formats."""

    def __init__(self, parameters: type[Parameters], formats: "Sequence[BodyFormat]") -> None:
        self._readers = {each.media_type: each.reader(parameters) for each in formats}
        self._demand = " or ".join(each.demand for each in formats)
        self._absent = parameters() if issubclass(parameters, OptionalBody) else None

    def read(self, content_type: str | None, raw: bytes) -> Parameters:
        """The value of the body `raw`.

        Raises:
            InvalidRequest: no body where one is needed, or one that is malformed or does not fit.
            UnsupportedMediaType: it does not claim to be in one of the formats.
        """
        if not raw:
            if self._absent is not None:
                return self._absent
            formats = "A JSON body" if list(self._readers) == [JSON_TYPE] else "A body"
            raise InvalidRequest(f"{formats} is required")
        read = self._readers.get(content_type or "")
        if read is not None:
            return read(raw, "")
        media_type, _, rest = (content_type or "").partition(";")
        read = self._readers.get(media_type.strip().lower())
        if read is None:
            raise UnsupportedMediaType(f"The body must be {self._demand}")
        return read(raw, rest)


class JsonBodies:
    """JSON in UTF-8, each name once in an object."""

    media_type = JSON_TYPE
    demand = "JSON in UTF-8, sent as application/json"

    def reader(self, parameters: type[Parameters]) -> Read:
        """See `BodyFormat`."""
        decode = msgspec.json.Decoder(parameters).decode

        def read(raw: bytes, rest: str) -> Parameters:
            check_charset(rest, self.demand)
            try:
                value = decode(raw)
                if raw.count(b":") > 1:  # else there is one key at most
                    _duplicates.decode(raw.decode())
            except msgspec.ValidationError as error:
                raise problem_of(error, parameters) from None
            except UnicodeError as error:
                raise InvalidRequest("The body is not valid UTF-8") from error
            except (msgspec.DecodeError, json.JSONDecodeError, RecursionError) as error:
                raise InvalidRequest("The body is not valid JSON") from error
            return value

        return read


class FormBodies:
    """Forms as browsers send them without files (URL standard, section 5).

    Texts are read as what the field's type says. A field of a list may come several times, with
    ``[]`` behind its name or without; any other comes once.
    """

    media_type = FORM_TYPE
    demand = f"a form in UTF-8, sent as {FORM_TYPE}"

    def __init__(self, max_fields: int = MAX_FORM_FIELDS) -> None:
        self._max_fields = max_fields

    def reader(self, parameters: type[Parameters]) -> Read:
        """See `BodyFormat`."""
        fields = FormFields(parameters)

        def read(raw: bytes, rest: str) -> Parameters:
            check_charset(rest, self.demand)
            try:
                pairs = parse_qsl(
                    raw.decode("ascii"),
                    keep_blank_values=True,
                    errors="strict",
                    max_num_fields=self._max_fields,
                )
            except ValueError as error:
                raise InvalidRequest("The body is not a valid form") from error
            return fields.value_of(pairs)

        return read


class FormFields:
    """Makes a value of named fields, as forms have them."""

    def __init__(self, parameters: type[Parameters]) -> None:
        self._type = parameters
        self._lists = {
            field.encode_name
            for field in msgspec.structs.fields(parameters)
            if _is_list(msgspec.inspect.type_info(field.type))
        }

    def value_of(self, pairs: Sequence[tuple[str, Any]]) -> Parameters:
        """The value of these fields; raises InvalidRequest."""
        values: dict[str, Any] = {}
        for written, value in pairs:
            name = written.removesuffix("[]")
            if name in self._lists:
                values.setdefault(name, []).append(value)
                continue
            _check_first(written, values)
            values[written] = value
        try:
            return msgspec.convert(values, self._type, strict=False)
        except msgspec.ValidationError as error:
            raise problem_of(error, self._type) from None


def _is_list(shape: msgspec.inspect.Type) -> bool:
    if isinstance(shape, msgspec.inspect.Metadata):
        return _is_list(shape.type)
    if isinstance(shape, msgspec.inspect.UnionType):
        return any(_is_list(each) for each in shape.types)
    return isinstance(shape, msgspec.inspect.ListType | msgspec.inspect.VarTupleType)


def check_charset(rest: str, demand: str) -> None:
    """Accept UTF-8 in what follows a media type; raises UnsupportedMediaType."""
    if rest and rest.strip().lower().replace('"', "").replace(" ", "") not in _UTF8:
        raise UnsupportedMediaType(f"The body must be {demand}")


def _check_first(name: str, seen: Any) -> None:
    if name in seen:
        raise InvalidRequest(f"{name} is given more than once", name)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        _check_first(name, seen)
        seen.add(name)


_duplicates = json.JSONDecoder(object_pairs_hook=_unique)

JSON = JsonBodies()
FORM = FormBodies()


def check_no_body(raw: bytes) -> None:
    """Refuse a body where none belongs; an empty object is harmless and let through."""
    if raw and raw.strip() != b"{}":
        raise InvalidRequest("This request takes no body")
