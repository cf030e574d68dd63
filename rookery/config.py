"""Settings: typed, each documented, validated once.

Leaf module. A setting comes from, in rising order of precedence: its default, the TOML file
(``--config``, else ``./rookery.toml`` if there is one), the environment
(``ROOKERY_<SECTION>_<NAME>``, e.g. ``ROOKERY_HTTP_PORT``), the command line. What is unknown is
refused with the nearest right name, so that a typing error never passes silently; only variables
that are of no section of ours are left alone, such as those that Kubernetes makes of a Service
called rookery. Every number has bounds, and no message shows the password in an address.
"""

import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from math import isfinite
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from rookery.errors import ConfigError
from rookery.redaction import redacted, redacted_address

PREFIX = "ROOKERY_"
NOT_SETTINGS = ("ROOKERY_TEST_", "ROOKERY_CONFIG", "ROOKERY_TOKEN")
"""Environment variables of this prefix that are not settings."""
KUBERNETES = re.compile(
    r"ROOKERY(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)"
    r"(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes makes of a Service whose name begins with rookery (and NAME_PORT, which has an
address for its value): https://kubernetes.io/docs/concepts/services-networking/service/"""
KUBERNETES_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")

MAX_FILE_BYTES = 1_000_000
MAX_TEXT = 4_096
"""Characters of a setting that is text."""

ANY_ORIGIN = "*"
_ORIGIN = re.compile(
    r"(?!http://.*:80$)(?!https://.*:443$)"  # Browsers leave the usual port out.
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Processes = Annotated[int, Meta(ge=0, le=1_024)]
Bytes = Annotated[int, Meta(ge=1, le=2**30)]
Seconds = Annotated[float, Meta(ge=0.001, le=86_400)]
"""Of waiting: at most a day."""
Lifetime = Annotated[float, Meta(ge=0.001, le=3_652 * 86_400)]
"""Of keeping: at most ten years."""
PerMinute = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Host = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9._:%-]{1,253}\Z",
        extra={"allowed": "a host name or an IP address, without brackets and port"},
    ),
]


ADDRESSES = {
    "store.mongo_uri": ("mongodb://", "mongodb+srv://"),
    "redis.url": ("redis://", "rediss://", "unix://"),
    "ray.address": ("ray://",),
    "live.public_url": ("ws://", "wss://"),
}
"""Settings that are addresses, where a password may stand, and what they begin with."""

_RAY_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9._:%\[\]-]{1,300}")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections. Shown without passwords."""

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(f'{k}={_quoted(v)}' for k, v in fields)})"


class Server(Section, frozen=True, kw_only=True):
    runtime: Annotated[
        Literal["ray", "inline"],
        Meta(description="ray: one process an actor. inline: all in one process."),
    ] = "ray"
    data_dir: Annotated[str, Meta(min_length=1, description="Folder of the embedded store.")] = (
        "data"
    )
    private_data: Annotated[
        bool,
        Meta(
            description="Close the data folder to all other users, and do not start where that"
            " cannot be done; false: leave its mode alone, for file systems without modes."
        ),
    ] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")
    ] = "info"


class Store(Section, frozen=True, kw_only=True):
    engine: Annotated[
        Literal["sqlite", "mongo"],
        Meta(description="sqlite: embedded, one machine. mongo: a MongoDB replica set."),
    ] = "sqlite"
    mongo_uri: Annotated[
        str, Meta(description="Where MongoDB is: mongodb://HOST:PORT/?replicaSet=NAME.")
    ] = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
    mongo_database: Annotated[
        str,
        Meta(
            pattern=r"""\A[^/\\. "$*<>:|?\x00]{1,63}\Z""",
            extra={"allowed": 'a name of 1 to 63 characters without spaces and /\\."$*<>:|?'},
            description="Name of the database.",
        ),
    ] = "rookery"
    timeout_s: Annotated[
        Seconds, Meta(description="Seconds after which MongoDB counts as not answering.")
    ] = 5.0


class Redis(Section, frozen=True, kw_only=True):
    url: Annotated[
        str,
        Meta(
            description="Redis that carries queue, shared caches, limits: redis://HOST:PORT/0;"
            " empty: none, the store and each process do it."
        ),
    ] = ""
    prefix: Annotated[
        str, Meta(max_length=200, description="What all keys in Redis begin with.")
    ] = "rookery:"
    timeout_s: Annotated[
        Seconds, Meta(description="Seconds after which Redis counts as not answering.")
    ] = 1.0


class Http(Section, frozen=True, kw_only=True):
    host: Annotated[Host, Meta(description="Address the gateways listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of the REST surface; 0 picks a free one.")] = 8000
    gateways: Annotated[
        Processes, Meta(description="Gateway processes sharing the port; 0: one for two cores.")
    ] = 0
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses and networks of proxies whose X-Forwarded-For is believed,"
            " separated by commas."
        ),
    ] = ""
    allowed_origins: Annotated[
        str,
        Meta(
            description="Origins of web pages that may use the REST surface (CORS), as"
            " https://example.org, separated by commas; * for any; empty: none."
        ),
    ] = ""
    max_connections: Annotated[
        Positive,
        Meta(description="Connections a gateway takes, as far as the open files allow."),
    ] = 20_000
    max_connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="Connections a gateway takes from an address (trusted proxies apart);"
            " 0: no limit.",
        ),
    ] = 2_000
    max_held_bytes: Annotated[
        Positive,
        Meta(
            description="Bytes of unfinished requests a gateway holds in all, small ones apart;"
            " and of answers that clients do not take in."
        ),
    ] = 64 * 1024 * 1024


class Live(Section, frozen=True, kw_only=True):
    host: Annotated[Host, Meta(description="Address the connection servers listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        Port,
        Meta(description="Port of the first connection server; the others take the next ones."),
    ] = 8001
    servers: Annotated[int, Meta(ge=1, le=1_024, description="Connection server processes.")] = 1
    public_url: Annotated[
        str,
        Meta(
            description="What clients are told to connect to, with {host} for the node's address"
            " and {port} for the server's port; empty: ws://{host}:{port}/stream."
        ),
    ] = ""
    max_sessions: Annotated[Positive, Meta(description="Sessions a connection server takes.")] = (
        50_000
    )
    max_handshakes: Annotated[
        Positive,
        Meta(description="Connections to a connection server that are no sessions yet."),
    ] = 4_096
    max_handshakes_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="The same from an address (http.trusted_proxies apart); 0: no limit.",
        ),
    ] = 1_024
    heartbeat_s: Annotated[Seconds, Meta(description="Seconds between two pings.")] = 25.0
    soft_buffer_bytes: Annotated[
        Bytes,
        Meta(description="Unsent bytes of a session above which its events are merged into one."),
    ] = 256 * 1024
    hard_buffer_bytes: Annotated[
        Bytes, Meta(description="Unsent bytes above which a session is closed as too slow.")
    ] = 1024 * 1024
    slow_grace_s: Annotated[
        Seconds, Meta(description="Seconds a session may stay merged before it is closed.")
    ] = 30.0
    drain_s: Annotated[
        Seconds, Meta(description="Seconds over which a drained server sends its clients away.")
    ] = 5.0
    log_events: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Events kept for each connected user, for resuming."),
    ] = 512
    linger_s: Annotated[
        Lifetime, Meta(description="Seconds the event log is kept after the last connection ends.")
    ] = 600.0
    max_logs: Annotated[
        Positive, Meta(description="Event logs a timeline shard keeps at the most.")
    ] = 65_536


class Timelines(Section, frozen=True, kw_only=True):
    shards: Annotated[Processes, Meta(description="Timeline shards; 0: one for two cores.")] = 0
    ring_size: Annotated[
        int, Meta(ge=20, le=100_000, description="Newest tweets a warm timeline holds in memory.")
    ] = 800
    max_rows: Annotated[
        Positive,
        Meta(description="Warm timelines a shard holds at the most; the idlest make room."),
    ] = 262_144
    idle_s: Annotated[
        Lifetime, Meta(description="Seconds without a read after which a timeline is dropped.")
    ] = 3600.0
    celebrity_threshold: Annotated[
        Positive,
        Meta(description="Followers from which an author is fanned out on read, not on write."),
    ] = 1_000_000


class Events(Section, frozen=True, kw_only=True):
    lag_s: Annotated[
        Seconds,
        Meta(description="Seconds after which a consumer's events go into its own backlog."),
    ] = 5.0
    max_held: Annotated[
        int,
        Meta(
            ge=1_000,
            le=1_000_000,
            description="Events of a consumer in memory; with more its backlog takes them.",
        ),
    ] = 10_000


class Auth(Section, frozen=True, kw_only=True):
    access_token_s: Annotated[Lifetime, Meta(description="Life of an access token.")] = 900.0
    refresh_token_s: Annotated[
        Lifetime, Meta(description="Life of a device's refresh token since its last use.")
    ] = 30 * 86400.0
    recheck_s: Annotated[
        Seconds,
        Meta(
            description="Seconds after which a cached token's device is looked up again. Only then "
            "does a logout count for a process that was never told of it."
        ),
    ] = 30.0
    password_wait_s: Annotated[
        Seconds,
        Meta(description="Seconds a sign-up or log-in waits for its turn to hash; then it is 503."),
    ] = 10.0
    security_log_file: Annotated[
        str,
        Meta(
            description="File for the security log, on each node; empty: on stderr with the"
            " ordinary log, as lines of kind security."
        ),
    ] = ""
    argon2_time_cost: Annotated[int, Meta(ge=1, le=100, description="Argon2id passes.")] = 3
    argon2_memory_kib: Annotated[int, Meta(ge=8, le=4 * 2**20, description="Argon2id memory.")] = (
        65_536
    )


class Limits(Section, frozen=True, kw_only=True):
    """How much each may do in a minute; 0 takes a limit off."""

    reads_per_user: Annotated[
        PerMinute, Meta(description="Reads a minute of a signed-in user; 0: no limit.")
    ] = 6_000
    reads_per_address: Annotated[
        PerMinute, Meta(description="Reads a minute of an address, not signed in; 0: no limit.")
    ] = 1_200
    writes_per_user: Annotated[
        PerMinute, Meta(description="Changes a minute by a signed-in user; 0: no limit.")
    ] = 1_200
    writes_per_address: Annotated[
        PerMinute,
        Meta(
            description="Changes a minute from an address, not signed in (renewing tokens);"
            " 0: no limit."
        ),
    ] = 600
    signups_per_address: Annotated[
        PerMinute, Meta(description="Sign-ups a minute from an address; 0: no limit.")
    ] = 60
    logins_per_address: Annotated[
        PerMinute, Meta(description="Log-ins a minute from an address; 0: no limit.")
    ] = 60
    logins_per_account: Annotated[
        PerMinute,
        Meta(
            description="Attempts a minute to log in to one account, of strangers together and"
            " of each device or address that logged in before; 0: no limit."
        ),
    ] = 10


class Tweets(Section, frozen=True, kw_only=True):
    max_length: Annotated[
        int, Meta(ge=1, le=10_000, description="Weighted characters a tweet may have.")
    ] = 280
    cache_size: Annotated[
        int, Meta(ge=2, le=1_000_000_000, description="Tweets a gateway keeps ready as JSON.")
    ] = 100_000


class Ray(Section, frozen=True, kw_only=True):
    address: Annotated[
        str, Meta(description="Ray cluster to join; empty: start one on this machine.")
    ] = ""
    dashboard_port: Annotated[Port, Meta(description="Port of the Ray dashboard.")] = 8265
    figures_s: Annotated[
        Seconds, Meta(description="Seconds between two exports of the actors' figures.")
    ] = 5.0


class Config(Section, frozen=True, kw_only=True):
    """All settings, by section."""

    server: Server = Server()
    store: Store = Store()
    redis: Redis = Redis()
    http: Http = Http()
    live: Live = Live()
    timelines: Timelines = Timelines()
    events: Events = Events()
    auth: Auth = Auth()
    limits: Limits = Limits()
    tweets: Tweets = Tweets()
    ray: Ray = Ray()

    @property
    def gateways(self) -> int:
        """The number of gateways, resolved."""
        return 1 if self.server.runtime == "inline" else self.http.gateways or _pairs_of_cores()

    @property
    def shards(self) -> int:
        """The number of timeline shards, resolved."""
        return 1 if self.server.runtime == "inline" else self.timelines.shards or _pairs_of_cores()

    @property
    def is_clustered(self) -> bool:
        """Whether nodes may come and go: on a Ray cluster, with a store that all can reach."""
        return (
            self.server.runtime == "ray" and bool(self.ray.address) and self.store.engine == "mongo"
        )


def origins_of(text: str) -> list[str]:
    """The origins that a setting lists."""
    return [origin for part in text.split(",") if (origin := part.strip())]


def pairs_of(cores: float) -> int:
    """How many gateways, and how many shards, keep so many cores busy; at least one."""
    # A gateway and a shard keep two cores busy. More of them only split the batches between them:
    # on two cores two of each need 1,257 µs a read, one of each 672 (docs/decisions/007).
    return max(1, int(cores) // 2)


def _pairs_of_cores() -> int:
    return pairs_of(len(os.sched_getaffinity(0)))


def sections() -> dict[str, type[Section]]:
    """The section types by name, in order."""
    hints = get_type_hints(Config)
    return {name: hints[name] for name in Config.__struct_fields__}


def _nearest(name: str, known: list[str]) -> str:
    match = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else f"; known are {', '.join(known)}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES:,} bytes: it is no file of ours")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _from_file(path: Path) -> dict[str, dict[str, Any]]:
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    known = sections()
    for section, table in tables.items():
        if section not in known:
            raise ConfigError(f"{path}: unknown section [{section}]{_nearest(section, [*known])}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} must be a section: write [{section}]")
        for name in table:
            fields = list(known[section].__struct_fields__)
            if name not in fields:
                raise ConfigError(
                    f"{path}: unknown setting {name} in [{section}]{_nearest(name, fields)}"
                )
    return tables


def _variables() -> dict[str, tuple[str, str]]:
    return {
        f"{PREFIX}{section}_{name}".upper(): (section, name)
        for section, cls in sections().items()
        for name in cls.__struct_fields__
    }


def _is_foreign(variable: str, text: str) -> bool:
    """Whether a variable of our prefix is none of ours, so that it is left alone."""
    if variable.startswith(NOT_SETTINGS) or KUBERNETES.fullmatch(variable):
        return True
    if variable.endswith("_PORT") and KUBERNETES_ADDRESS.fullmatch(text):
        return True  # of a Service rookery-http, say; a port of ours is a number
    section, _, name = variable.removeprefix(PREFIX).lower().partition("_")
    return not name or not get_close_matches(section, [*sections()], n=1, cutoff=0.8)


def ignored(environ: Mapping[str, str]) -> list[str]:
    """The variables of our prefix that mean nothing to us, nor are they somebody's we know of."""
    return sorted(
        variable
        for variable, text in environ.items()
        if variable.startswith(PREFIX)
        and _is_foreign(variable, text)
        and not variable.startswith(NOT_SETTINGS)
        and not KUBERNETES.fullmatch(variable)
        and not KUBERNETES_ADDRESS.fullmatch(text)
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    known = _variables()
    found: dict[str, dict[str, Any]] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or _is_foreign(variable, text):
            continue
        if variable not in known:
            raise ConfigError(
                f"unknown environment variable {variable}{_nearest(variable, [*known])}"
            )
        section, name = known[variable]
        found.setdefault(section, {})[name] = text
    return found


def _quoted(value: object) -> str:
    """A value for people: on one line, not too long, and without passwords."""
    text = redacted_address(value) if isinstance(value, str) else redacted(str(value))
    if len(text) > 100:
        text = f"{text[:100]}…"
    return repr(text) if isinstance(value, str) else text


def _allowed(hint: Any) -> str:
    """What a setting may be, in words."""
    base, *metas = get_args(hint)
    bounds = {}
    for meta in metas:
        if isinstance(meta, Meta):
            if meta.extra is not None and "allowed" in meta.extra:
                return str(meta.extra["allowed"])
            for bound in ("ge", "gt", "le", "min_length", "max_length"):
                if (value := getattr(meta, bound)) is not None:
                    bounds[bound] = value
    if base is bool:
        return "true or false"
    if base is str:
        least, most = bounds.get("min_length", 0), bounds.get("max_length", MAX_TEXT)
        return f"text of {least} to {most:,} characters, none of them a control character"
    if base in (int, float):
        kind = "a whole number" if base is int else "a number"
        least = f"above {bounds['gt']}" if "gt" in bounds else f"from {bounds.get('ge', 0)}"
        return f"{kind} {least} to {bounds['le']}" if "le" in bounds else f"{kind} {least}"
    *others, last = map(str, get_args(base))
    return f"{', '.join(others)} or {last}"


def _is_sound(value: object) -> bool:
    """What the types do not say: numbers are finite, text is short and of characters."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, str):
        return len(value) <= MAX_TEXT and not any(
            unicodedata.category(each) in ("Cc", "Cs") for each in value
        )
    return True


def _validate(section: str, cls: type[Section], values: dict[str, Any]) -> Section:
    hints = get_type_hints(cls, include_extras=True)
    converted = {}
    for name, value in values.items():
        try:
            found = msgspec.convert(value, hints[name], strict=not isinstance(value, str))
            if not _is_sound(found):
                raise ValueError("it is infinite, or has control characters, or is too long")
        except (ValueError, OverflowError, msgspec.ValidationError):
            # Without its cause, which may quote a password.
            path = f"{section}.{name}"
            is_text = isinstance(value, str) or path not in ADDRESSES
            said = _quoted(value) if is_text else f"a {type(value).__name__}"
            raise ConfigError(
                f"setting {path} ({_variable(path)}) = {said}: it may be {_allowed(hints[name])}"
            ) from None
        converted[name] = found
    return cls(**converted)


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """The settings from all sources.

    Raises:
        ConfigError: something is unknown, malformed or contradictory; the text names it.
    """
    merged: dict[str, dict[str, Any]] = {}
    if path is None and Path("rookery.toml").exists():
        path = Path("rookery.toml")
    sources: list[Mapping[str, Mapping[str, Any]]] = []
    if path is not None:
        sources.append(_from_file(path))
    sources.append(_from_environment(os.environ if environ is None else environ))
    sources.append(overrides or {})
    for source in sources:
        for section, values in source.items():
            merged.setdefault(section, {}).update(values)
    built = {
        section: _validate(section, cls, merged.get(section, {}))
        for section, cls in sections().items()
    }
    config = msgspec.structs.replace(Config(), **built)
    _check(config)
    return config


def _check_addresses(config: Config) -> None:
    """Refuse addresses of another scheme. They are not quoted: any part may be a password."""
    for name, value, form in (
        ("store.mongo_uri", config.store.mongo_uri, "HOST:PORT/?replicaSet=NAME"),
        ("redis.url", config.redis.url, "HOST:PORT/0"),
    ):
        if value and not value.startswith(ADDRESSES[name]):
            first, *others = ADDRESSES[name]
            raise ConfigError(
                f"{name} ({_variable(name)}) must begin with {first} or {' or '.join(others)}, with"
                f" NAME:PASSWORD@ behind that where they are needed: {first}{form}"
            )
    if config.ray.address and not _RAY_ADDRESS.fullmatch(config.ray.address):
        raise ConfigError(
            f"ray.address ({_variable('ray.address')}) must be HOST:PORT, ray://HOST:PORT or auto,"
            " without name and password"
        )


def _variable(path: str) -> str:
    return f"{PREFIX}{path.replace('.', '_')}".upper()


def _ipv4_of(network: IPv6Network) -> IPv4Network | None:
    """The IPv4 network that is written as one of IPv6 (``::ffff:10.0.0.0/104``)."""
    first = network.network_address.ipv4_mapped
    if first is None or network.prefixlen < 96:
        return None
    return IPv4Network((int(first), network.prefixlen - 96))


def _check(config: Config) -> None:
    """Refuse settings that contradict each other."""
    live, http = config.live, config.http
    _check_addresses(config)
    if live.soft_buffer_bytes >= live.hard_buffer_bytes:
        raise ConfigError("live.soft_buffer_bytes must be below live.hard_buffer_bytes")
    if live.port and live.port + live.servers - 1 > 65535:
        raise ConfigError("live.port leaves no room for live.servers ports below 65536")
    if http.port and live.port and live.port <= http.port < live.port + live.servers:
        raise ConfigError(f"http.port {http.port} is also a port of the connection servers")
    if config.server.runtime == "inline" and (http.gateways > 1 or config.timelines.shards > 1):
        raise ConfigError(
            "the inline runtime has one gateway and one shard;"
            " leave http.gateways and timelines.shards alone, or use server.runtime = ray"
        )
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for proxy in filter(None, map(str.strip, http.trusted_proxies.split(","))):
        try:
            network = ip_network(proxy)
        except ValueError:
            raise ConfigError(
                f"http.trusted_proxies: {_quoted(proxy)} does not appear to be an address or a"
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
            f"http.trusted_proxies: {http.trusted_proxies} is everybody, who could then pretend to"
            " come from anywhere; name the proxies' own addresses"
        )
    for origin in origins_of(http.allowed_origins):
        if origin != ANY_ORIGIN and _ORIGIN.fullmatch(origin) is None:
            raise ConfigError(
                f"http.allowed_origins: {_quoted(origin)} is no origin; write scheme and host as"
                " browsers do, in lower case, with the port where it is not the usual one and"
                " without a path: https://example.org, http://localhost:3000"
            )
    if config.server.runtime == "inline" and config.ray.address:
        raise ConfigError(
            "ray.address names a cluster, but the inline runtime runs in one process;"
            " use server.runtime = ray, or leave ray.address empty"
        )
    try:
        fields = {field for _, field, _, _ in Formatter().parse(live.public_url)} - {None}
    except ValueError:
        fields = {"{"}
    is_stream = not live.public_url or live.public_url.startswith(ADDRESSES["live.public_url"])
    if fields - {"host", "port"} or not is_stream:
        raise ConfigError(
            f"live.public_url = {_quoted(live.public_url)}: must be ws:// or wss:// and an address,"
            " in which {host} and {port} may stand"
        )
    if "{port}" not in live.public_url and live.public_url and live.servers > 1:
        raise ConfigError("live.public_url needs {port} when there are several live.servers")
