"""What the headers of a request say, read strictly. Pure: no I/O."""

import re

from rookery.errors import InvalidRequest, InvalidToken, Unauthenticated

_KEY = re.compile(r"[!-~]{1,255}")
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_TOKEN_CHARS = 4096


def bearer_token(header: str | None) -> str | None:
    """The token of an ``Authorization`` header; None without the header.

    Raises:
        Unauthenticated: another scheme.
        InvalidToken: not the form of a token.
    """
    if header is None:
        return None
    if header[:7] == "Bearer ":
        token = header[7:]
    else:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authenticate with: Authorization: Bearer <token>")
        token = token.strip()
    if not token or len(token) > _TOKEN_CHARS or not token.isascii():
        raise InvalidToken
    return token


def idempotency_key(header: str | None) -> str | None:
    """A checked ``Idempotency-Key``.

    Raises:
        InvalidRequest: not 1 to 255 visible ASCII characters.
    """
    if header is not None and _KEY.fullmatch(header) is None:
        raise InvalidRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters", "Idempotency-Key"
        )
    return header


def usable_request_id(header: str | None) -> bool:
    """Whether a client's ``X-Request-Id`` may be echoed and logged."""
    return header is not None and _REQUEST_ID.fullmatch(header) is not None
