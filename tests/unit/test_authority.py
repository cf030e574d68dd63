"""Hosts and ports in addresses."""

import pytest

from rookery import authority
from rookery.compose.listening import stream_url
from rookery.config import Config, load


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("::1", "[::1]:80"),
        ("127.0.0.1", "127.0.0.1:80"),
        ("example.org", "example.org:80"),
        ("fe80::1%eth0", "[fe80::1%25eth0]:80"),
        ("[::1]", "[::1]:80"),
    ],
)
def test_ipv6_addresses_stand_in_brackets(host: str, written: str) -> None:
    """RFC 3986, section 3.2.2, and RFC 6874 for zones."""
    assert authority.authority(host, 80) == written


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0"])
def test_a_wildcard_is_no_address(host: str) -> None:
    """A client on the same machine uses the loopback address of its kind."""
    assert authority.is_wildcard(host)
    assert authority.reachable(host) == ("::1" if ":" in host else "127.0.0.1")


def test_what_is_no_wildcard_is_reached_as_it_is() -> None:
    """Names and single addresses."""
    for host in ("127.0.0.1", "::1", "example.org", "10.0.0.5"):
        assert authority.reachable(host) == host


@pytest.mark.parametrize(
    ("field", "host"),
    [
        ("example.org:8000", "example.org"),
        ("Example.ORG", "example.org"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("[2001:db8::1]:8000", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
        ("my_host-1.local:1", "my_host-1.local"),
        ("example.org:", "example.org"),
        *((bad, None) for bad in (None, "", ":80", "a b", "a,b", "a/b", "a@b", "a?b", "a#b")),
        *(
            (bad, None)
            for bad in (
                "[::1",
                "::1",
                "[zz]",
                "[::]",
                "[::0]:80",
                "a:b",
                "a:123456",
                "-a",
                "a\r\nb: c",
            )
        ),
        *((bad, None) for bad in ("a" * 300, "\xe9.org", "{host}", "a%00", "0.0.0.0", "a\\b")),
    ],
)
def test_a_host_header_is_believed_only_if_it_could_be_one(
    field: str | None, host: str | None
) -> None:
    """What is put into an address is a name or an IP address, and nothing else."""
    assert authority.host_of(field) == host


def _config(host: str, public_url: str = "", **server: str) -> Config:
    live = {"host": host, "public_url": public_url}
    return load(environ={}, overrides={"live": live})


@pytest.mark.parametrize(
    ("host", "public_url", "url"),
    [
        ("::1", "", "ws://[::1]:8001/stream"),
        ("127.0.0.1", "", "ws://127.0.0.1:8001/stream"),
        ("0.0.0.0", "", "ws://{host}:8001/stream"),
        ("::", "", "ws://{host}:8001/stream"),
        ("0.0.0.0", "wss://live.example/{port}", "wss://live.example/8001"),
        ("0.0.0.0", "wss://{host}/{port}", "wss://{host}/8001"),
        ("::1", "wss://{host}/{port}", "wss://[::1]/8001"),
    ],
)
def test_clients_are_told_an_address_that_they_can_use(
    host: str, public_url: str, url: str
) -> None:
    """Who listens on all addresses leaves the host to be named by the request."""
    assert stream_url(_config(host, public_url), "10.0.0.5", 8001) == url


def test_nodes_of_a_cluster_name_themselves() -> None:
    """There the client's own address would be that of another node, or of a proxy."""
    config = load(
        environ={},
        overrides={
            "live": {"host": "0.0.0.0"},
            "ray": {"address": "auto"},
            "store": {"engine": "mongo"},
        },
    )
    assert stream_url(config, "10.0.0.5", 8001) == "ws://10.0.0.5:8001/stream"
    assert stream_url(config, "fd00::5", 8001) == "ws://[fd00::5]:8001/stream"
