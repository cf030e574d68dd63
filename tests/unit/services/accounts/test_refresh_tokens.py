"""What refresh tokens look like."""

import pytest

from rookery.errors import InvalidToken
from rookery.services.accounts.refresh_tokens import new_refresh_token, parse_refresh_token


def test_text_and_back() -> None:
    """A token is the same after having been written and read."""
    token = new_refresh_token(42, "device_-1")
    assert parse_refresh_token(token.text()) == token


def test_digests_tell_nothing() -> None:
    """Neither digest is part of the text, and each is 64 hex digits."""
    token = new_refresh_token(42, "device")
    assert len(token.secret_hash) == len(token.family_hash) == 64
    assert token.secret_hash not in token.text()
    assert token.secret.hex() != token.secret_hash


def test_successors() -> None:
    """The same salt gives the same successor, of the same family; another salt another one."""
    token = new_refresh_token(42, "device")
    successor = token.successor(b"salt")
    assert successor == token.successor(b"salt")
    assert successor.family == token.family
    assert len({token.secret, successor.secret, token.successor(b"other").secret}) == 3
    assert parse_refresh_token(successor.text()) == successor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "42.device",
        "42.device." + "A" * 63,
        "42.device." + "A" * 65,
        "042.device." + "A" * 64,
        "42.de vice." + "A" * 64,
        "42.device." + "A" * 63 + "=",
        "42.device." + "A" * 64 + "\n",
        "9" * 19 + ".device." + "A" * 64,
        "42." + "d" * 65 + "." + "A" * 64,
        "42.device." + "é" * 64,
    ],
)
def test_malformed(text: str) -> None:
    """What is not of the form of a token is an invalid one."""
    with pytest.raises(InvalidToken):
        parse_refresh_token(text)
