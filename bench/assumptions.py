"""What the capacity model assumes, and the three scales it is asked about.

Each says where it comes from. Everything is sized for the busiest hours of a day.
"""

from typing import Annotated, NamedTuple, get_type_hints

from msgspec import Meta, Struct

from rookery.config import Config

DAY_S = 86_400
TIMELINES = Config().timelines


class Assumptions(Struct, frozen=True, kw_only=True):
    """What nobody measured; each may be set. The text says what it is and where it comes from."""

    peak: Annotated[
        float,
        Meta(
            ge=1,
            description="Busiest hours by the day's mean. Assumed; Higgs, by day: 1.3 to 3.9",
        ),
    ] = 3.0
    utilisation: Annotated[
        float, Meta(gt=0, le=1, description="Share of the processors in use at the peak. Assumed")
    ] = 0.6
    memory_used: Annotated[
        float, Meta(gt=0, le=1, description="Share of a node's memory in use. Assumed")
    ] = 0.8
    vcpus: Annotated[
        float, Meta(ge=2, description="vCPUs of a node (as fast as the measured cores). Assumed")
    ] = 8.0
    node_gb: Annotated[
        float,
        Meta(
            gt=0,
            description="GB of memory of a node. Assumed: 4 a vCPU, as general-purpose nodes have",
        ),
    ] = 32.0
    node_base_gb: Annotated[
        float, Meta(ge=0, description="GB for system, Ray, processes and caches of a node. Assumed")
    ] = 4.0
    servers: Annotated[
        float, Meta(gt=0, description="Connection servers on a node. Assumed; the default is 1")
    ] = 2.0
    online_minutes: Annotated[
        float, Meta(ge=0, description="Minutes a day a user is connected. Assumed")
    ] = 30.0
    cold_share: Annotated[
        float,
        Meta(
            gt=0, le=1, description="Reads of timelines not in memory: seeds/002, cache hits > 90 %"
        ),
    ] = 0.1
    call_us: Annotated[
        float,
        Meta(
            ge=0,
            description="us of an actor call, both sides, however full. Fits `reads` and `posts`",
        ),
    ] = 1000.0
    call_ms: Annotated[
        float,
        Meta(ge=0, description="ms of a call, in which reads gather. Fits `reads` and `posts`"),
    ] = 3.0
    fanout_ms: Annotated[
        float,
        Meta(
            ge=0,
            description="ms in which deliveries and pushes gather; under load they do so by"
            " themselves. Assumed: seeds/002 allows 1 s",
        ),
    ] = 20.0
    idle_session_us: Annotated[
        float,
        Meta(ge=0, description="us a session takes a second. Assumed: 5 % of a core for 20,000"),
    ] = 2.5
    connect_us: Annotated[
        float,
        Meta(ge=0, description="us of opening a session. Assumed: one call each way, a token"),
    ] = 2000.0
    push_bytes: Annotated[
        float, Meta(ge=0, description="Bytes of a pushed event. As in bench push")
    ] = 300.0
    store_write_us: Annotated[
        float, Meta(ge=0, description="us of a write in the database, on each copy. Assumed")
    ] = 300.0
    replicas: Annotated[
        float, Meta(ge=1, description="Copies of the store. Assumed: a replica set of three")
    ] = 3.0
    store_node_gb: Annotated[
        float, Meta(gt=0, description="GB a database node of the same size holds. Assumed")
    ] = 4000.0
    exponent: Annotated[
        float,
        Meta(gt=1, description="Of the power law of followers. Higgs: see below; Kwak 2010: 2.276"),
    ] = 2.2
    activity: Annotated[
        float,
        Meta(
            ge=0,
            description="Posts grow as (1 + followers) to the power of this. Chosen: authors have"
            " then about 4.8 times the followers of users, as in Higgs",
        ),
    ] = 0.26
    most_followers: Annotated[
        float, Meta(ge=1e4, description="Followers nobody exceeds. Assumed; seeds/002 has millions")
    ] = 1e8
    price_vcpu_hour: Annotated[
        float,
        Meta(ge=0, description="USD; seeds/002: $0.10 for two. Typical list price: set yours"),
    ] = 0.05
    price_storage_gb: Annotated[
        float,
        Meta(ge=0, description="USD a month; seeds/002: $0.10. Typical list price: set yours"),
    ] = 0.10
    price_egress_gb: Annotated[
        float, Meta(ge=0, description="USD; seeds/002: $0.05. Typical list price: set yours")
    ] = 0.05
    seed: Annotated[float, Meta(ge=0, description="Of all that is drawn")] = 1.0


def meanings() -> dict[str, str]:
    """What each assumption is and where it comes from."""
    hints = get_type_hints(Assumptions, include_extras=True)
    return {name: hint.__metadata__[0].description for name, hint in hints.items()}


class Scale(NamedTuple):
    """What is to be served, a day."""

    name: str
    users: float
    reads: float
    tweets: float
    likes: float
    follows: float
    years: float
    source: str


SCALES = (
    Scale(
        *("A", 10e6, 70e6, 10e6, 20e6, 200, 10e9 / 10e6 / 365),
        "seeds/003: 10 M users; 100 M requests, of which 10 M tweets and 20 M favourites, the rest"
        " taken as home reads; 200 follows; 10 billion tweets kept",
    ),
    Scale(
        *("B", 100e6, 2e9, 500e6, 1e9, 200, 5),
        "seeds/000: 100 M users, 500 M tweets, 2 billion tweets read, each taken as a whole page;"
        " 5 years kept. Assumed as in seeds/003: 200 follows, 2 favourites a tweet",
    ),
    Scale(
        *("C", 200e6, 4e9, 1e9, 2e9, 200, 5),
        "seeds/002: 200 M daily users, billions of tweets and likes a day. Assumed as in seeds/000"
        " and 003: 5 tweets and 20 reads a user, 2 favourites a tweet, 200 follows, 5 years kept",
    ),
)


class Demand(NamedTuple):
    """A scale in its busiest hours: a second, and at once."""

    reads: float
    cold: float
    tweets: float
    likes: float
    warm: float
    connected: float


def demand(scale: Scale, a: Assumptions) -> Demand:
    """A session begins with a cold read, and its timeline stays warm for `idle_s` after its end."""
    per_s = a.peak / DAY_S
    begun = scale.reads * a.cold_share
    online_s = scale.users * a.online_minutes * 60
    return Demand(
        reads=scale.reads * per_s,
        cold=begun * per_s,
        tweets=scale.tweets * per_s,
        likes=scale.likes * per_s,
        warm=min(scale.users, (begun * TIMELINES.idle_s + online_s) * per_s),
        connected=min(scale.users, online_s * per_s),
    )
