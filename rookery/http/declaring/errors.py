"""Turns errors into responses: the only place that does.

What the body looks like is the surface's (`ErrorFormat`); status and headers are the same on all.
What was not meant to be raised is answered as `internal`, and logged with the request's id.
"""

import itertools
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from rookery.errors import RookeryError, TooManyRequests
from rookery.http.declaring.bodies import JSON_TYPE
from rookery.http.declaring.headers import usable_request_id
from rookery.http.protocol.message import Request, Response

log = structlog.get_logger(__name__)

INTERNAL_TEXT = "Something went wrong on our side"
_encode = msgspec.json.Encoder().encode
_COMMON = {
    "Content-Type": JSON_TYPE,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "rookery",
}
_prefix = secrets.token_hex(6)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class ErrorFormat:
    """The JSON body of a surface's errors: its shape, and how an error becomes one.

    `body_of` is given the error and the text that may be shown.
    """

    shape: type[msgspec.Struct]
    body_of: Callable[[RookeryError, str], msgspec.Struct]

    def encoded(self, error: RookeryError) -> bytes:
        """The body that tells a client of `error`."""
        text = INTERNAL_TEXT if error.status == 500 else str(error) or error.code
        return _encode(self.body_of(error, text))


def common_headers(request: Request) -> tuple[dict[str, str], str]:
    """The headers of every response to `request`, and the id in them."""
    request_id = request.header(b"x-request-id")
    if request_id is None or not usable_request_id(request_id):
        request_id = f"{_prefix}-{next(_numbers):x}"
    return {**_COMMON, "X-Request-Id": request_id}, request_id


def limit_headers(headers: dict[str, str], limit: int, remaining: int, reset_s: int) -> None:
    """Say how the client stands towards its rate limit."""
    headers["RateLimit-Limit"] = str(limit)
    headers["RateLimit-Remaining"] = str(remaining)
    headers["RateLimit-Reset"] = str(reset_s)


def error_response(
    error: Exception,
    request: Request,
    headers: dict[str, str],
    request_id: str,
    error_format: ErrorFormat,
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
    return Response(error.status, error_format.encoded(error), headers)


def refusal(error: Exception, request: Request, error_format: ErrorFormat) -> Response:
    """The answer to a request that reaches no handler."""
    headers, request_id = common_headers(request)
    return error_response(error, request, headers, request_id, error_format)
