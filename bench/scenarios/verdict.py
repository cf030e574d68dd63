"""What a run showed: whether timelines are exact, errors, the 95th percentiles, cache hits.

The targets are those of the designs that the features come from ("Targets from the seeds (P95)").
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import gevent  # type: ignore[import-untyped]
import msgspec
from gevent.pool import Pool  # type: ignore[import-untyped]
from locust.stats import RequestStats, StatsEntry

from bench.scenarios.seeding import server_status
from bench.scenarios.spike import Spike, drained
from bench.scenarios.town import PEOPLE, Town

CHECKED_HOMES = 50
AT_ONCE = 8
DELIVERED_WITHIN_S = 5.0
POLL_S = 0.2
PAGE = 100
MAX_ERRORS = 0.001
MIN_CACHE_HITS = 0.9
TARGETS_MS: dict[str, tuple[int, tuple[tuple[str, str], ...]]] = {
    "post": (500, (("POST", "/tweets"), ("POST", "/tweets (spike)"))),
    "home timeline": (200, (("GET", "/timeline/home"), ("GET", "/timeline/home?cursor"))),
    "like": (150, (("POST", "/tweets/:id/like"),)),
    "follow": (100, (("POST", "/users/:id/follow"),)),
    "new tweet visible": (200, (("WS", "push"),)),
}
"""For each target the milliseconds, and the requests (method, name) that it is about."""


class Verdict(msgspec.Struct, rename="camel", kw_only=True):
    """A run. `error_rates` by REST and WS; `cache_hits` is None where it cannot be known;
    `requests` are those over REST, by class of users."""

    posts: int
    unresolved: int
    homes_checked: int
    homes_wrong: list[str]
    drain_s: float | None
    error_rates: dict[str, float]
    p95_ms: dict[str, float]
    cache_hits: float | None
    requests: dict[str, int]
    spike: dict[str, float] | None
    remarks: list[str]

    @property
    def exact(self) -> bool:
        return not self.homes_wrong and not self.unresolved and self.drain_s is not None

    @property
    def good(self) -> bool:
        """Timelines are exact, there was load, and there were hardly any errors."""
        few = all(rate <= MAX_ERRORS for rate in self.error_rates.values())
        return self.exact and few and "REST" in self.error_rates


@dataclass
class Observed:
    """What is noted while a run goes on."""

    baseline_id: int
    requests: Counter[str] = field(default_factory=Counter)
    reads: tuple[float, float] | None = None


def judge(
    town: Town, spike: Spike | None, seen: Observed, stats: RequestStats, reads: Any
) -> Verdict:
    """Compare and count, after the last user has stopped. `reads` as of `timeline_reads`."""
    unresolved = town.resolve()
    drain_s = drained(town)
    checked, wrong = _compare(town, seen.baseline_id)
    verdict = Verdict(
        posts=len(town.ledger),
        unresolved=unresolved,
        homes_checked=checked,
        homes_wrong=wrong,
        drain_s=drain_s,
        error_rates=_error_rates(stats),
        p95_ms=_p95_ms(stats),
        cache_hits=_hits(seen.reads, reads),
        requests=dict(seen.requests),
        spike=None,
        remarks=[],
    )
    if spike is not None:
        verdict.spike = {
            "total": spike.total,
            "posted": spike.posted,
            "tookS": spike.took_s,
            "worstDelayS": spike.late_s,
        }
        if spike.drain_s is not None:
            verdict.spike["drainS"] = spike.drain_s
    _remark(verdict, stats)
    return verdict


def _remark(verdict: Verdict, stats: RequestStats) -> None:
    spike = verdict.spike
    if spike is not None and not spike["tookS"]:
        verdict.remarks.append(
            "the run ended before the spike did; give it more time (-t), or the spike less"
        )
    if ("/tweets (spam)", "POST") in stats.entries and (
        "/tweets (spam) (429)",
        "POST",
    ) not in stats.entries:
        verdict.remarks.append("the spammers were never limited; has the server limits at all?")


def _compare(town: Town, after_id: int) -> tuple[int, list[str]]:
    """How many homes were read to their end, and what is wrong with which."""
    people = town.accounts[PEOPLE]
    readers = random.sample(people, min(CHECKED_HOMES, len(people)))

    def check(reader: Any) -> str:
        expected = town.ledger.home(reader.user_id, after_id)
        until_s = monotonic() + DELIVERED_WITHIN_S
        while True:
            found = _home(town, reader, after_id)
            if found == expected:
                return ""
            if monotonic() > until_s:
                missing, foreign = set(expected) - set(found), set(found) - set(expected)
                return (
                    f"{reader.username}: {len(missing)} missing, {len(foreign)} foreign,"
                    f" {len(found) - len(set(found))} doubled of {len(expected)}"
                )
            gevent.sleep(POLL_S)

    found = Pool(AT_ONCE).map(check, readers)
    return len(readers), [each for each in found if each]


def _home(town: Town, reader: Any, after_id: int) -> list[int]:
    ids: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/timeline/home?limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        page = town.rest.call("GET", path, account=reader)
        if not page.ok:
            return ids
        ids += [int(tweet["id"]) for tweet in page.body["tweets"]]
        cursor = page.body["nextCursor"] if not ids or ids[-1] > after_id else None
    return [tweet_id for tweet_id in ids if tweet_id > after_id]


def _error_rates(stats: RequestStats) -> dict[str, float]:
    rates = {}
    for surface, belongs in (("REST", _is_rest), ("WS", lambda entry: not _is_rest(entry))):
        entries = [entry for entry in stats.entries.values() if belongs(entry)]
        if requests := sum(entry.num_requests for entry in entries):
            rates[surface] = sum(entry.num_failures for entry in entries) / requests
    return rates


def _is_rest(entry: StatsEntry) -> bool:
    return bool(entry.method != "WS")


def _p95_ms(stats: RequestStats) -> dict[str, float]:
    """Of each target that was measured. Locust rounds them to two digits."""
    found = {}
    for what, (_, names) in TARGETS_MS.items():
        merged = StatsEntry(stats, what, "", use_response_times_cache=False)
        for method, name in names:
            if (name, method) in stats.entries:
                merged.extend(stats.entries[(name, method)])
        if merged.num_requests:
            found[what] = float(merged.get_response_time_percentile(0.95))
    return found


def timeline_reads(data_dir: Path, host: str) -> tuple[float, float] | None:
    """Reads of home timelines, and how many of these found it not in memory, since the server
    began; None if no server on this data folder listens where `host` says."""
    status = server_status(data_dir, host)
    if status is None:
        return None
    shards = [
        figures or {}
        for node in status["nodes"]
        for name, figures in node["actors"].items()
        if name.startswith("TimelineShard")
    ]
    return _sum(shards, "reads"), _sum(shards, "builds")


def _sum(figures: Iterable[dict[str, float]], name: str) -> float:
    return sum(each.get(name, 0.0) for each in figures)


def _hits(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    if before is None or after is None or after[0] <= before[0]:
        return None
    return 1 - (after[1] - before[1]) / (after[0] - before[0])


def print_verdict(verdict: Verdict, tell: Callable[[str], None] = print) -> None:
    """The verdict for people."""
    tell("\nP95 (ms)              measured    target")
    for what, (target_ms, _) in TARGETS_MS.items():
        measured = verdict.p95_ms.get(what)
        if measured is None:
            tell(f"{what:<20} {'-':>9} {target_ms:>9}   not measured")
        else:
            met = "met" if measured < target_ms else "MISSED"
            tell(f"{what:<20} {measured:>9.0f} {target_ms:>9}   {met}")
    for surface, rate in verdict.error_rates.items():
        met = "met" if rate <= MAX_ERRORS else "MISSED"
        tell(f"{'errors, ' + surface:<20} {rate:>9.3%} {MAX_ERRORS:>9.1%}   {met}")
    if verdict.cache_hits is None:
        tell("Cache hits are not known: no server on the folder named by --data listens at --host.")
    else:
        met = "met" if verdict.cache_hits > MIN_CACHE_HITS else "MISSED"
        tell(f"{'warm home reads':<20} {verdict.cache_hits:>9.2%} {MIN_CACHE_HITS:>9.0%}   {met}")
    tell("\nRequests by scenario: " + ", ".join(f"{k} {v:,}" for k, v in verdict.requests.items()))
    if verdict.spike is not None:
        tell(_spike_line(verdict.spike))
    for remark in verdict.remarks:
        tell(f"Note: {remark}")
    if verdict.exact:
        tell(f"Timelines are exact: {verdict.homes_checked} homes, {verdict.posts:,} posts")
    else:
        tell(
            f"Timelines are NOT exact: {len(verdict.homes_wrong)} of {verdict.homes_checked} homes,"
            f" {verdict.unresolved} requests of unknown outcome"
        )
        for wrong in verdict.homes_wrong:
            tell(f"  {wrong}")
        if verdict.drain_s is None:
            tell("  the last post did not reach its author's followers")


def _spike_line(spike: dict[str, float]) -> str:
    line = f"Spike: {spike['posted']:,.0f} of {spike['total']:,.0f} posts"
    if not spike["tookS"]:
        return f"{line}, then it was cut short"
    drain = f"delivered {spike['drainS']:.2f} s later" if "drainS" in spike else "NOT delivered"
    behind_s = spike["worstDelayS"]
    return f"{line} in {spike['tookS']:.1f} s, at the worst {behind_s:.2f} s behind, {drain}"
