"""How large a body each endpoint takes."""

import gzip

import msgspec
import pytest

from rookery.errors import PayloadTooLarge
from rookery.http.declaring.compression import decompressed
from rookery.http.declaring.endpoint import SMALL_BODY_BYTES, Endpoint
from rookery.http.declaring.parameters import Nothing
from rookery.http.native.app import ENDPOINTS
from rookery.http.protocol.bodies import MAX_BODY_BYTES

ESCAPED_BYTES = len("\\ud83d\\ude00")
"""What one character takes in JSON at most."""
PATTERN_CHARS = 64
"""As long are values that a pattern alone bounds, at most."""
WITH_BODY = [each for each in ENDPOINTS if each.body_type is not Nothing]


def _most_bytes(shape: msgspec.inspect.Type) -> int:
    """Of the JSON of a value, each of its characters escaped."""
    if isinstance(shape, msgspec.inspect.Metadata):
        return _most_bytes(shape.type)
    if isinstance(shape, msgspec.inspect.UnionType):
        return max(_most_bytes(each) for each in shape.types)
    if isinstance(shape, msgspec.inspect.StrType):
        assert shape.max_length is not None or shape.pattern is not None
        return 2 + ESCAPED_BYTES * (shape.max_length or PATTERN_CHARS)
    return len("false")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda each: each.operation_id)
def test_every_legal_body_is_taken(endpoint: Endpoint) -> None:
    """With values as long as they may be, names and values escaped throughout."""
    fields = msgspec.structs.fields(endpoint.body_type)
    most_bytes = sum(
        ESCAPED_BYTES * len(field.encode_name)
        + _most_bytes(msgspec.inspect.type_info(field.type))
        + len('"": ,\n')
        for field in fields
    )
    assert most_bytes < endpoint.max_body_bytes


def test_no_endpoint_takes_as_much_as_is_read() -> None:
    """What takes short values takes a small body: to read one takes time, whatever is in it."""
    assert max(each.max_body_bytes for each in ENDPOINTS) < MAX_BODY_BYTES // 3
    small = {each.operation_id for each in WITH_BODY if each.max_body_bytes <= SMALL_BODY_BYTES}
    assert {"accounts_login", "accounts_refresh"} <= small


def test_what_is_unpacked_is_bounded_by_the_endpoint() -> None:
    """However small it came."""
    packed = gzip.compress(b" " * 1001)
    assert len(decompressed(packed, b"gzip", 1001)) == 1001
    with pytest.raises(PayloadTooLarge, match="larger than 1000 bytes"):
        decompressed(packed, b"gzip", 1000)
