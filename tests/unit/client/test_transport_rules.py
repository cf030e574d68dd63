"""Which requests are sent again."""

import pytest

from rookery.client.errors import ApiError, ConnectionFailed, error_of
from rookery.client.transport import Call, may_have_acted, may_repeat

SAFE = Call("GET", "/x")
KEYED = Call("POST", "/x", idempotency_key="k")
UNSAFE = Call("POST", "/x")
LOST = ConnectionFailed("lost")
REFUSED = ConnectionFailed("refused", sent=False)
OVERLOADED = error_of(503, b'{"error":"e","code":"overloaded"}')
LIMITED = error_of(429, b"")
UNAVAILABLE = error_of(503, b'{"error":"e","code":"unavailable"}')
INTERNAL = error_of(500, b"")
MISSING = error_of(404, b"")


@pytest.mark.parametrize("call", [SAFE, KEYED, UNSAFE])
@pytest.mark.parametrize("error", [REFUSED, OVERLOADED, LIMITED])
def test_what_was_not_begun_is_always_repeated(
    call: Call, error: ApiError | ConnectionFailed
) -> None:
    """Nothing can happen twice."""
    assert may_repeat(call, error)
    assert not may_have_acted(error)


@pytest.mark.parametrize("error", [LOST, UNAVAILABLE])
def test_a_lost_answer_is_repeated_only_if_safe(error: ApiError | ConnectionFailed) -> None:
    """A request without a key might take effect twice."""
    assert may_repeat(SAFE, error)
    assert may_repeat(KEYED, error)
    assert not may_repeat(UNSAFE, error)
    assert may_have_acted(error)


@pytest.mark.parametrize("error", [INTERNAL, MISSING])
def test_refusals_are_not_repeated(error: ApiError) -> None:
    """They would be the same again."""
    assert not may_repeat(SAFE, error)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_methods_that_may_be_repeated(method: str) -> None:
    """As all of this API's are."""
    assert Call(method, "/x").may_be_repeated


def test_repeatable_overrules_the_method() -> None:
    """A like is a POST, and the same when done twice."""
    assert Call("POST", "/x", repeatable=True).may_be_repeated
    assert not Call("PUT", "/x", repeatable=False).may_be_repeated
