"""Which address a request counts for.

Pure. ``X-Forwarded-For`` is whatever a client likes, unless a proxy that we trust
wrote its end: each proxy appends the address that it was connected from.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

MAX_HOPS = 16
IPV6_PREFIX = 64
UNKNOWN = "unknown"


class Addresses:
    """Finds the client's address behind the trusted proxies, if there are any."""

    def __init__(self, trusted_proxies: str = "") -> None:
        """`trusted_proxies`: addresses and networks, separated by commas.

        Raises:
            ValueError: one of them is neither.
        """
        parts = [part.strip() for part in trusted_proxies.split(",")]
        self._trusted = [ip_network(part) for part in parts if part]

    def key_of(self, peer: str | None, forwarded: str | None) -> str:
        """What to count by: the client's IPv4 address or IPv6 network, as of `client_of`."""
        address = self._client(peer, forwarded)
        return UNKNOWN if address is None else _key(address)

    def client_of(self, peer: str | None, forwarded: str | None) -> str:
        """The client's address.

        `peer` is who is connected, `forwarded` the value of ``X-Forwarded-For`` (all of them,
        joined by commas). Going back from the peer, the first address that is no trusted proxy is
        the client's. An entry that is no address ends the way: the proxy before is the client.
        """
        return str(self._client(peer, forwarded) or UNKNOWN)

    def _client(self, peer: str | None, forwarded: str | None) -> Address | None:
        address = _parsed(peer or "")
        if address is None:
            return None
        if forwarded and self._trusted and self._is_trusted(address):
            for entry in reversed(forwarded.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
                hop = _parsed(_without_port(entry.strip()))
                if hop is None:
                    break
                address = hop
                if not self._is_trusted(hop):
                    break
        return address

    def place_of(self, peer: str) -> tuple[str, bool]:
        """What a connection from `peer` counts for, and whether a trusted proxy made it."""
        address = _parsed(peer)
        if address is None:
            return UNKNOWN, False
        return _key(address), bool(self._trusted) and self._is_trusted(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=16_384)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without_port(entry: str) -> str:
    """``[::1]:80`` and ``192.0.2.1:80`` without what is not the address."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


@lru_cache(maxsize=16_384)
def _key(address: Address) -> str:
    # A household or a machine has a whole IPv6 network, and as many addresses as it likes.
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX), strict=False))
    return str(address)
