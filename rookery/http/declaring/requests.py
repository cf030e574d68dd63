"""What a request says, read strictly: query, path, body and headers into typed values.

Pure: no I/O. Everything that does not fit is an `InvalidRequest` in the client's
terms, with the field at fault as its JSON path or parameter name.
"""

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from rookery.errors import (
    InvalidCursor,
    InvalidRequest,
    InvalidToken,
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from rookery.http.declaring.schemas import (
    CURSOR_FIELD,
    PATTERN_TEXTS,
    OptionalBody,
    Parameters,
)

T = TypeVar("T")
P = TypeVar("P", bound=Parameters)

MAX_BODY_BYTES = 1 << 20
"""What is read of any body; an endpoint takes less (`Endpoint.max_body_bytes`)."""
SMALL_BODY_BYTES = 64 << 10
"""What most endpoints take, unpacked, too."""
MAX_QUERY_FIELDS = 32
MAX_MEMBERS = 1000
"""So many parts a compressed body may have; an empty one takes 20 bytes and some microseconds."""
MEMBER_STEP_BYTES = 4 << 10
_SHOWN_CHARS = 64
_KEY = re.compile(r"[!-~]{1,255}")
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_TOKEN_CHARS = 4096
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `str[^`]*` of length (?P<sign>[<>=]+) (?P<bound>\d+)")
_BOUND = re.compile(r"Expected `int[^`]*` (?P<sign>[<>]=?) (?P<bound>-?\d+)")
_PATTERN = re.compile(r"Expected `str[^`]*` matching regex (?P<pattern>.+)", re.DOTALL)
_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_NO_CHOICE = "Invalid enum value"
_AT = re.compile(r"(?P<text>.*) - at `\$\.?(?P<path>[^`]*)`", re.DOTALL)
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
    # By its name: other fields may have the form of a cursor, as ids of devices do.
    if path == CURSOR_FIELD and (_PATTERN.fullmatch(text) or _LENGTH.fullmatch(text)):
        return InvalidCursor()
    for pattern, kind in ((_MISSING, "is required"), (_UNKNOWN, "is not known here")):
        if found := pattern.fullmatch(text):
            name = f"{path}.{found['name']}" if path else found["name"]
            name = name[:_SHOWN_CHARS]
            return InvalidRequest(f"{name} {kind}", name)
    if text.startswith(_NO_CHOICE) and (choices := choices_of(wanted, path)):
        return InvalidRequest(f"{path} must be {_listed(choices)}", path)
    return InvalidRequest(f"{path or 'The body'} {_demand(text)}", path or None)


def choices_of(wanted: type[Parameters], path: str) -> list[str]:
    """The values that the field at `path` may have, where these are a few texts."""
    for field in msgspec.structs.fields(wanted):
        if field.encode_name == path:
            return _texts_in(msgspec.inspect.type_info(field.type))
    return []


def _texts_in(shape: msgspec.inspect.Type) -> list[str]:
    """The texts of a literal, also within a union or with a description."""
    if isinstance(shape, msgspec.inspect.Metadata):
        return _texts_in(shape.type)
    if isinstance(shape, msgspec.inspect.UnionType):
        return [text for each in shape.types for text in _texts_in(each)]
    if isinstance(shape, msgspec.inspect.LiteralType):
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
    if found := _PATTERN.fullmatch(text):
        for pattern, demand in PATTERN_TEXTS.items():
            if repr(pattern) == found["pattern"]:
                return demand
        return "does not have the right form"
    if found := _TYPE.fullmatch(text):
        wanted = [_TYPE_NAMES.get(name, name) for name in found["wanted"].split(" | ")]
        return f"must be {' or '.join(wanted)}"
    return "is not one of the values allowed"


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
                name = name[:_SHOWN_CHARS]
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


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidRequest(f"{name} is given more than once", name)
        seen.add(name)


_duplicates = json.JSONDecoder(object_pairs_hook=_unique)


class BodyReader:
    """Reads JSON bodies into one type."""

    def __init__(self, parameters: type[P]) -> None:
        self._type = parameters
        self._decoder = msgspec.json.Decoder(parameters)
        self._absent = parameters() if issubclass(parameters, OptionalBody) else None

    def read(self, content_type: str | None, raw: bytes) -> Parameters:
        """The value of the body `raw`.

        Raises:
            InvalidRequest: no body where one is needed, malformed JSON, or fields that do not fit.
            UnsupportedMediaType: it does not claim to be JSON.
        """
        if not raw:
            if self._absent is not None:
                return self._absent
            raise InvalidRequest("A JSON body is required")
        check_content_type(content_type)
        try:
            value: Parameters = self._decoder.decode(raw)
            if raw.count(b":") > 1:  # else there is one key at most
                _duplicates.decode(raw.decode())
        except msgspec.ValidationError as error:
            raise problem_of(error, self._type) from None
        except UnicodeError as error:
            raise InvalidRequest("The body is not valid UTF-8") from error
        except (msgspec.DecodeError, json.JSONDecodeError, RecursionError) as error:
            raise InvalidRequest("The body is not valid JSON") from error
        return value


def check_content_type(content_type: str | None) -> None:
    """Accept ``application/json`` in UTF-8; raises UnsupportedMediaType."""
    if content_type == "application/json":
        return
    kind, _, parameters = (content_type or "").partition(";")
    if kind.strip().lower() == "application/json":
        charset = parameters.strip().lower().replace('"', "").replace(" ", "")
        if charset in ("", "charset=utf-8", "charset=utf8"):
            return
    raise UnsupportedMediaType("The body must be JSON in UTF-8, sent as application/json")


def decompressed(raw: bytes, encoding: bytes, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """A body that came with a ``Content-Encoding``.

    Raises:
        InvalidRequest: cut off, or not compressed as announced.
        PayloadTooLarge: over `most_bytes` once unpacked.
        UnsupportedMediaType: another encoding than gzip and deflate.
    """
    name = encoding.strip().lower()
    if name == b"identity":
        return raw
    if name not in (b"gzip", b"x-gzip", b"deflate"):
        raise UnsupportedMediaType("The body may be compressed by gzip or deflate only")
    body, rest = bytearray(), memoryview(raw)
    for _ in range(MAX_MEMBERS):
        rest = _unpack_member(rest, body, most_bytes)
        if not rest:
            return bytes(body)
        if name == b"deflate":
            break
    raise InvalidRequest("The compressed body has something behind it, or too many parts")


def _unpack_member(raw: memoryview, body: bytearray, most_bytes: int) -> memoryview:
    """Append the first member of `raw` to `body`; the rest.

    Several members in a row are one gzip file (RFC 1952, section 2.2). What is fed at a time is
    bounded, as what turns out to belong to the next member is copied.
    """
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # | 32: either header
    for at in range(0, len(raw), MEMBER_STEP_BYTES):
        piece = raw[at : at + MEMBER_STEP_BYTES]
        try:
            body += unpacking.decompress(piece, most_bytes + 1 - len(body))
        except zlib.error as error:
            raise InvalidRequest("The body is not compressed as announced") from error
        if len(body) > most_bytes:
            raise too_large(most_bytes)
        if unpacking.eof:
            return raw[at + len(piece) - len(unpacking.unused_data) :]
    raise InvalidRequest("The compressed body is cut off")


def too_large(most_bytes: int = MAX_BODY_BYTES) -> PayloadTooLarge:
    """The refusal of a body over `most_bytes`."""
    return PayloadTooLarge(f"The body is larger than {most_bytes} bytes")


def check_no_body(raw: bytes) -> None:
    """Refuse a body where none belongs; an empty object is harmless and let through."""
    if raw and raw.strip() != b"{}":
        raise InvalidRequest("This request takes no body")


def bearer_token(header: str | None) -> str | None:
    """The token of an ``Authorization`` header; None without the header.

    Raises:
        Unauthenticated: another scheme.
        InvalidToken: not the form of a token.
    """
    if header is None:
        return None
    if header[:7] == "Bearer ":
        token = header[7:]
    else:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authenticate with: Authorization: Bearer <token>")
        token = token.strip()
    if not token or len(token) > _TOKEN_CHARS or not token.isascii():
        raise InvalidToken
    return token


def idempotency_key(header: str | None) -> str | None:
    """A checked ``Idempotency-Key``.

    Raises:
        InvalidRequest: not 1 to 255 visible ASCII characters.
    """
    if header is not None and _KEY.fullmatch(header) is None:
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters", "Idempotency-Key"
        )
    return header


def usable_request_id(header: str | None) -> bool:
    """Whether a client's ``X-Request-Id`` may be echoed and logged."""
    return header is not None and _REQUEST_ID.fullmatch(header) is not None
