"""Addresses without the passwords in them, for whatever is shown, logged or said of an error.

Leaf module, pure. Rather too much is hidden than too little: of an address that is malformed, all
that might be a password.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>`]*")
_OPTION = re.compile(r"([^=&;]*)(=)([^&;]*)")
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:(\d*|\{?port\}?):?)?", re.IGNORECASE)
_HOST_END = re.compile(r"[:/?]")
"""What follows a host, and is rare in the value of an option."""
_SENSITIVE = ("pass", "pwd", "secret", "token", "auth", "cred", "key", "user")
_HARMLESS = {"authsource", "authmechanism", "tlscertificatekeyfile"}
"""Options whose names would make them sensitive, and that tell an operator what is wrong."""


def redacted(text: str) -> str:
    """`text` with every address in it as `redacted_address` has it."""
    if "://" not in text:
        return text
    return _ADDRESS.sub(lambda found: redacted_address(found[0]), text)


def redacted_address(address: str) -> str:
    """`scheme://***@host/path?option=***`: where it leads, without who asks.

    User information is hidden up to the last @ before the path, or, if it is malformed, up to the
    last one at all; options by their names, however they are spelled or encoded.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return HIDDEN if "@" in address else address
    head, mark, options = rest.partition("?")
    if "@" in options and not _is_query(options):
        head, mark, options = rest.rpartition("@")[2].partition("?")
        head = f"{HIDDEN}@{head}"
    elif any(_HOST_END.search(each) for each in options.split("@")[1:]):
        return f"{scheme}://{HIDDEN}"  # the value of an option, or the end of a password and a host
    elif "@" in head:
        head = f"{HIDDEN}@{head.rpartition('@')[2]}"
    elif not all(map(_is_host, head.partition("/")[0].split(","))):
        return f"{scheme}://{HIDDEN}"  # cut off before its @, perhaps
    return f"{scheme}://{head}{mark}{_OPTION.sub(_redacted_option, options)}"


def _is_host(text: str) -> bool:
    """Whether it is a host, with a port or a word that stands for one."""
    return _HOST.fullmatch(text) is not None


def _is_query(options: str) -> bool:
    """Whether each @ stands in the value of an option, rather than behind a password with a ?."""
    parts = (each.partition("@") for each in re.split("[&;]", options))
    return all("=" in before for before, mark, _ in parts if mark)


def _redacted_option(found: "re.Match[str]") -> str:
    name = unquote(unquote(found[1])).lower()
    if name in _HARMLESS or not any(part in name for part in _SENSITIVE):
        return found[0]
    return f"{found[1]}={HIDDEN}"


def shown(value: object) -> str:
    """A setting's value for people."""
    return redacted(str(value))


def said_of(address: str, error: Exception) -> str:
    """What a driver said of an address that it cannot read.

    It may quote what it takes for a port or an option, so where anything is secret it is not told.
    """
    if redacted_address(address) == address:
        return str(error)
    return "in a user name or password write %40 for @, %3A for :, %2F for /, %3F for ?, %25 for %"
