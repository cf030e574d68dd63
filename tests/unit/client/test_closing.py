"""What a close code, or a refusal over HTTP, asks of a client."""

import pytest

from rookery.client.closing import Action, action_after, close_code_of


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012, 1013, 4408, 4410, 4500, 4503])
def test_passing_troubles_are_reconnected_after(code: int) -> None:
    """The server goes away or has a fault of its own."""
    assert action_after(code) is Action.RECONNECT


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1009, 4400, 4401, 4403, 4404, 4409, 4413, 4499])
def test_what_would_happen_again_stops(code: int) -> None:
    """The client's own doing would happen again."""
    assert action_after(code) is Action.STOP


def test_an_expired_token_is_refreshed() -> None:
    """4402 asks for a new token."""
    assert action_after(4402) is Action.REFRESH


def test_too_many_sessions_wait() -> None:
    """4429 asks for patience."""
    assert action_after(4429) is Action.LATER


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "unauthenticated", 4401),
        (401, "token_expired", 4402),
        (401, "device_revoked", 4403),
        (403, "forbidden", 4404),
        (404, "not_found", 404),
        (429, "rate_limited", None),
        (500, "internal", None),
        (503, "unavailable", None),
    ],
)
def test_refusals_over_http_become_close_codes(
    status: int, code: str, expected: int | None
) -> None:
    """None says that trying again may help."""
    assert close_code_of(status, code) == expected
