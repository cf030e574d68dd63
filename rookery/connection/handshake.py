"""What a client asks for when it connects: subprotocol, token, position.

Pure: no event loop, no sockets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from rookery.connection.wire import CODECS, JSON, Codec
from rookery.errors import InvalidRequest, Unauthenticated

PATH = "/stream"
_MAX_TOKEN = 8192
_MAX_EPOCH = 40


@dataclass(frozen=True)
class StreamRequest:
    """A well-formed request; `epoch` and `offset` are both there, or neither.

    `token` is an access token, or a ticket where it `is_ticket`.
    """

    token: str
    epoch: str | None
    offset: int | None
    is_ticket: bool = False


def select_subprotocol(
    protocol: ServerProtocol, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Ours that the client named first; None (JSON, unnamed) if it offers none.

    Raises:
        NegotiationError: none of those offered is ours; answered with HTTP 400.
    """
    if not offered:
        return None
    for name in offered:
        if name in CODECS:
            return name
    raise NegotiationError("invalid subprotocol; expected one of " + ", ".join(CODECS))


def codec_of(subprotocol: str | None) -> Codec:
    """The codec of a negotiated subprotocol."""
    return JSON if subprotocol is None else CODECS[subprotocol]


def is_stream_path(path: str) -> bool:
    """Whether the request's target is the one this server serves."""
    return path.partition("?")[0] == PATH


def parse_request(request: Request) -> StreamRequest:
    """Read token or ticket, and position, from a handshake request.

    Raises:
        Unauthenticated: there is neither token nor ticket.
        InvalidRequest: a parameter is malformed.
    """
    try:
        query = parse_qs(urlsplit(request.path).query, errors="strict", max_num_fields=16)
    except ValueError:
        raise InvalidRequest("The query string cannot be read") from None
    token, is_ticket = _bearer(request.headers.get_all("Authorization")), False
    if not token and "ticket" in query:
        token, is_ticket = query["ticket"][0], True
    token = token or query.get("access_token", [""])[0]
    if not token:
        raise Unauthenticated()
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise Unauthenticated("The token is not valid")
    epoch = query.get("epoch", [None])[0]
    offset = query.get("offset", [None])[0]
    if (epoch is None) is not (offset is None):
        raise InvalidRequest("epoch and offset belong together", "offset")
    if epoch is None or offset is None:
        return StreamRequest(token, None, None, is_ticket)
    if len(epoch) > _MAX_EPOCH:
        raise InvalidRequest("epoch is too long", "epoch")
    if not (offset.isascii() and offset.isdecimal() and len(offset) <= 18):
        raise InvalidRequest("offset must be a whole number", "offset")
    return StreamRequest(token, epoch, int(offset), is_ticket)


def _bearer(values: Sequence[str]) -> str:
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return ""
