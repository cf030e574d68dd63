"""Opaque cursors: a position in one kind of list, as text that clients hand back.

Pure. A cursor is the position (64 bits) and a
checksum over it and the list's name, in URL-safe base64: nonsense and cursors of other lists are
refused. It is no secret: whoever forges one only reaches a place that paging reaches too.
"""

import binascii
import struct
from zlib import crc32

from rookery.errors import InvalidCursor
from rookery.ids import MAX_ID

_LAYOUT = struct.Struct(">QI")
_LENGTH = 16
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/", b"+/..")


def _checksum(list_name: str, position: int) -> int:
    return crc32(position.to_bytes(8), crc32(list_name.encode()))


def encode(list_name: str, position: int) -> str:
    """The cursor for `position` (1 to `MAX_ID`) in the lists called `list_name`."""
    packed = _LAYOUT.pack(position, _checksum(list_name, position))
    return binascii.b2a_base64(packed, newline=False).translate(_TO_URL).decode()


def decode(list_name: str, text: str) -> int:
    """The position that `encode` put into `text` for a list called `list_name`.

    Raises:
        InvalidCursor: it is no cursor, or one of another list.
    """
    if len(text) != _LENGTH or not text.isascii():
        raise InvalidCursor()
    try:
        packed = binascii.a2b_base64(text.encode().translate(_FROM_URL), strict_mode=True)
        position, checksum = _LAYOUT.unpack(packed)
    except (binascii.Error, struct.error) as error:
        raise InvalidCursor() from error
    if not 0 < position <= MAX_ID or checksum != _checksum(list_name, position):
        raise InvalidCursor()
    return int(position)
