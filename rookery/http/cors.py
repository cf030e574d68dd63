"""Lets pages of other origins use a surface: the CORS protocol of the Fetch standard.

https://fetch.spec.whatwg.org/#http-cors-protocol. Off unless origins are set. Stands around all
that answers, so that errors and refusals can be read as well. Credentials that a browser adds by
itself (cookies) are never allowed: clients send their token, so no page can borrow another's.
"""

from rookery.config import ANY_ORIGIN, origins_of
from rookery.http.declaring.errors import common_headers
from rookery.http.protocol.connection import Respond
from rookery.http.protocol.message import Request, Response

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, X-Request-Id"
EXPOSED_HEADERS = (
    "Allow, Content-Disposition, ETag, Link, Location, RateLimit-Limit, RateLimit-Remaining, "
    "RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-Id"
)
MAX_AGE_S = 7200
"""What the browser that remembers shortest takes."""


def with_cors(respond: Respond, allowed_origins: str) -> Respond:
    """`respond` with what browsers need to hear; `respond` itself where no origin is allowed."""
    origins = frozenset(origins_of(allowed_origins))
    if not origins:
        return respond
    is_open = ANY_ORIGIN in origins

    async def respond_across_origins(request: Request) -> Response:
        origin = request.headers.get(b"origin")
        name = None if origin is None else origin.decode("latin-1")
        is_allowed = name is not None and (is_open or name in origins)
        if is_allowed and _is_preflight(request):
            response = Response(204, b"", _preflight_headers(request))
        else:
            response = await respond(request)
        headers = response.headers
        if not is_open:  # Caches must not give one origin's answer to another.
            headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"
        if is_allowed and name is not None:
            headers["Access-Control-Allow-Origin"] = ANY_ORIGIN if is_open else name
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        return response

    return respond_across_origins


def _is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and request.fault is None
        and b"access-control-request-method" in request.headers
    )


def _preflight_headers(request: Request) -> dict[str, str]:
    _, request_id = common_headers(request)
    return {
        "X-Request-Id": request_id,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
        "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
        "Server": "rookery",
    }
