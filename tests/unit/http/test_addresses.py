"""Which address a request counts for."""

import pytest

from rookery.http.addresses import UNKNOWN, Addresses

TRUSTED = "10.0.0.0/8, 2001:db8:1::/48"


@pytest.mark.parametrize(
    ("peer", "forwarded", "key"),
    [
        ("198.51.100.7", None, "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.66, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.66, 203.0.113.9 ,10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8:2::1]:4711", "2001:db8:2::/64"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8:1::1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8:2:3:4:5:6:7", None, "2001:db8:2:3::/64"),
        ("", "203.0.113.9", UNKNOWN),
        (None, None, UNKNOWN),
    ],
)
def test_the_last_untrusted_hop_counts(peer: str | None, forwarded: str | None, key: str) -> None:
    """Only what a trusted proxy wrote is believed, and nothing to the left of the client."""
    assert Addresses(TRUSTED).key_of(peer, forwarded) == key


def test_nobody_is_trusted_unless_said() -> None:
    """Any client can send the header."""
    assert Addresses().key_of("127.0.0.1", "203.0.113.9") == "127.0.0.1"
