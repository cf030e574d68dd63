"""The rules for what people enter about themselves.

Pure: no I/O. Each function returns the value in the form to be kept, or raises `InvalidRequest`
naming the field as it is called in requests. The text of posts has rules of its own, in
`rookery.text`.
"""

import re
import unicodedata
from urllib.parse import urlsplit

from rookery.errors import InvalidRequest
from rookery.text.invisible import (
    MAX_MARKS,
    is_visible,
    misplaced,
    neutralised,
    too_many_marks,
)

MAX_USERNAME_CHARS = 15
MAX_EMAIL_CHARS = 254
MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_CHARS = 1024
MAX_NAME_CHARS = 50
MAX_BIO_CHARS = 160
MAX_LOCATION_CHARS = 30
MAX_WEBSITE_CHARS = 100
MAX_PICTURE_URL_CHARS = 500
MAX_DEVICE_NAME_CHARS = 100

_USERNAME = re.compile(r"[A-Za-z0-9_]+")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}")
_LABELS = {"name": "A name"}
_NOT_IN_URL = re.compile(r'[\s"<>\\^`{|}]')


def username(value: str) -> str:
    """1 to 15 letters, digits and underscores. Case is kept, but does not tell names apart."""
    if len(value) > MAX_USERNAME_CHARS or _USERNAME.fullmatch(value) is None:
        raise InvalidRequest(
            f"A username is 1 to {MAX_USERNAME_CHARS} letters, digits and underscores", "username"
        )
    return value


def email(value: str) -> str:
    """An address as ``<input type=email>`` of HTML takes it, with a dot in the domain.

    A sanity check and no more: whether mail arrives is only known by sending some. As in HTML,
    names outside ASCII must be given in their ASCII form (``xn--``), and quoted local parts and
    address literals, which RFC 5321 allows, are refused.
    """
    value = value.strip(" ")
    if len(value) > MAX_EMAIL_CHARS or _EMAIL.fullmatch(value) is None:
        raise InvalidRequest("This is not an email address", "email")
    return value


def password(value: str) -> str:
    """8 to 1024 characters of any script, spaces included, without control characters."""
    if not MIN_PASSWORD_CHARS <= len(value) <= MAX_PASSWORD_CHARS:
        raise InvalidRequest(
            f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters", "password"
        )
    _refuse_controls(value, "password", allowed="")
    return value


def name(value: str) -> str:
    """A display name: one line of 1 to 50 characters, of which some can be seen."""
    value = _line(value, "name", MAX_NAME_CHARS)
    if not value:
        raise InvalidRequest("A name needs a visible character", "name")
    return value


def bio(value: str) -> str:
    """Up to 160 characters; line breaks are kept, in one form. Direction as in posts."""
    value = neutralised(value.replace("\r\n", "\n").replace("\r", "\n"))
    value = unicodedata.normalize("NFC", value).strip()
    _refuse_controls(value, "bio", allowed="\n")
    _refuse_blank(value, "bio")
    return _limited(value, "bio", MAX_BIO_CHARS)


def location(value: str) -> str:
    """One line of up to 30 characters."""
    return _line(value, "location", MAX_LOCATION_CHARS)


def website(value: str) -> str:
    """A web address of up to 100 characters, or nothing."""
    return _web_url(value, "website", MAX_WEBSITE_CHARS)


def avatar_url(value: str) -> str:
    """A web address of up to 500 characters, or nothing."""
    return _web_url(value, "avatarUrl", MAX_PICTURE_URL_CHARS)


def banner_url(value: str) -> str:
    """A web address of up to 500 characters, or nothing."""
    return _web_url(value, "bannerUrl", MAX_PICTURE_URL_CHARS)


def device_name(value: str) -> str:
    """One line of up to 100 characters."""
    return _line(value, "deviceName", MAX_DEVICE_NAME_CHARS)


def _line(value: str, field: str, limit: int) -> str:
    """A label in the form to keep: empty, or one line that can be seen and stays in its place."""
    value = unicodedata.normalize("NFC", value).strip()
    _refuse_controls(value, field, allowed="")
    _refuse_blank(value, field)
    value = _limited(value, field, limit)
    unseen = misplaced(value)
    if unseen is not None:
        raise _not_allowed(value[unseen], field)
    if too_many_marks(value):
        raise InvalidRequest(f"{field} may have at most {MAX_MARKS} marks over one letter", field)
    return value


def _refuse_blank(value: str, field: str) -> None:
    if value and not is_visible(value):
        raise InvalidRequest(f"{_LABELS.get(field, field)} needs a visible character", field)


def _limited(value: str, field: str, limit: int) -> str:
    if len(value) > limit:
        raise InvalidRequest(f"{field} may have at most {limit} characters", field)
    return value


def _refuse_controls(value: str, field: str, allowed: str) -> None:
    """Refuse control characters, line separators and lone surrogates (which no UTF-8 can hold)."""
    for character in value:
        if character not in allowed and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise _not_allowed(character, field)


def _not_allowed(character: str, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field} contains the character U+{ord(character):04X}, which is not allowed here", field
    )


def _web_url(value: str, field: str, limit: int) -> str:
    value = value.strip()
    if not value:
        return ""
    _limited(value, field, limit)
    _refuse_controls(value, field, allowed="")
    problem = InvalidRequest(f"{field} must be an http:// or https:// address", field)
    if _NOT_IN_URL.search(value) or misplaced(value) is not None:
        raise problem
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise problem from None
    # A user name in front of the host is only good for making a link look like another site's.
    if not valid or "@" in parts.netloc:
        raise problem
    return value
