"""The sections of the settings: each setting with its type, bounds, default and description."""

import os
from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta

from rookery.config.words import quoted

ANY_ORIGIN = "*"
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


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections. Shown without passwords."""

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(f'{k}={quoted(v)}' for k, v in fields)})"


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

    @property
    def is_shared(self) -> bool:
        """Whether every process, on whichever node, writes to it by itself; otherwise it is a file
        that one process writes for all."""
        return self.engine != "sqlite"


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
    def has_store_writer(self) -> bool:
        """Whether one process writes to the store for all others, as SQLite wants it."""
        return not self.store.is_shared

    @property
    def is_clustered(self) -> bool:
        """Whether nodes may come and go: on a Ray cluster, with a store that all can reach."""
        return self.server.runtime == "ray" and bool(self.ray.address) and self.store.is_shared


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
