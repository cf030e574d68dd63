"""The harness of strangers: it passes a server that is whole, and is against every broken one.

The long run stands under ``make strangers``; these are short, with everything in one process. How
fast the user is served is not asserted here, where other tests use the same cores.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.strangers.attacker import BEHAVIOURS, Outcome, Report
from tests.strangers.bites import BITES, LINE
from tests.strangers.judging import Bounds, Seen, judge, latencies, percentile
from tests.strangers.logs import Logs, read
from tests.strangers.rounds import rounds
from tests.strangers.running import ADDRESSES, Plan, Result, run
from tests.strangers.sampling import Sample
from tests.strangers.victim import LOGGED_IN, Timed

ANY_TIME = Bounds(p99_s=None)
SHORT = Plan(seconds=20.0, round_s=3.3, baseline_s=4.0, quiet_s=20.0, pace=4.0, crowd=300)
BROKEN = Plan(seconds=8.0, round_s=8.0, baseline_s=2.5, quiet_s=4.0, pace=4.0, crowd=300)
CHEAP = {"ROOKERY_AUTH_ARGON2_TIME_COST": "1", "ROOKERY_AUTH_ARGON2_MEMORY_KIB": "1024"}


@pytest.mark.timeout(150)
async def test_a_whole_server_passes(tmp_path: Path) -> None:
    """Whatever strangers do at once, nothing is to be said against it."""
    result = await run(SHORT, tmp_path, ANY_TIME)
    assert result.faults == []
    assert result.passed
    assert len(result.outcomes) > len(BEHAVIOURS) * 0.7
    assert all(result.attacked[name].count for name in LOGGED_IN)


async def _broken(folder: Path, builds: str, only: list[str], **settings: str) -> Result:
    plan = msgspec.structs.replace(BROKEN, build=builds, only=only, settings=CHEAP | settings)
    return await run(plan, folder, Bounds())


@pytest.mark.timeout(120)
async def test_broken_builds_are_caught(tmp_path: Path) -> None:
    """Each as what it is: faults, silent limits, a home with gaps, a leak, a bad end."""
    builds, only = "fall,be-silent,forget,leak,end-badly", ["nonsense in paths", "huge heads"]
    result = await _broken(tmp_path, builds, only)
    text = "\n".join(result.faults)
    assert "500" in text
    assert "fell" in text  # its traceback in the log
    assert "the limit on size of a head bit" in text
    assert "home is not what was posted" in text
    assert "memory did not come back" in text
    assert "its exit status is 3" in text


@pytest.mark.timeout(120)
async def test_a_server_without_limits_is_caught(tmp_path: Path) -> None:
    """Guesses at the user's own account that nothing holds back are against the server."""
    settings = {
        "ROOKERY_LIMITS_LOGINS_PER_ACCOUNT": "0",
        "ROOKERY_LIMITS_LOGINS_PER_ADDRESS": "0",
        "ROOKERY_AUTH_ARGON2_TIME_COST": "1",
        "ROOKERY_AUTH_ARGON2_MEMORY_KIB": "1024",
    }
    only = ["log-ins at one account", "log-ins at many accounts"]
    plan = msgspec.structs.replace(BROKEN, only=only, settings=settings)
    result = await run(plan, tmp_path, Bounds())
    assert "passwords of one account were tried" in "\n".join(result.faults)


# The plan


def test_everything_is_done_by_somebody() -> None:
    """Within the eight rounds of two minutes; and what is drawn is the same again."""
    plan = rounds(3, 8, ADDRESSES, list(BEHAVIOURS))
    done = {name for each in plan for names in each.behaviours.values() for name in names}
    assert done == set(BEHAVIOURS)
    assert plan == rounds(3, 8, ADDRESSES, list(BEHAVIOURS)[::-1])
    assert plan != rounds(4, 8, ADDRESSES, list(BEHAVIOURS))


def test_sometimes_all_do_the_same() -> None:
    """Every third round."""
    together = [each for each in rounds(1, 9, ADDRESSES, list(BEHAVIOURS)) if each.together]
    assert len(together) == 3
    assert all(len({tuple(names) for names in e.behaviours.values()}) == 1 for e in together)


def test_every_bite_is_of_behaviours_that_exist() -> None:
    """A name that was changed in one place would never bite."""
    assert {name for bite in BITES for name in bite.behaviours} <= set(BEHAVIOURS)


# The verdict

MB = 1 << 20


def sample(at_s: float = 0.0, megabytes: int = 100, descriptors: int = 40) -> Sample:
    return Sample(at_s, megabytes * MB, megabytes * MB, at_s * 0.1, descriptors, 1)


def seen(**changes: object) -> Seen:
    """A run about which there is nothing to say."""
    good = [Timed(name, at_s / 10, 0.01) for name in LOGGED_IN for at_s in range(200)]
    outcomes = [Outcome("raw nonsense", "400", 5), Outcome("connect and close", "opened 50", 5)]
    found = Seen(
        seconds=60.0,
        reports=[Report(each, outcomes, {}, 5.0, 10, []) for each in ADDRESSES],
        share=0.12,
        baseline=good,
        attacked=good,
        wrong=[],
        warm=sample(),
        samples=[sample(), sample(5.0, 300)],
        calm=sample(90.0, 110),
        idle_cpu=0.05,
        calm_cpu=0.06,
        home=[3, 2, 1],
        posted=[1, 2, 3],
        fsck=[],
        stopping=[],
    )
    return msgspec.structs.replace(found, **changes)


def of_attackers(*outcomes: tuple[str, str, int], **changes: object) -> list[Report]:
    made = Report(ADDRESSES[0], [Outcome(*each) for each in outcomes], {}, 5.0, 0, [])
    return [msgspec.structs.replace(made, **changes)]


def slow(name: str, took_s: float, error: str = "", count: int = 3) -> list[Timed]:
    return [*seen().attacked, *(Timed(name, 1.0, took_s, error) for _ in range(count))]


def test_nothing_is_said_against_a_good_run() -> None:
    """Neither against the server nor against the run."""
    assert judge(seen(), Logs(), Bounds()) == []


CASES: dict[str, tuple[Callable[[], dict[str, object]], str]] = {
    "slow": (lambda: {"attacked": slow("read home", 1.5)}, "read home: p99 is 1.50 s"),
    "refused": (lambda: {"attacked": slow("log in", 0.1, "429")}, "log in: p99 is a failure"),
    "idle victim": (lambda: {"attacked": []}, "the victim did not post at all"),
    "wrong home": (lambda: {"wrong": ["home lacks 5"]}, "home lacks 5"),
    "memory": (lambda: {"calm": sample(90.0, 400)}, "memory did not come back"),
    "peak": (lambda: {"samples": [sample(1.0, 2_000)]}, "memory rose from 100 MB to 2000 MB"),
    "kernel": (
        lambda: {"samples": [msgspec.structs.replace(sample(), tcp_bytes=900 * MB)]},
        "the kernel's memory for TCP rose from 0 MB to 900 MB",
    ),
    "descriptors": (lambda: {"calm": sample(90.0, 100, 400)}, "40 descriptors before, 400 at"),
    "spinning": (lambda: {"calm_cpu": 0.9}, "it uses 0.90 cores when all is over"),
    "lost": (lambda: {"home": [3, 1]}, "1 missing, 0 foreign"),
    "doubled": (lambda: {"home": [3, 3, 2, 1]}, "4 entries for 3 posts"),
    "fsck": (lambda: {"fsck": ["missing 5"]}, "fsck: missing 5"),
    "bad end": (lambda: {"stopping": ["its exit status is 1"]}, "stopping: its exit status is 1"),
    "fault": (
        lambda: {"reports": of_attackers(("nonsense in paths", "500 internal", 2))},
        "nonsense in paths: 2 times 500 internal",
    ),
    "taken": (
        lambda: {"reports": of_attackers(("compressed bombs", "200", 1))},
        "compressed bombs: 1 times 200",
    ),
    "endless": (
        lambda: {"reports": of_attackers(("endless trailers", "took 48 MB", 1))},
        "endless trailers: 1 times took 48 MB",
    ),
    "guesses": (
        lambda: {"reports": of_attackers(("log-ins at one account", "401 bad_credentials", 31))},
        "31 passwords of one account were tried, where 30 are allowed",
    ),
    "idle attacker": (lambda: {"reports": of_attackers()}, "did nothing"),
    "greedy attacker": (
        lambda: {"reports": of_attackers(("raw nonsense", "400", 1), used_s=40.0)},
        "used 40 s of a core itself",
    ),
    "dead attacker": (
        lambda: {"reports": of_attackers(("raw nonsense", "400", 1), failures=["KeyError"])},
        "itself failed: KeyError",
    ),
    "unlogged": (
        lambda: {"reports": of_attackers(("log-ins at one account", "429 rate_limited", 9))},
        "the limit on attempts to log in bit 9 times",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_named(case: str) -> None:
    """One thing is wrong in an otherwise good run, and it alone is told."""
    changes, expected = CASES[case]
    found = judge(seen(**changes()), Logs(), Bounds())
    assert found
    assert all(expected in text or case == "idle victim" for text in found)
    assert any(expected in text for text in found)


def test_a_limit_that_the_log_names_is_no_fault(tmp_path: Path) -> None:
    """With a count; a line without one does not do."""
    bitten = seen(reports=of_attackers(("sign-ups", "429 rate_limited", 9)))
    log = tmp_path / "server.log"
    line = f'{{"event": "{LINE}", "level": "warning", "limit": "limits.signups_per_address"'
    log.write_text(line + "}\n")
    assert len(judge(bitten, read([log]), Bounds())) == 1
    log.write_text(line + ', "times": 9}\n')
    assert judge(bitten, read([log]), Bounds()) == []


def test_tracebacks_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """As a field of a line of ours, or bare, in a worker's file; likes are told once."""
    ours = tmp_path / "server.log"
    ours.write_text('{"event": "boom", "level": "error", "exception": "Traceback …"}\n' * 3)
    workers = tmp_path / "worker-1-2-3.err"
    workers.write_text('Traceback (most recent call last):\n  File "x"\nKeyError: 1\n')
    (tmp_path / "raylet.out").write_text("Traceback (most recent call last): of Ray itself\n")
    found = judge(seen(), read(sorted(tmp_path.iterdir())), Bounds())
    assert [text.partition(" like: ")[0] for text in found] == [
        "the log has 3 errors or tracebacks",
        "the log has 1 errors or tracebacks",
    ]


def test_a_log_with_a_line_a_hit_is_a_fault(tmp_path: Path) -> None:
    """Or a stranger fills the disk."""
    log = tmp_path / "server.log"
    log.write_text('{"event": "unavailable", "level": "warning"}\n' * 2_000)
    assert any("one a hit" in text for text in judge(seen(), read([log]), Bounds()))


def test_failures_count_as_never_answered() -> None:
    """A percentile that falls on one has no figure."""
    timed = [Timed("post", 0.0, 0.1)] * 98 + [Timed("post", 0.0, 0.0, "503")] * 2
    latency = latencies(timed)["post"]
    assert (latency.count, latency.failed, latency.p50_s, latency.p99_s) == (100, 2, 0.1, None)


def test_percentiles() -> None:
    """The smallest time that so many do not exceed."""
    assert percentile([0.3, 0.1, 0.2], 0.5) == 0.2
    assert percentile([float(number) for number in range(1, 201)], 0.99) == 198.0
    assert percentile([1.0], 0.99) == 1.0


def test_latencies_are_not_judged_where_others_use_the_cores() -> None:
    """But an operation that never works is a fault there, too."""
    late = seen(attacked=slow("post", 9.0, count=50))
    assert judge(late, Logs(), Bounds(p99_s=None)) == []
    never = [each for each in seen().attacked if each.name != "post"]
    dead = seen(attacked=[*never, Timed("post", 1.0, 10.0, "TimeoutError")])
    assert judge(dead, Logs(), Bounds(p99_s=None)) == ["the victim did not post at all"]
