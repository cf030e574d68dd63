"""Hosts and ports as they stand in addresses (RFC 3986, section 3.2). Leaf, pure."""

import re
from ipaddress import IPv6Address, ip_address

MAX_HOST_CHARS = 255

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]{0,5})?")


def is_wildcard(host: str) -> bool:
    """Whether who listens on `host` listens on every address: no address for anybody to use."""
    try:
        return not host or ip_address(host).is_unspecified
    except ValueError:
        return False


def reachable(host: str) -> str:
    """`host`, or the loopback address of its kind where it is a wildcard."""
    if not is_wildcard(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def bracketed(host: str) -> str:
    """`host` as it stands in a URL: an IPv6 address in brackets, its zone escaped (RFC 6874)."""
    if ":" not in host or host.startswith("["):
        return host
    return f"[{host.replace('%', '%25')}]"


def authority(host: str, port: int) -> str:
    """`host` and `port` as they stand in a URL."""
    return f"{bracketed(host)}:{port}"


def host_of(field: str | None) -> str | None:
    """The host in a ``Host`` header, as it stands in a URL; None where there is none that could be.

    Letters, digits, dots, hyphens and underscores, or an IP address: no more is put into an
    address that others are given, whatever a client sends.
    """
    if not field or len(field) > MAX_HOST_CHARS:
        return None
    found = _HOST.fullmatch(field)
    if found is None:
        return None
    if found["six"] is not None:
        try:
            address = IPv6Address(found["six"])
        except ValueError:
            return None
        return None if address.is_unspecified else f"[{address}]"
    name = found["name"]
    return None if _NAME.fullmatch(name) is None or is_wildcard(name) else name.lower()
