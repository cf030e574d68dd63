"""Refuses settings that are right one by one and contradict each other."""

import re
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from string import Formatter
from typing import Any

from rookery.config.sections import ADDRESSES, ANY_ORIGIN, Config, Live, origins_of
from rookery.config.words import quoted, variable
from rookery.errors import ConfigError

_ORIGIN = re.compile(
    r"(?!http://.*:80$)(?!https://.*:443$)"  # Browsers leave the usual port out.
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)

_RAY_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9._:%\[\]-]{1,300}")


def _check_addresses(config: Config) -> None:
    """Refuse addresses of another scheme. They are not quoted: any part may be a password."""
    for name, value, form in (
        ("store.mongo_uri", config.store.mongo_uri, "HOST:PORT/?replicaSet=NAME"),
        ("redis.url", config.redis.url, "HOST:PORT/0"),
    ):
        if value and not value.startswith(ADDRESSES[name]):
            first, *others = ADDRESSES[name]
            raise ConfigError(
                f"{name} ({variable(name)}) must begin with {first} or {' or '.join(others)}, with"
                f" NAME:PASSWORD@ behind that where they are needed: {first}{form}"
            )
    if config.ray.address and not _RAY_ADDRESS.fullmatch(config.ray.address):
        raise ConfigError(
            f"ray.address ({variable('ray.address')}) must be HOST:PORT, ray://HOST:PORT or auto,"
            " without name and password"
        )


def _ipv4_of(network: IPv6Network) -> IPv4Network | None:
    """The IPv4 network that is written as one of IPv6 (``::ffff:10.0.0.0/104``)."""
    first = network.network_address.ipv4_mapped
    if first is None or network.prefixlen < 96:
        return None
    return IPv4Network((int(first), network.prefixlen - 96))


def check(config: Config) -> None:
    """Refuse settings that contradict each other.

    Raises:
        ConfigError: some do; the text names them.
    """
    _check_addresses(config)
    _check_bounds_and_ports(config)
    _check_trusted_proxies(config.http.trusted_proxies)
    _check_origins(config.http.allowed_origins)
    _check_runtime(config)
    _check_public_url(config.live)


def _check_bounds_and_ports(config: Config) -> None:
    live, http = config.live, config.http
    if live.soft_buffer_bytes >= live.hard_buffer_bytes:
        raise ConfigError("live.soft_buffer_bytes must be below live.hard_buffer_bytes")
    if live.port and live.port + live.servers - 1 > 65535:
        raise ConfigError("live.port leaves no room for live.servers ports below 65536")
    if http.port and live.port and live.port <= http.port < live.port + live.servers:
        raise ConfigError(f"http.port {http.port} is also a port of the connection servers")


def _check_trusted_proxies(text: str) -> None:
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for proxy in filter(None, map(str.strip, text.split(","))):
        try:
            network = ip_network(proxy)
        except ValueError:
            raise ConfigError(
                f"http.trusted_proxies: {quoted(proxy)} does not appear to be an address or a"
                " network without bits beyond its length; write some as 127.0.0.1, 10.0.0.0/8"
            ) from None
        if isinstance(network, IPv6Network) and (mapped := _ipv4_of(network)) is not None:
            raise ConfigError(
                f"http.trusted_proxies: {proxy} would never be met, because IPv4 addresses are"
                f" taken for such; write {mapped}"
            )
        networks[network.version].append(network)
    if any(each.prefixlen == 0 for of in networks.values() for each in collapse_addresses(of)):
        raise ConfigError(
            f"http.trusted_proxies: {text} is everybody, who could then pretend to"
            " come from anywhere; name the proxies' own addresses"
        )


def _check_origins(text: str) -> None:
    for origin in origins_of(text):
        if origin != ANY_ORIGIN and _ORIGIN.fullmatch(origin) is None:
            raise ConfigError(
                f"http.allowed_origins: {quoted(origin)} is no origin; write scheme and host as"
                " browsers do, in lower case, with the port where it is not the usual one and"
                " without a path: https://example.org, http://localhost:3000"
            )


def _check_runtime(config: Config) -> None:
    if config.server.runtime != "inline":
        return
    if config.http.gateways > 1 or config.timelines.shards > 1:
        raise ConfigError(
            "the inline runtime has one gateway and one shard;"
            " leave http.gateways and timelines.shards alone, or use server.runtime = ray"
        )
    if config.ray.address:
        raise ConfigError(
            "ray.address names a cluster, but the inline runtime runs in one process;"
            " use server.runtime = ray, or leave ray.address empty"
        )


def _check_public_url(live: Live) -> None:
    try:
        fields = {field for _, field, _, _ in Formatter().parse(live.public_url)} - {None}
    except ValueError:
        fields = {"{"}
    is_stream = not live.public_url or live.public_url.startswith(ADDRESSES["live.public_url"])
    if fields - {"host", "port"} or not is_stream:
        raise ConfigError(
            f"live.public_url = {quoted(live.public_url)}: must be ws:// or wss:// and an address,"
            " in which {host} and {port} may stand"
        )
    if "{port}" not in live.public_url and live.public_url and live.servers > 1:
        raise ConfigError("live.public_url needs {port} when there are several live.servers")
