"""The capacity model: from costs of single operations to nodes, memory, storage and money.

Pure arithmetic over what was measured (`Model`) and what is assumed (`bench.assumptions`).
"""

from dataclasses import dataclass, field
from math import ceil, comb
from typing import NamedTuple

import numpy as np

from bench.assumptions import TIMELINES, Assumptions, Scale, demand
from bench.audience import Audience
from bench.operations import Floats, Operations
from bench.stored import StoredBytes

HOURS_A_MONTH = 730
DAYS_A_MONTH = 30.4
GB = 1e9
NODES_MAX = 1e6
THRESHOLDS = (1e2, 1e3, 1e4, 1e5, 1e6, 1e7, float("inf"))


class Cost(NamedTuple):
    """One measured cost and how it came to be."""

    value: float
    unit: str
    source: str


def calls(per_s: float, edges: float, gather_ms: float) -> float:
    """Actor calls a second for so many things spread over so many pairs of processes, of which
    each has one call in flight and gathers what comes meanwhile."""
    return per_s / (1 + per_s / edges * gather_ms / 1000)


def spread(things: Floats, places: float) -> Floats:
    """At how many places there is at least one of so many things that lie at random."""
    there: Floats = places * -np.expm1(-things / places)
    return there


@dataclass(frozen=True)
class Model:
    """All that sizes are made from. `costs` are by name, see `bench.measured.costs`."""

    costs: dict[str, Cost]
    operations: Operations
    stored: StoredBytes
    assumptions: Assumptions

    def us(self, name: str) -> float:
        return self.costs[name].value


class FanOut(NamedTuple):
    """Fan-out under one threshold, a second at the peak.

    `write_cores` bring tweets to rings and lists, `read_cores` merge lists into pages; a reader
    follows `followed` celebrities on average. `worst_ms` is how long the largest author below the
    threshold keeps each shard busy with one tweet.
    """

    threshold: float
    celebrities: float
    followed: float
    write_cores: float
    read_cores: float
    list_gb_a_shard: float
    worst_ms: float

    @property
    def cores(self) -> float:
        return self.write_cores + self.read_cores


def fan_out(
    model: Model, scale: Scale, audience: Audience, shards: float, threshold: float
) -> FanOut:
    """What authors below the threshold cost on write, and those from it on on read."""
    need, ops = demand(scale, model.assumptions), model.operations
    # The row's share is known for real arrays and a whole server; a list saves that part of it.
    row_us = model.us("delivery")
    listed_row_us = row_us * min(1.0, ops.listed_row_us / ops.ring_row_us)
    is_listed = audience.followers >= threshold
    rows = audience.followers * need.warm / scale.users
    touched = spread(rows, shards)
    each_us = (
        (shards - touched) * ops.idle_us
        + touched * np.where(is_listed, ops.listed_us, ops.ring_us)
        + rows * np.where(is_listed, listed_row_us, row_us)
    )
    edges = audience.followers * audience.users
    share = float(edges[is_listed].sum() / edges.sum())
    merge_us = float(chances(int(scale.follows), share) @ ops.merge_us(_counts(scale)))
    celebrities = float(audience.users[is_listed].sum())
    largest = float(rows[~is_listed].max(initial=0.0))
    return FanOut(
        threshold=threshold,
        celebrities=celebrities,
        followed=scale.follows * share,
        write_cores=float((audience.tweets * each_us).sum()) * need.tweets / 1e6,
        read_cores=merge_us * need.reads / 1e6,
        list_gb_a_shard=celebrities * ops.list_bytes / GB,
        worst_ms=(ops.ring_us + largest / shards * row_us) / 1000,
    )


def _counts(scale: Scale) -> Floats:
    return np.arange(int(scale.follows) + 1, dtype=np.float64)


def chances(trials: int, share: float) -> Floats:
    """The probabilities of 0 to `trials` celebrities among so many followees."""
    counts = range(trials + 1)
    return np.array([comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in counts])


@dataclass(frozen=True)
class Size:
    """What one scale needs. `nodes` is None where no number of nodes is enough."""

    nodes: int | None
    bound_by: str
    shards: float
    cores: dict[str, float] = field(default_factory=dict)
    memory_gb: dict[str, float] = field(default_factory=dict)
    worker_cores: float = 0.0
    store_nodes: int = 0
    storage_gb: dict[str, float] = field(default_factory=dict)
    egress_gb: float = 0.0
    usd_a_month: dict[str, float] = field(default_factory=dict)

    @property
    def usd(self) -> float:
        return sum(self.usd_a_month.values())


def size(
    model: Model, scale: Scale, audience: Audience, threshold: float, *, at_home: bool
) -> Size:
    """The least number of nodes that carries the peak, one more for one that is away, the rest.

    More nodes mean more shards, to each of which every tweet goes, so the number is found by
    repetition. `at_home`: users are sent to the node that has their timeline, as a balancer with
    the placement's hash could; else reads and pushes go between all nodes, in batches that become
    smaller the more nodes there are.
    """
    a = model.assumptions
    nodes, bound_by = 2.0, ""
    while True:
        cores, worker_cores, memory_gb = _load(model, scale, audience, threshold, nodes, at_home)
        needs = {
            "processors": sum(cores.values()) / (a.vcpus * a.utilisation),
            "memory": sum(memory_gb.values()) / (a.node_gb * a.memory_used),
            "rows": demand(scale, a).warm / (a.vcpus / 2 * TIMELINES.max_rows),
        }
        bound_by = max(needs, key=needs.__getitem__)
        if needs[bound_by] <= nodes:
            break
        nodes = float(ceil(needs[bound_by]))
        if nodes > NODES_MAX:
            return Size(None, bound_by, 0.0)
    count = int(nodes) + 1
    storage_gb = _storage_gb(model, scale)
    need = demand(scale, a)
    store_us = (need.tweets + need.likes) * a.store_write_us * a.replicas
    store_us += need.cold * model.us("cold read")  # as much again as the shards are charged
    store_cores = store_us / 1e6
    kept_gb = sum(storage_gb.values()) * a.replicas
    store_nodes = int(
        max(
            a.replicas,
            ceil(store_cores / (a.vcpus * a.utilisation)),
            ceil(kept_gb / a.store_node_gb),
        )
    )
    frames = scale.tweets * audience.of_a_tweet * need.connected / scale.users / a.peak
    sent = scale.reads * model.us("body") + frames * a.push_bytes
    egress_gb = sent * DAYS_A_MONTH / GB
    node_usd = a.vcpus * a.price_vcpu_hour * HOURS_A_MONTH
    usd = {
        "nodes": count * node_usd,
        "database nodes": store_nodes * node_usd,
        "storage": kept_gb * a.price_storage_gb,
        "egress": egress_gb * a.price_egress_gb,
    }
    return Size(
        *(count, bound_by, nodes * a.vcpus / 2, cores, memory_gb, worker_cores),
        *(store_nodes, storage_gb, egress_gb, usd),
    )


def _load(
    model: Model, scale: Scale, audience: Audience, threshold: float, nodes: float, at_home: bool
) -> tuple[dict[str, float], float, dict[str, float]]:
    """Cores by what uses them, those of the fan-out worker among them, and GB of memory."""
    a, us = model.assumptions, model.us
    need = demand(scale, a)
    shards = gateways = nodes * a.vcpus / 2
    around = 1.0 if at_home else nodes
    fanned = fan_out(model, scale, audience, shards, threshold)
    frames = need.tweets * audience.of_a_tweet * need.connected / scale.users
    to_shards = calls(need.tweets * shards, shards, a.fanout_ms)
    from_gateways = calls(need.reads, shards * gateways / nodes * around, a.call_ms)
    # A tweet is one push from a shard to a server, however many followers are connected there.
    pairs = shards * a.servers * around
    pushed = audience.tweets @ spread(audience.followers * need.connected / scale.users, pairs)
    to_servers = calls(need.tweets * float(pushed), pairs, a.fanout_ms)
    carried = need.tweets * shards * model.operations.carry_us
    used_us = {
        "reads": need.reads * us("read"),
        "cold reads": need.cold * us("cold read"),
        "posts": need.tweets * (us("post") + us("worker")),
        "likes": need.likes * us("post"),
        "merging lists": fanned.read_cores * 1e6,
        "deliveries": fanned.write_cores * 1e6,
        "tweets to all shards": to_shards * a.call_us + 2 * carried,
        "calls of reads": from_gateways * a.call_us,
        "calls of pushes": to_servers * a.call_us,
        "frames": frames * us("push"),
        "sessions": need.connected * a.idle_session_us + need.cold * a.connect_us,
    }
    worker_us = need.tweets * us("worker") + to_shards * a.call_us / 2 + carried
    memory = {
        "timelines": need.warm * us("timeline"),
        "sessions": need.connected * us("session"),
        "celebrity lists": fanned.list_gb_a_shard * GB * shards,
        "base": nodes * a.node_base_gb * GB,
    }
    return (
        {name: each / 1e6 for name, each in used_us.items()},
        worker_us / 1e6,
        {name: each / GB for name, each in memory.items()},
    )


def _storage_gb(model: Model, scale: Scale) -> dict[str, float]:
    days, stored = scale.years * 365, model.stored
    return {
        "users and follows": scale.users * (stored.user + scale.follows * stored.follow) / GB,
        "tweets": scale.tweets * days * stored.tweet / GB,
        "favourites": scale.likes * days * stored.follow / GB,  # two indexed sides, like a follow
    }


def most_tweets_per_s(model: Model) -> float:
    """Tweets a second at which each shard is as busy as it may be with hearing of tweets that none
    of its users follows: no number of nodes helps, since each tweet goes to each shard."""
    each_us = model.operations.carry_us + model.operations.idle_us
    return model.assumptions.utilisation / each_us * 1e6


def break_even(model: Model, scale: Scale) -> float:
    """Tweets a day from which on a well-known author is cheaper by a list: what its followers'
    reads cost more by one list, by what a delivery to a warm one's ring does."""
    ops, row_us = model.operations, model.us("delivery")
    list_us = float(ops.read_us[-1] - ops.read_us[0]) / float(ops.lists[-1])
    saved_us = row_us * (1 - min(1.0, ops.listed_row_us / ops.ring_row_us))
    warm = demand(scale, model.assumptions).warm / scale.users
    return scale.reads / scale.users * list_us / (warm * saved_us)


def monthly_usd(fanned: FanOut, shards: float, a: Assumptions) -> float:
    """The nodes that one threshold costs: its processors, and the memory of its lists."""
    vcpus = fanned.cores / a.utilisation
    vcpus += fanned.list_gb_a_shard * shards / (a.node_gb / a.vcpus * a.memory_used)
    return vcpus * a.price_vcpu_hour * HOURS_A_MONTH
