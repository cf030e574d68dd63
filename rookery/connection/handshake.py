"""What a client asks for when it connects: subprotocol, token, position.

Pure: no event loop, no sockets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from rookery.connection.wire import CODECS, JSON, Codec
from rookery.domain.hosts import is_host
from rookery.errors import InvalidRequest, Unauthenticated

PATH = "/stream"
VERSION = "13"
_MAX_TOKEN = 8192
_MAX_EPOCH = 40
_MAX_FIELDS = 16
_SHOWN_CHARS = 64


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


def is_stream_path(target: str) -> bool:
    """Whether the request's target, of either form, is the one this server serves."""
    if not target.startswith("/"):  # RFC 6455, section 4.2.1: it may be an absolute URI
        try:
            target = urlsplit(target).path
        except ValueError:
            return False
    return target.partition("?")[0] == PATH


def host_fault(headers: Headers) -> str | None:
    """What is wrong with the ``Host`` of a request, if anything is (RFC 6455, section 4.2.1)."""
    hosts = headers.get_all("Host")
    if len(hosts) != 1:
        return "The request has no Host header, or several."
    if not is_host(hosts[0].encode("latin-1", "replace")):
        return "The Host header is not a host, with a port or without."
    return None


def is_version_refused(headers: Headers) -> bool:
    """Whether the client speaks other versions of the protocol, so that it is told ours."""
    versions = headers.get_all("Sec-WebSocket-Version")
    return bool(versions) and VERSION not in versions


def tell_version(response: Response) -> None:
    """Say in a refusal which version is spoken here (RFC 6455, section 4.4), and how to ask for it.

    With 426, ``Upgrade`` goes with its connection option (RFC 9110, sections 7.8 and 15.5.22).
    """
    headers = response.headers
    headers["Sec-WebSocket-Version"] = VERSION
    if response.status_code == HTTPStatus.UPGRADE_REQUIRED:
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade, close")):
            if name in headers:
                del headers[name]
            headers[name] = value


def parse_request(request: Request) -> StreamRequest:
    """Read token or ticket, and position, from a handshake request.

    Raises:
        Unauthenticated: there is neither token nor ticket.
        InvalidRequest: a parameter is malformed, or given more than once.
    """
    try:
        raw = urlsplit(request.path).query
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidRequest("The query string cannot be read") from None
    query = _unique(pairs)
    token, is_ticket = _bearer(request.headers.get_all("Authorization")), False
    if not token and "ticket" in query:
        token, is_ticket = query["ticket"], True
    token = token or query.get("access_token", "")
    if not token:
        raise Unauthenticated()
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise Unauthenticated("The token is not valid")
    epoch, offset = query.get("epoch"), query.get("offset")
    if (epoch is None) is not (offset is None):
        raise InvalidRequest("epoch and offset belong together", "offset")
    if epoch is None or offset is None:
        return StreamRequest(token, None, None, is_ticket)
    if len(epoch) > _MAX_EPOCH:
        raise InvalidRequest("epoch is too long", "epoch")
    if not (offset.isascii() and offset.isdecimal() and len(offset) <= 18):
        raise InvalidRequest("offset must be a whole number", "offset")
    return StreamRequest(token, epoch, int(offset), is_ticket)


def _unique(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters that say something, by name; as in REST none may be given twice."""
    names = set()
    for name, _ in pairs:
        if name in names:
            name = name[:_SHOWN_CHARS]
            raise InvalidRequest(f"{name} is given more than once", name)
        names.add(name)
    return {name: text for name, text in pairs if text}


def _bearer(values: Sequence[str]) -> str:
    if len(values) > 1:
        raise InvalidRequest("Authorization is given more than once", "Authorization")
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return ""
