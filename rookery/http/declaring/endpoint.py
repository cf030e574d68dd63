"""How an endpoint is declared: once, for the handler and for the OpenAPI document alike.

`handling` makes handlers of declarations, `openapi` the document.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar, get_args, get_type_hints

import msgspec

from rookery.errors import RookeryError, Unauthenticated
from rookery.http.declaring.bodies import JSON_TYPE
from rookery.http.declaring.headers import bearer_token
from rookery.http.declaring.parameters import Parameters
from rookery.http.protocol.bodies import BodyStream, StreamBounds, empty_stream
from rookery.http.protocol.message import Request
from rookery.models import Identity
from rookery.security_log import Origin
from rookery.services.limits import Rate

SMALL_BODY_BYTES = 64 << 10
"""What most endpoints take, unpacked, too."""

FindOrigin: TypeAlias = Callable[[Request, str], Origin]
S = TypeVar("S")
P = TypeVar("P", bound=Parameters)
Q = TypeVar("Q", bound=Parameters)
B = TypeVar("B", bound=Parameters)


class Auth(Enum):
    """Whether a request must, may or need not say who makes it."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Call(Generic[P, Q, B]):
    """One request, read and checked: typed path, query and body, and who makes it."""

    __slots__ = (
        "_find_origin",
        "_request",
        "_request_id",
        "body",
        "idempotency_key",
        "path",
        "query",
        "viewer",
    )

    def __init__(
        self,
        path: P,
        query: Q,
        body: B,
        viewer: Identity | None,
        idempotency_key: str | None,
        request: Request,
        request_id: str,
        find_origin: FindOrigin,
    ) -> None:
        self.path = path
        self.query = query
        self.body = body
        self.viewer = viewer
        self.idempotency_key = idempotency_key
        self._request = request
        self._request_id = request_id
        self._find_origin = find_origin

    @property
    def origin(self) -> Origin:
        """Where the request came from; found only when somebody asks."""
        return self._find_origin(self._request, self._request_id)

    @property
    def access_token(self) -> str:
        """The token that the request came with; empty without one."""
        return bearer_token(self._request.header(b"authorization")) or ""

    @property
    def host(self) -> str | None:
        """The ``Host`` header as it was sent."""
        return self._request.header(b"host")

    def header_values(self, name: bytes) -> list[str]:
        """Each value of the header `name` (in lower case), in the order in which they came."""
        return self._request.header_values(name)

    @property
    def stream(self) -> BodyStream:
        """The body as it arrives, for endpoints that declare a stream; to be read once."""
        stream = self._request.stream
        return empty_stream() if stream is None else stream

    @property
    def identity(self) -> Identity:
        """Who makes the request; of endpoints that require it.

        Raises:
            Unauthenticated: nobody said.
        """
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer

    @property
    def viewer_id(self) -> int | None:
        return None if self.viewer is None else self.viewer.user_id


@dataclass(frozen=True)
class Reply:
    """An answer that differs from the endpoint's usual status, type or headers.

    `repeated` has headers that come several times, such as ``Set-Cookie``, one entry each.
    """

    body: bytes
    status: int = 200
    media_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class StreamedReply:
    """An answer that is made while it is sent, no faster than the client takes it in.

    `chunks` is closed when all is sent or the client is gone. What it raises cuts the connection:
    the status is sent by then. Without `length_bytes` the length is not told beforehand.
    """

    chunks: AsyncGenerator[bytes, None]
    media_type: str
    length_bytes: int | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Page:
    """A part of a list, for the surface to say in its own way; `name` is what it is a list of.

    `next_cursor` is where the next page begins; None: this one is the last.
    """

    name: str
    items: Sequence[Any]
    next_cursor: str | None = None


Result: TypeAlias = bytes | msgspec.Struct | Reply | StreamedReply | Page
"""What a handler returns: an encoded body, a value to render, or a whole reply."""
Handler: TypeAlias = Callable[[S, Call[P, Q, B]], Awaitable[Result]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A declared endpoint.

    `path` is below the surface's prefix, with `{name}` for the fields of `path_type`. `answers`
    maps status to shape, the usual one first; `errors` are those that its use-case raises (what
    refuses before is added by `openapi`). A `hidden` one is not in the document. A body has at most
    `max_body_bytes`, unpacked, too; where there is a `stream`, the handler reads the body while it
    arrives. `own_limit` names a setting of `config.Limits` that bounds this endpoint's requests,
    of a user or else of an address, beside those of its `rate`.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Any, Call[Any, Any, Any]], Awaitable[Result]]
    path_type: type[Parameters]
    query_type: type[Parameters]
    body_type: type[Parameters]
    answers: Mapping[int, Any]
    errors: tuple[type[RookeryError], ...]
    auth: Auth
    media_type: str
    hidden: bool
    rate: Rate
    max_body_bytes: int
    stream: StreamBounds | None = None
    own_limit: str = ""

    @property
    def status(self) -> int:
        status: int = next(iter(self.answers))
        return status

    @property
    def tag(self) -> str:
        """The noun it belongs to: the name of its module."""
        return self.handler.__module__.rpartition(".")[2]

    @property
    def operation_id(self) -> str:
        return f"{self.tag}_{self.handler.__name__}"


def endpoint(
    method: str,
    path: str,
    summary: str,
    *,
    answers: Mapping[int, Any],
    errors: tuple[type[RookeryError], ...] = (),
    auth: Auth = Auth.REQUIRED,
    media_type: str = JSON_TYPE,
    hidden: bool = False,
    rate: Rate | None = None,
    max_body_bytes: int = SMALL_BODY_BYTES,
    stream: StreamBounds | None = None,
    own_limit: str = "",
) -> Callable[[Handler[S, P, Q, B]], Endpoint]:
    """Declare the decorated handler as an endpoint.

    The types of path, query and body are those in the annotation of its ``call`` argument. Where
    `rate` is not given, requests count as reads or as writes, by the method.
    """
    counted = rate or (Rate.READ if method == "GET" else Rate.WRITE)

    def declare(handler: Handler[S, P, Q, B]) -> Endpoint:
        path_type, query_type, body_type = get_args(get_type_hints(handler)["call"])
        return Endpoint(
            method=method,
            path=path,
            summary=summary,
            handler=handler,
            path_type=path_type,
            query_type=query_type,
            body_type=body_type,
            answers=answers,
            errors=errors,
            auth=auth,
            media_type=media_type,
            hidden=hidden,
            rate=counted,
            max_body_bytes=max_body_bytes,
            stream=stream,
            own_limit=own_limit,
        )

    return declare
