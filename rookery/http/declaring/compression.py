"""Bodies that come compressed, unpacked within bounds. Pure: no I/O."""

import zlib

from rookery.errors import InvalidRequest, UnsupportedMediaType
from rookery.http.protocol.bodies import MAX_BODY_BYTES, too_large

MAX_MEMBERS = 1000
"""So many parts a compressed body may have; an empty one takes 20 bytes and some microseconds."""
MEMBER_STEP_BYTES = 4 << 10


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
