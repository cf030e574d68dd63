"""Bodies of ``multipart/form-data`` (RFC 7578): fields and files, read within bounds. Pure.

The parsing is that of `multipart`, as strict as it comes (docs/decisions/018). It bounds parts,
their headers and their sizes itself; the body as a whole is bounded by the endpoint.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from rookery.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from rookery.http.declaring.bodies import FormFields, Read, check_charset
from rookery.http.declaring.parameters import Parameters

MULTIPART_TYPE = "multipart/form-data"
MAX_BOUNDARY_CHARS = 70
"""RFC 2046, section 5.1.1."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form: its bytes, and what the client says that it is; neither is checked."""

    name: Annotated[str, Meta(max_length=255)] = ""
    media_type: Annotated[str, Meta(max_length=255)] = "application/octet-stream"
    content: Annotated[bytes, Meta(max_length=1 << 20)] = b""


_Value: TypeAlias = str | File


@dataclass(frozen=True, kw_only=True)
class MultipartBodies:
    """Forms with files. Fields of type `File` take the parts that have a file name."""

    max_parts: int = 32
    max_part_bytes: int = 1 << 20
    max_part_headers: int = 8
    max_header_bytes: int = 1 << 10

    media_type = MULTIPART_TYPE
    demand = f"a form with files, sent as {MULTIPART_TYPE}"

    def reader(self, parameters: type[Parameters]) -> Read:
        """See `rookery.http.declaring.bodies.BodyFormat`."""
        fields = FormFields(parameters)

        def read(raw: bytes, rest: str) -> Parameters:
            try:
                pairs = list(self._fields_of(raw, _boundary_of(rest)))
            except ParserLimitReached as error:
                raise PayloadTooLarge(f"The form is too large: {error}") from error
            except (MultipartError, UnicodeError) as error:
                raise InvalidRequest("The body is not a valid form with files") from error
            return fields.value_of(pairs)

        return read

    def _fields_of(self, raw: bytes, boundary: str) -> Iterator[tuple[str, _Value]]:
        """Each part's name and value, in their order."""
        with PushMultipartParser(
            boundary,
            max_header_size=self.max_header_bytes,
            max_header_count=self.max_part_headers,
            max_segment_size=self.max_part_bytes,
            max_segment_count=self.max_parts,
            strict=True,
        ) as parser:
            segment: MultipartSegment | None = None
            content: list[bytes] = []
            for event in parser.parse(raw):
                if isinstance(event, MultipartSegment):
                    segment, content = event, []
                elif event is None:
                    assert segment is not None
                    yield segment.name or "", _value_of(segment, b"".join(content))
                else:
                    content.append(bytes(event))


def _boundary_of(rest: str) -> str:
    _, options = parse_options_header(f"{MULTIPART_TYPE};{rest}")
    boundary: str = options.get("boundary", "")
    if not 0 < len(boundary) <= MAX_BOUNDARY_CHARS or not boundary.isascii():
        raise UnsupportedMediaType(f"{MULTIPART_TYPE} needs a boundary")
    return boundary


def _value_of(segment: MultipartSegment, content: bytes) -> _Value:
    if segment.filename is None:
        if segment.charset is not None:
            check_charset(f"charset={segment.charset}", MultipartBodies.demand)
        return content.decode()
    return File(
        name=segment.filename,
        media_type=segment.content_type or File().media_type,
        content=content,
    )
