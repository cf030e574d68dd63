"""Every error of the client, in one tree. Imports nothing of the project.

    ClientError
    ├── ConnectionFailed            the server cannot be reached, or was cut off or silent
    ├── InvalidResponse             it answered something that is not of this API
    ├── StreamClosed                the stream ended for good (a close code that says "don't")
    └── ApiError                    it refused a request
        ├── BadRequest              400
        ├── Unauthorized            401
        ├── Forbidden               403
        ├── NotFound                404
        ├── Conflict                409
        ├── PayloadTooLarge         413
        ├── IdempotencyMismatch     422
        ├── TooManyRequests         429
        └── ServerError             500 and above
            └── Unavailable         502, 503, 504

Test `ApiError.code` rather than texts. Every class survives pickling.
"""

import datetime
import email.utils

import msgspec


class ClientError(Exception):
    """Base of all that the client raises on its own account."""


class ConnectionFailed(ClientError):
    """No answer. Whether the request took effect is unknown, unless `sent` is False."""

    def __init__(self, message: str, sent: bool = True) -> None:
        super().__init__(message, sent)
        self.sent = sent

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidResponse(ClientError):
    """An answer that does not have the shape of this API; perhaps another server listens there."""


class StreamClosed(ClientError):
    """The stream has ended, and connecting again would not help.

    `code` is the WebSocket close code; where the stream was refused over HTTP, the code that the
    server would have closed with, or the HTTP status where there is none.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason or 'the stream was closed'} ({self.code})"


class ApiError(ClientError):
    """A refused request. `field` names the part at fault, `request_id` finds it in the logs."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, message, field, retry_after_s, request_id)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.code})"


class BadRequest(ApiError):
    """The request breaks a rule."""


class Unauthorized(ApiError):
    """Not signed in, or no longer; `code` says which."""


class Forbidden(ApiError):
    """Signed in, and not allowed to."""


class NotFound(ApiError):
    """No such thing, or not for this user."""


class Conflict(ApiError):
    """The change collides with what is there."""


class PayloadTooLarge(ApiError):
    """The body is over the server's limit."""


class IdempotencyMismatch(ApiError):
    """The idempotency key was used for a different request."""


class TooManyRequests(ApiError):
    """Over a rate limit; nothing was done."""


class ServerError(ApiError):
    """A fault of the server."""


class Unavailable(ServerError):
    """The server cannot answer now. Unless `code` is ``overloaded``, it may have acted."""


_CLASSES: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: PayloadTooLarge,
    422: IdempotencyMismatch,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


class _Body(msgspec.Struct, frozen=True):
    error: str
    code: str
    field: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def error_of(
    status: int, body: bytes, *, retry_after: str | None = None, request_id: str | None = None
) -> ApiError:
    """The error that an answer with `status` and `body` stands for; any body will do."""
    try:
        told = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = _Body(f"The server answered with HTTP status {status}", f"http_{status}")
    kind = _CLASSES.get(status, ServerError if status >= 500 else ApiError)
    wait_s = seconds_of(retry_after)
    return kind(status, told.code, told.error, told.field, wait_s, request_id)


def seconds_of(retry_after: str | None) -> float | None:
    """The wait in a ``Retry-After`` header (RFC 9110, section 10.2.3), never negative."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())
