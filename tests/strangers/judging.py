"""From all that was seen of a run to a list of faults. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, inf

import msgspec

from tests.strangers.attacker import BEHAVIOURS, Report
from tests.strangers.bites import LINE, SECURITY, unlogged
from tests.strangers.logs import Logs, tracebacks_by_kind
from tests.strangers.sampling import Sample
from tests.strangers.victim import LOGGED_IN, Timed

MEMORY_FACTOR = 1.5
"""Memory after the attack, to that after the warm-up; and for each post that was accepted"""
POST_BYTES = 4_096
"""which the caches may keep."""
PEAK_BYTES = 768 << 20
"""How far memory may rise above the figure after the warm-up while the attack goes on."""
TCP_BYTES = 256 << 20
"""How far the kernel's memory for TCP may rise: past its limit nothing on the machine connects."""
GUESSES_PER_MINUTE = 10
"""At one account, by all strangers together, whatever they call it: `limits.logins_per_account`."""
SPARE_DESCRIPTORS = 24
IDLE_CPU_FACTOR = 2.0
IDLE_CPU_SPARE = 0.1
LINES_PER_MINUTE = 600
"""Of the log; beside the security log, which may have a line for each attempt."""
SHARE_FACTOR = 2.0
"""How far an attacker may exceed its share of processor time before it measures the machine."""


class Latency(msgspec.Struct, frozen=True):
    """Of one operation, in seconds; failures count as never answered."""

    count: int
    failed: int
    p50_s: float | None
    p99_s: float | None
    """None where it is a failure."""
    max_s: float | None


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the run is held to."""

    p99_s: float | None = 1.0
    """None: how fast the user is served is not judged, only that he is."""
    memory_factor: float = MEMORY_FACTOR
    peak_bytes: int = PEAK_BYTES


class Seen(msgspec.Struct, kw_only=True):
    """All that was seen."""

    seconds: float
    reports: list[Report]
    share: float
    baseline: list[Timed]
    attacked: list[Timed]
    wrong: list[str]
    warm: Sample
    samples: list[Sample]
    calm: Sample
    idle_cpu: float
    """Cores in use in the baseline, and"""
    calm_cpu: float
    """when all was over."""
    home: list[int]
    posted: list[int]
    fsck: list[str]
    stopping: list[str]


def percentile(times_s: Sequence[float], part: float) -> float:
    """The smallest of the times that `part` of them do not exceed."""
    ordered = sorted(times_s)
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def latencies(timed: Iterable[Timed]) -> dict[str, Latency]:
    """By operation."""
    by_name: dict[str, list[Timed]] = {}
    for each in timed:
        by_name.setdefault(each.name, []).append(each)
    found = {}
    for name, each_of in sorted(by_name.items()):
        times_s = [inf if each.error else each.took_s for each in each_of]
        figures = [percentile(times_s, 0.5), percentile(times_s, 0.99), max(times_s)]
        finite = [None if figure == inf else round(figure, 4) for figure in figures]
        failed = sum(bool(each.error) for each in each_of)
        found[name] = Latency(len(each_of), failed, *finite)
    return found


def judge(seen: Seen, logs: Logs, bounds: Bounds) -> list[str]:
    """What is to be said against the server, or against the run itself."""
    return [
        *_of_attackers(seen),
        *_of_guesses(seen),
        *_of_victim(seen, bounds),
        *_of_resources(seen, bounds),
        *_of_state(seen),
        *_of_logs(seen, logs),
        *(f"stopping: {text}" for text in seen.stopping),
    ]


def outcomes_of(reports: Iterable[Report]) -> Counter[tuple[str, str]]:
    """What all attackers saw together, by behaviour and outcome."""
    return Counter(
        {
            key: sum(
                each.count
                for report in reports
                for each in report.outcomes
                if (each.behaviour, each.outcome) == key
            )
            for key in {(e.behaviour, e.outcome) for r in reports for e in r.outcomes}
        }
    )


def _of_attackers(seen: Seen) -> Iterable[str]:
    for report in seen.reports:
        for text in report.failures:
            yield f"the attacker at {report.address} itself failed: {text}"
        if not report.outcomes:
            yield f"the attacker at {report.address} did nothing"
        if report.used_s > seen.share * seen.seconds * SHARE_FACTOR + 2.0:
            yield f"the attacker at {report.address} used {report.used_s:.0f} s of a core itself"
    examples = {text: example for each in seen.reports for text, example in each.examples.items()}
    for (name, outcome), count in sorted(outcomes_of(seen.reports).items()):
        is_endless = outcome.startswith("took ")
        if outcome.partition(" ")[0] in BEHAVIOURS[name].never or is_endless:
            example = examples.get(f"{name}: {outcome}", "")
            yield f"{name}: {count} times {outcome}, which nothing may be answered: {example}"


def _of_guesses(seen: Seen) -> Iterable[str]:
    tried = outcomes_of(seen.reports)[("log-ins at one account", "401 bad_credentials")]
    allowed = ceil(GUESSES_PER_MINUTE * (seen.seconds / 60 + 2))  # of begun minutes, too
    if tried > allowed:
        yield f"{tried} passwords of one account were tried, where {allowed} are allowed"


def _of_victim(seen: Seen, bounds: Bounds) -> Iterable[str]:
    found = latencies(seen.attacked)
    for name in LOGGED_IN:
        if name not in found or found[name].failed == found[name].count:
            yield f"the victim did not {name} at all"
    for name, latency in found.items():
        if bounds.p99_s is None:
            break
        if latency.p99_s is None or latency.p99_s > bounds.p99_s:
            figure = "a failure" if latency.p99_s is None else f"{latency.p99_s:.2f} s"
            errors = Counter(e.error[:90] for e in seen.attacked if e.name == name and e.error)
            because = f" ({errors.most_common(2)})" if errors else ""
            yield (
                f"{name}: p99 is {figure} of {latency.count}, {latency.failed} failed, where"
                f" {bounds.p99_s} s are allowed{because}"
            )
    for text, count in Counter(seen.wrong).most_common(5):
        yield f"the victim saw {count} times: {text}"


def _of_resources(seen: Seen, bounds: Bounds) -> Iterable[str]:
    warm, calm = seen.warm, seen.calm
    posts = sum(report.posts for report in seen.reports) + len(seen.posted)
    may_bytes = bounds.memory_factor * warm.pss_bytes + posts * POST_BYTES
    if calm.pss_bytes > may_bytes:
        yield (
            f"memory did not come back: {_mb(warm.pss_bytes)} after the warm-up,"
            f" {_mb(calm.pss_bytes)} at the end, {_mb(may_bytes)} allowed"
        )
    peak_bytes = max(each.pss_bytes for each in seen.samples)
    if peak_bytes > warm.pss_bytes + bounds.peak_bytes:
        yield f"memory rose from {_mb(warm.pss_bytes)} to {_mb(peak_bytes)}"
    tcp_bytes = max(each.tcp_bytes for each in seen.samples)
    if tcp_bytes > warm.tcp_bytes + TCP_BYTES:
        yield f"the kernel's memory for TCP rose from {_mb(warm.tcp_bytes)} to {_mb(tcp_bytes)}"
    if calm.descriptors > warm.descriptors + SPARE_DESCRIPTORS * max(1, calm.processes // 4):
        yield f"{warm.descriptors} descriptors before, {calm.descriptors} at the end"
    if seen.calm_cpu > IDLE_CPU_FACTOR * seen.idle_cpu + IDLE_CPU_SPARE:
        yield f"it uses {seen.calm_cpu:.2f} cores when all is over, {seen.idle_cpu:.2f} before"


def _of_state(seen: Seen) -> Iterable[str]:
    expected = sorted(seen.posted, reverse=True)
    if seen.home != expected:
        missing, foreign = set(expected) - set(seen.home), set(seen.home) - set(expected)
        yield (
            f"home is not what was posted: {len(missing)} missing, {len(foreign)} foreign,"
            f" {len(seen.home)} entries for {len(expected)} posts"
        )
    for text in seen.fsck:
        yield f"fsck: {text}"


def _of_logs(seen: Seen, logs: Logs) -> Iterable[str]:
    yield from unlogged(outcomes_of(seen.reports), logs.lines)
    for text, count in tracebacks_by_kind(logs.tracebacks):
        yield f"the log has {count} errors or tracebacks like: {text}"
    ours = Counter(each.event for each in logs.lines if each.fields.get("kind") != SECURITY)
    minutes = max(1.0, seen.seconds / 60)
    for event, count in ours.items():
        if count > LINES_PER_MINUTE * minutes and event != LINE:
            yield f"the log has {count} lines of {event!r}: one a hit, not one with a count"
    limits = Counter(str(e.fields.get("limit")) for e in logs.lines if e.event == LINE)
    for limit, count in limits.items():
        if count > LINES_PER_MINUTE / 5 * minutes:
            yield f"the log has {count} lines of the limit {limit}"


def _mb(count: float) -> str:
    return f"{count / 2**20:.0f} MB"
