"""Settings: typed, each documented, validated once.

Leaf module. A setting comes from, in rising order of precedence: its default, the TOML file
(``--config``, else ``./rookery.toml`` if there is one), the environment
(``ROOKERY_<SECTION>_<NAME>``, e.g. ``ROOKERY_HTTP_PORT``), the command line. What is unknown is
refused with the nearest right name, so that a typing error never passes silently.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from rookery.errors import ConfigError

PREFIX = "ROOKERY_"
NOT_SETTINGS = ("ROOKERY_TEST_", "ROOKERY_CONFIG")
"""Environment variables of this prefix that are not settings."""

ANY_ORIGIN = "*"
_ORIGIN = re.compile(
    r"(?!http://.*:80$)(?!https://.*:443$)"  # Browsers leave the usual port out.
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?"
)

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
PerMinute = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class Server(Section, frozen=True, kw_only=True):
    runtime: Annotated[
        Literal["ray", "inline"],
        Meta(description="ray: one process an actor. inline: all in one process."),
    ] = "ray"
    data_dir: Annotated[str, Meta(description="Folder of the embedded store.")] = "data"
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
    mongo_database: Annotated[str, Meta(min_length=1, description="Name of the database.")] = (
        "rookery"
    )
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
    prefix: Annotated[str, Meta(description="What all keys in Redis begin with.")] = "rookery:"
    timeout_s: Annotated[
        Seconds, Meta(description="Seconds after which Redis counts as not answering.")
    ] = 1.0


class Http(Section, frozen=True, kw_only=True):
    host: Annotated[str, Meta(description="Address the gateways listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of the REST surface; 0 picks a free one.")] = 8000
    gateways: Annotated[
        int, Meta(ge=0, description="Gateway processes sharing the port; 0: one for two cores.")
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
    host: Annotated[str, Meta(description="Address the connection servers listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        Port,
        Meta(description="Port of the first connection server; the others take the next ones."),
    ] = 8001
    servers: Annotated[Positive, Meta(description="Connection server processes.")] = 1
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
            description="The same from an address (http.trusted_proxies apart); 0: no limit.",
        ),
    ] = 1_024
    heartbeat_s: Annotated[Seconds, Meta(description="Seconds between two pings.")] = 25.0
    soft_buffer_bytes: Annotated[
        Positive,
        Meta(description="Unsent bytes of a session above which its events are merged into one."),
    ] = 256 * 1024
    hard_buffer_bytes: Annotated[
        Positive, Meta(description="Unsent bytes above which a session is closed as too slow.")
    ] = 1024 * 1024
    slow_grace_s: Annotated[
        Seconds, Meta(description="Seconds a session may stay merged before it is closed.")
    ] = 30.0
    drain_s: Annotated[
        Seconds, Meta(description="Seconds over which a drained server sends its clients away.")
    ] = 5.0
    log_events: Annotated[
        Positive, Meta(description="Events kept for each connected user, for resuming.")
    ] = 512
    linger_s: Annotated[
        Seconds, Meta(description="Seconds the event log is kept after the last connection ends.")
    ] = 600.0
    max_logs: Annotated[
        Positive, Meta(description="Event logs a timeline shard keeps at the most.")
    ] = 65_536


class Timelines(Section, frozen=True, kw_only=True):
    shards: Annotated[int, Meta(ge=0, description="Timeline shards; 0: one for two cores.")] = 0
    ring_size: Annotated[
        int, Meta(ge=20, le=100_000, description="Newest tweets a warm timeline holds in memory.")
    ] = 800
    max_rows: Annotated[
        Positive,
        Meta(description="Warm timelines a shard holds at the most; the idlest make room."),
    ] = 262_144
    idle_s: Annotated[
        Seconds, Meta(description="Seconds without a read after which a timeline is dropped.")
    ] = 3600.0
    celebrity_threshold: Annotated[
        Positive,
        Meta(description="Followers from which an author is fanned out on read, not on write."),
    ] = 1_000_000


class Auth(Section, frozen=True, kw_only=True):
    access_token_s: Annotated[Seconds, Meta(description="Life of an access token.")] = 900.0
    refresh_token_s: Annotated[
        Seconds, Meta(description="Life of a device's refresh token since its last use.")
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
    argon2_time_cost: Annotated[Positive, Meta(description="Argon2id passes.")] = 3
    argon2_memory_kib: Annotated[int, Meta(ge=8, description="Argon2id memory.")] = 65_536


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
    cache_size: Annotated[Positive, Meta(description="Tweets a gateway keeps ready as JSON.")] = (
        100_000
    )


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


def _from_file(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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


def _from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    known = _variables()
    found: dict[str, dict[str, Any]] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable.startswith(NOT_SETTINGS):
            continue
        if variable not in known:
            raise ConfigError(
                f"unknown environment variable {variable}{_nearest(variable, [*known])}"
            )
        section, name = known[variable]
        found.setdefault(section, {})[name] = text
    return found


def _choices(hint: Any) -> str:
    """What a setting may be, where that is one of a few words; empty otherwise."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is not Literal:
        return ""
    *others, last = map(str, get_args(hint))
    return f"it may be {', '.join(others)} or {last}"


def _validate(section: str, cls: type[Section], values: dict[str, Any]) -> Section:
    for name, value in values.items():
        hint = get_type_hints(cls, include_extras=True)[name]
        try:
            msgspec.convert(value, hint, strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"setting {section}.{name} = {value!r}: {_choices(hint) or error}"
            ) from error
    return msgspec.convert(values, cls, strict=False)


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


def _check(config: Config) -> None:
    """Refuse settings that contradict each other."""
    live, http = config.live, config.http
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
    for proxy in filter(None, map(str.strip, http.trusted_proxies.split(","))):
        try:
            ip_network(proxy)
        except ValueError as error:
            raise ConfigError(
                f"http.trusted_proxies: {error}; write addresses and networks such as"
                " 127.0.0.1, 10.0.0.0/8"
            ) from error
    for origin in origins_of(http.allowed_origins):
        if origin != ANY_ORIGIN and _ORIGIN.fullmatch(origin) is None:
            raise ConfigError(
                f"http.allowed_origins: {origin!r} is no origin; write scheme and host as browsers"
                " do, in lower case, with the port where it is not the usual one and without a"
                " path: https://example.org, http://localhost:3000"
            )
    if config.server.runtime == "inline" and config.ray.address:
        raise ConfigError(
            "ray.address names a cluster, but the inline runtime runs in one process;"
            " use server.runtime = ray, or leave ray.address empty"
        )
    if "{port}" not in live.public_url and live.public_url and live.servers > 1:
        raise ConfigError("live.public_url needs {port} when there are several live.servers")
