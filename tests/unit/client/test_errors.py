"""Errors of the client."""

import pickle

import pytest

from rookery.client import errors
from rookery.client.errors import (
    ApiError,
    ClientError,
    ConnectionFailed,
    InvalidResponse,
    StreamClosed,
    error_of,
    seconds_of,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.PayloadTooLarge),
        (418, ApiError),
        (422, errors.IdempotencyMismatch),
        (429, errors.TooManyRequests),
        (500, errors.ServerError),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (504, errors.Unavailable),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[ApiError]) -> None:
    """The body's fields are in the error."""
    error = error_of(
        status,
        b'{"error":"No","code":"c","field":"f","later":1}',
        retry_after="3",
        request_id="r-1",
    )
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, "c", "No")
    assert (error.field, error.retry_after_s, error.request_id) == ("f", 3.0, "r-1")
    assert str(error) == f"No ({status} c)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":1}', b"\xff"])
def test_a_strange_body_is_no_obstacle(body: bytes) -> None:
    """A proxy's page still becomes the right error."""
    error = error_of(502, body)
    assert isinstance(error, errors.Unavailable)
    assert error.code == "http_502"


@pytest.mark.parametrize(
    "error",
    [
        error_of(429, b"", retry_after="1"),
        ConnectionFailed("Cannot connect", sent=False),
        StreamClosed(4401, "Log in"),
        InvalidResponse("what?"),
    ],
)
def test_errors_survive_pickling(error: ClientError) -> None:
    """They may cross processes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read(text: str | None, expected: float | None) -> None:
    """Seconds or a date; anything else is as if it were not there."""
    assert seconds_of(text) == expected
