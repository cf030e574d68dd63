"""Refresh tokens: what they look like and how one follows another.

Pure: no I/O. ``<user id>.<device id>.<family><secret>``, the last part base64url. The ids say
which device to look up; `family` (16 random bytes) is shared by all tokens of one sign-in, so
that only someone who once held a token can present an old one; `secret` (32 bytes, random at
sign-in) is good once. Only SHA-256 digests of both are stored.

The secret of a successor is HMAC-SHA256 of its predecessor's under a random, stored salt. So a
client whose answer was lost, or two requests of one client at the same time, get the *same*
successor, while whoever reads the store learns no token.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets

import msgspec

from rookery.errors import InvalidToken
from rookery.ids import parse_id

SALT_BYTES = 32
_FAMILY_BYTES = 16
_SECRET_BYTES = 32
_FORMAT = re.compile(r"([0-9]{1,19})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{64})")


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token in its parts."""

    user_id: int
    device_id: str
    family: bytes
    secret: bytes

    @property
    def family_hash(self) -> str:
        return hashlib.sha256(self.family).hexdigest()

    @property
    def secret_hash(self) -> str:
        return hashlib.sha256(self.secret).hexdigest()

    def successor(self, salt: bytes) -> "RefreshToken":
        """The token that replaces this one; the same for the same `salt`."""
        secret = hmac.digest(self.secret, salt, "sha256")
        return msgspec.structs.replace(self, secret=secret)

    def text(self) -> str:
        """The token as clients keep it."""
        random_part = base64.urlsafe_b64encode(self.family + self.secret).decode()
        return f"{self.user_id}.{self.device_id}.{random_part}"


def new_refresh_token(user_id: int, device_id: str) -> RefreshToken:
    """The first token of a sign-in."""
    return RefreshToken(
        user_id=user_id,
        device_id=device_id,
        family=secrets.token_bytes(_FAMILY_BYTES),
        secret=secrets.token_bytes(_SECRET_BYTES),
    )


def parse_refresh_token(text: str) -> RefreshToken:
    """The parts of a token; whether it is genuine only the store knows.

    Raises:
        InvalidToken: it is not of the form of one.
    """
    match = _FORMAT.fullmatch(text)
    user_id = None if match is None else parse_id(match[1])
    if match is None or user_id is None:
        raise InvalidToken("The refresh token is not valid")
    try:
        random_part = base64.urlsafe_b64decode(match[3])
    except binascii.Error as error:
        raise InvalidToken("The refresh token is not valid") from error
    return RefreshToken(
        user_id=user_id,
        device_id=match[2],
        family=random_part[:_FAMILY_BYTES],
        secret=random_part[_FAMILY_BYTES:],
    )
