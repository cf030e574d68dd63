"""The two encodings of a stream. Imports nothing of the project.

`msgpack` and the standard library's `json` are used, not the server's encoder: a fault in one of
them shows.
"""

import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgpack  # type: ignore[import-untyped]

Encoding: TypeAlias = Literal["msgpack", "json"]
SUBPROTOCOLS: dict[Encoding, str] = {"msgpack": "rookery.v1.msgpack", "json": "rookery.v1.json"}
DECODE_ERRORS = (ValueError, msgpack.UnpackException, RecursionError)
"""What a decoder raises for bytes it cannot read."""


def decoder_of(encoding: Encoding) -> Callable[[bytes], Any]:
    """The function that reads a message; raises one of `DECODE_ERRORS`."""
    decoders: dict[Encoding, Callable[[bytes], Any]] = {
        "msgpack": msgpack.unpackb,
        "json": json.loads,
    }
    return decoders[encoding]


def encoder_of(encoding: Encoding) -> Callable[[Any], str | bytes]:
    """The function that writes a message: text for text frames, bytes for binary ones."""
    encoders: dict[Encoding, Callable[[Any], str | bytes]] = {
        "msgpack": msgpack.packb,
        "json": json.dumps,
    }
    return encoders[encoding]
