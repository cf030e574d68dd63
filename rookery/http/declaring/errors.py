"""Turns errors into responses: the only place that does.

Every answer that is not a success has the body ``{"error", "code", "field"?}``. What was not
meant to be raised is answered as `internal`, and logged with the request's id.
"""

import math

import msgspec
import structlog

from rookery.errors import RookeryError, TooManyRequests
from rookery.http.declaring.schemas import ErrorBody
from rookery.http.protocol.message import Request, Response

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode
INTERNAL_TEXT = "Something went wrong on our side"


def error_body(error: RookeryError) -> bytes:
    """The JSON that tells a client of `error`."""
    text = INTERNAL_TEXT if error.status == 500 else str(error) or error.code
    return _encode(ErrorBody(error=text, code=error.code, field=error.field or msgspec.UNSET))


def limit_headers(headers: dict[str, str], limit: int, remaining: int, reset_s: int) -> None:
    """Say how the client stands towards its rate limit."""
    headers["RateLimit-Limit"] = str(limit)
    headers["RateLimit-Remaining"] = str(remaining)
    headers["RateLimit-Reset"] = str(reset_s)


def error_response(
    error: Exception, request: Request, headers: dict[str, str], request_id: str
) -> Response:
    """The response for `error`; `headers` are those of every response, and are added to."""
    if not isinstance(error, RookeryError) or error.status == 500:
        log.error(
            "request failed",
            request_id=request_id,
            method=request.method,
            path=request.path[:200],
            exc_info=error,
        )
        error = RookeryError(INTERNAL_TEXT)
    elif error.status == 503 and error.__cause__ is not None:
        # No stack: while a part is away there are as many of these as requests.
        cause = f"{type(error.__cause__).__name__}: {error.__cause__}"
        log.warning("unavailable", request_id=request_id, code=error.code, cause=cause[:500])
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests):
        limit_headers(headers, error.limit, 0, error.reset_s)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return Response(error.status, error_body(error), headers)
