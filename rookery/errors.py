"""Every error of Rookery, in one tree.

Leaf module: imports nothing of the project.

    RookeryError                      500  4500  internal
    ├── InvalidRequest                400  4400  invalid_request   (names the field)
    │   ├── InvalidText               400  4400  text_…            (code from the text rules)
    │   └── InvalidCursor             400  4400  invalid_cursor
    ├── Unauthenticated               401  4401  unauthenticated
    │   ├── BadCredentials            401  4401  bad_credentials
    │   ├── InvalidToken              401  4401  invalid_token
    │   ├── TokenExpired              401  4402  token_expired
    │   └── DeviceRevoked             401  4403  device_revoked
    ├── Forbidden                     403  4404  forbidden
    │   └── Protected                 403  4404  protected
    ├── NotFound                      404  4400  not_found
    ├── MethodNotAllowed              405  4400  method_not_allowed
    ├── RequestTooSlow                408  4400  request_too_slow
    ├── Conflict                      409  4400  conflict          (names the field, if one)
    ├── PayloadTooLarge               413  4413  payload_too_large
    ├── UnsupportedMediaType          415  4400  unsupported_media_type
    ├── IdempotencyMismatch           422  4400  idempotency_mismatch
    ├── TooManyRequests               429  4429  rate_limited      (retry after a while)
    ├── NotSupported                  501  4400  not_supported
    │   └── VersionNotSupported       505  4400  version_not_supported
    ├── Unavailable                   503  4503  unavailable       (retry after a while)
    │   ├── ActorUnavailable          503  4503  actor_unavailable
    │   ├── Moved                     503  4503  moved
    │   ├── StoreUnavailable          503  4503  store_unavailable
    │   ├── Overloaded                503  4503  overloaded
    │   └── DeadlineExceeded          503  4503  deadline_exceeded
    └── StartupError                  the process ends; the text says what to do
        ├── ConfigError
        ├── StoreLocked
        ├── StoreTooNew
        └── PortTaken

The columns are the HTTP status, the WebSocket close code and the stable code a client may test.
``str(error)`` is safe to show to anyone; what only operators may see goes into ``__cause__``.
Each class passes all its arguments to ``super().__init__``, of which another process makes the
same error again (`rookery.actors.calls`); so does pickling. `rookery.http.declaring.errors` alone
turns an error into a response.
"""

from typing import Any, ClassVar


def reason_of(error: BaseException) -> str:
    """What an error says, for people; never empty, as the texts of many a library's are."""
    text = str(error).strip()
    if text and text != "()":
        return text
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if error.__cause__ is not None:
        return reason_of(error.__cause__)
    return type(error).__name__


class RookeryError(Exception):
    """Base of all; raised itself only for a fault of ours."""

    code: str = "internal"
    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 4500
    retry_after_s: float | None = None
    text: ClassVar[str] = "Internal server error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(self.text if message is None else message)

    @property
    def field(self) -> str | None:
        """The request field at fault, where there is one."""
        return None


class InvalidRequest(RookeryError):
    """The request breaks a rule; `field` names the part that does (a JSON path or parameter)."""

    code = "invalid_request"
    status = 400
    close_code = 4400

    def __init__(self, message: str, field: str | None = None) -> None:
        Exception.__init__(self, message, field)

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def field(self) -> str | None:
        value: str | None = self.args[1]
        return value


class InvalidText(InvalidRequest):
    """Text that may not be posted; `code` says which rule it breaks."""

    def __init__(self, message: str, code: str, field: str = "text") -> None:
        Exception.__init__(self, message, code, field)
        self.code = code

    @property
    def field(self) -> str | None:
        value: str = self.args[2]
        return value


class InvalidCursor(InvalidRequest):
    """A cursor that this server did not hand out for this list."""

    code = "invalid_cursor"

    def __init__(self, message: str = "The cursor is not valid for this list") -> None:
        super().__init__(message, "cursor")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.args[0],))


class Unauthenticated(RookeryError):
    """The request needs a signed-in user."""

    code = "unauthenticated"
    status = 401
    close_code = 4401
    text = "Authentication required"


class BadCredentials(Unauthenticated):
    """Login with a name or password that do not match."""

    code = "bad_credentials"
    text = "Wrong username, email or password"


class InvalidToken(Unauthenticated):
    """A token that this server did not sign, or that is malformed."""

    code = "invalid_token"
    text = "The token is not valid"


class TokenExpired(Unauthenticated):
    """A token whose time is over; refresh it."""

    code = "token_expired"
    close_code = 4402
    text = "The token has expired"


class DeviceRevoked(Unauthenticated):
    """The device was logged out or revoked; log in again."""

    code = "device_revoked"
    close_code = 4403
    text = "This device was logged out"


class Forbidden(RookeryError):
    """Signed in, and not allowed to."""

    code = "forbidden"
    status = 403
    close_code = 4404


class Protected(Forbidden):
    """A list that a private account shows only to those whom it approved."""

    code = "protected"
    text = "This account is private"


class NotFound(RookeryError):
    """No such thing, or not for this viewer."""

    code = "not_found"
    status = 404
    close_code = 4400


class MethodNotAllowed(RookeryError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    status = 405
    close_code = 4400


class RequestTooSlow(RookeryError):
    """A streamed body did not arrive in the time that it has."""

    code = "request_too_slow"
    status = 408
    close_code = 4400
    text = "The body did not arrive in time"


class Conflict(RookeryError):
    """The change collides with what is there; `field` names the part, if one."""

    code = "conflict"
    status = 409
    close_code = 4400

    def __init__(self, message: str, field: str | None = None) -> None:
        Exception.__init__(self, message, field)

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def field(self) -> str | None:
        value: str | None = self.args[1]
        return value


class PayloadTooLarge(RookeryError):
    """A body or frame over its limit."""

    code = "payload_too_large"
    status = 413
    close_code = 4413


class UnsupportedMediaType(RookeryError):
    """A body that is not JSON."""

    code = "unsupported_media_type"
    status = 415
    close_code = 4400


class IdempotencyMismatch(RookeryError):
    """The same `Idempotency-Key` came with another request."""

    code = "idempotency_mismatch"
    status = 422
    close_code = 4400
    text = "This Idempotency-Key was used for a different request"


class TooManyRequests(RookeryError):
    """Over a rate limit; nothing was done. `limit` is how many there may be in a minute,
    `reset_s` the time until the present minute ends, and `limit_name` the setting's name."""

    code = "rate_limited"
    status = 429
    close_code = 4429
    text = "Too many requests; try again later"

    def __init__(
        self,
        message: str | None = None,
        retry_after_s: float = 1.0,
        limit: int = 0,
        reset_s: int = 0,
        limit_name: str = "",
    ) -> None:
        text = self.text if message is None else message
        Exception.__init__(self, text, retry_after_s, limit, reset_s, limit_name)
        self.retry_after_s = retry_after_s
        self.limit = limit
        self.reset_s = reset_s
        self.limit_name = limit_name

    def __str__(self) -> str:
        return str(self.args[0])


class NotSupported(RookeryError):
    """What HTTP knows and this server does not speak: a method, a transfer coding."""

    code = "not_supported"
    status = 501
    close_code = 4400


class VersionNotSupported(NotSupported):
    """Another version of HTTP than 1.1 and 1.0."""

    code = "version_not_supported"
    status = 505
    text = "Only HTTP/1.1 and 1.0 are spoken here"


class Unavailable(RookeryError):
    """A part that is needed does not answer now; the same request may succeed later.

    Whether a write under way took effect is unknown: retry it with its `Idempotency-Key`.
    """

    code = "unavailable"
    status = 503
    close_code = 4503
    retry_after_s = 1.0
    text = "The service is unavailable for the moment"


class ActorUnavailable(Unavailable):
    """An actor is dead or restarting; raised by every call through a handle."""

    code = "actor_unavailable"


class Moved(Unavailable):
    """A shard was asked for a user whom another one owns, as of a newer view of the cluster."""

    code = "moved"


class StoreUnavailable(Unavailable):
    """The store refused or failed (disk full, I/O error, server gone)."""

    code = "store_unavailable"


class Overloaded(Unavailable):
    """A bounded queue is full; nothing of this request was begun. `limit_name` says which, where
    strangers can fill it."""

    code = "overloaded"
    text = "The server is overloaded; try again shortly"

    def __init__(self, message: str | None = None, limit_name: str = "") -> None:
        Exception.__init__(self, self.text if message is None else message, limit_name)
        self.limit_name = limit_name

    def __str__(self) -> str:
        return str(self.args[0])


class DeadlineExceeded(Unavailable):
    """No answer within the item's deadline."""

    code = "deadline_exceeded"
    text = "No answer in time; try again shortly"


class StartupError(RookeryError):
    """The process cannot start; the text names what is wrong and what to do."""

    code = "startup"


class ConfigError(StartupError):
    """A setting that is unknown, malformed or contradicts another."""

    code = "config"


class StoreLocked(StartupError):
    """Another process owns this data folder."""

    code = "store_locked"


class StoreTooNew(StartupError):
    """The store was written by a newer version of Rookery."""

    code = "store_too_new"


class PortTaken(StartupError):
    """Another process listens where this one should."""

    code = "port_taken"
