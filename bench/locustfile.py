"""Load for a running server, by Locust: people who read, post, follow and listen.

    locust -f bench/locustfile.py --host http://127.0.0.1:8000                  # web page
    locust -f bench/locustfile.py --host … --headless -u 500 -r 50 -t 2m

See docs/load-testing.md. The exit status is 1 if timelines were not exact afterwards, or more than
0.1 % of the requests failed.
"""

import logging
import math
import sys
from pathlib import Path
from typing import Any

import msgspec
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_STOPPED, LocalRunner

from bench.scenarios.people import (
    BreakingNews,
    CasualReader,
    Celebrity,
    Citizen,
    NewUser,
    PowerUser,
    Spammer,
)
from bench.scenarios.seeding import seeds_of
from bench.scenarios.socialites import Socialite
from bench.scenarios.spike import Shout, Spike, read_shouts
from bench.scenarios.town import PEOPLE, Town, Unprepared
from bench.scenarios.verdict import Observed, Verdict, judge, print_verdict, timeline_reads
from rookery.errors import InvalidRequest

__all__ = [
    "BreakingNews",
    "CasualReader",
    "Celebrity",
    "NewUser",
    "PowerUser",
    "Socialite",
    "Spammer",
]

log = logging.getLogger("rookery.load")

HIGGS = Path(__file__).parents[2] / "shared" / "data" / "higgs-activity_time.txt.gz"


class Run:
    """What belongs to this process's runs, one after the other."""

    shouts: list[Shout] | None = None
    seen: Observed | None = None
    verdict: Verdict | None = None


def add_options(parser: LocustArgumentParser) -> None:
    """Our options beside Locust's."""
    group = parser.add_argument_group("Rookery")
    group.add_argument(
        "--day-seconds",
        type=float,
        default=60.0,
        help="Seconds in which people do what they do in a day: a casual reader 19 things, a power"
        " user 66. With 60, 500 users load the server like 720,000 who live by the clock: about 200"
        " requests a second, beside spammers and breaking news. Default: 60",
    )
    group.add_argument(
        "--follows", type=int, default=20, help="Whom each follows, celebrities aside. Default: 20"
    )
    group.add_argument(
        "--accounts",
        default="",
        metavar="FILE",
        help="Keep the accounts that are made in this file, and use them again if it is there:"
        " much faster, since a sign-up costs the server an Argon2 hash. Default: make new ones",
    )
    group.add_argument(
        "--higgs",
        default=str(HIGGS),
        env_var="LOCUST_HIGGS",
        metavar="FILE",
        help="SNAP's higgs-activity_time.txt.gz, which the breaking news are taken from",
    )
    group.add_argument(
        "--spike-hours", type=int, default=3, help="How many of its busiest hours. Default: 3"
    )
    group.add_argument(
        "--spike-seconds", type=float, default=60.0, help="Replayed in so long. Default: 60"
    )
    group.add_argument(
        "--spike-peak",
        type=int,
        default=200,
        help="Posts in its busiest second; events are evenly thinned out to that. 0: all of them."
        " Default: 200",
    )
    group.add_argument(
        "--data",
        default="data",
        metavar="FOLDER",
        help="The server's data folder if it is on this machine: for its cache hits, and to sign"
        " people up past its limit for one address. Default: data",
    )
    group.add_argument(
        "--report", default="", metavar="FILE", help="Write the verdict there as JSON"
    )


def check_and_prepare(environment: Environment, **_: Any) -> None:
    """Refuse what cannot work, and sign everybody up, when Locust has started."""
    options = _options(environment)
    if not isinstance(environment.runner, LocalRunner):
        sys.exit(
            "rookery: these scenarios know what was posted and compare timelines with it, which"
            " works in one process only; leave --master, --worker and --processes away, and start"
            " several locusts instead"
        )
    for name in ("day_seconds", "spike_hours", "spike_seconds"):
        if getattr(options, name) <= 0:
            sys.exit(f"rookery: --{name.replace('_', '-')} must be above 0")
    if BreakingNews in environment.user_classes:
        try:
            Run.shouts = read_shouts(
                Path(options.higgs), options.spike_hours, options.spike_seconds, options.spike_peak
            )
        except InvalidRequest as error:
            log.warning("No breaking news: %s; name the data set by --higgs", error)
    # Before the run-time begins to count; on the web page the number of users is told later.
    if options.headless or options.num_users:
        try:
            _prepare(environment, options.num_users or 1)
        except Unprepared as error:
            sys.exit(f"rookery: {error}")


def begin(environment: Environment, **_: Any) -> None:
    """A run starts."""
    options = _options(environment)
    assert environment.runner is not None
    try:
        _prepare(environment, environment.runner.target_user_count)
    except Unprepared as error:
        log.error("%s", error)
        environment.process_exit_code = 1
        environment.runner.quit()
        return
    town = Citizen.town
    Citizen.spike = Spike(Run.shouts) if Run.shouts is not None else None
    baseline_id = town.post(town.rest, town.accounts[PEOPLE][0], "From here on")
    Run.verdict = None
    Run.seen = Observed(
        baseline_id=baseline_id or 0,
        reads=timeline_reads(Path(options.data), environment.host or ""),
    )


def let_news_break(**_: Any) -> None:
    """All users are there."""
    if Citizen.spike is not None:
        Citizen.spike.begin()


def count(request_type: str, context: dict[str, str], **_: Any) -> None:
    """One REST request more of a scenario."""
    if Run.seen is not None and request_type != "WS":
        Run.seen.requests[context.get("scenario", "")] += 1


def conclude(environment: Environment, **_: Any) -> None:
    """The last user of a run has stopped."""
    if Run.seen is None:
        return
    log.info("Comparing timelines with what was posted")
    options = _options(environment)
    reads = timeline_reads(Path(options.data), environment.host or "")
    Run.verdict = judge(Citizen.town, Citizen.spike, Run.seen, environment.stats, reads)
    print_verdict(Run.verdict)
    if options.report:
        Path(options.report).write_bytes(
            msgspec.json.format(msgspec.json.encode(Run.verdict)) + b"\n"
        )


def tell_exit_status(environment: Environment, **_: Any) -> None:
    """Locust ends."""
    runner = environment.runner
    if runner is not None and runner.state not in (STATE_INIT, STATE_STOPPED):
        runner.stop()  # after Ctrl-C Locust would only do so later
    if Run.verdict is not None:
        Citizen.town.keep()
        assert runner is not None
        environment.process_exit_code = int(not Run.verdict.good or bool(runner.exceptions))


def _options(environment: Environment) -> Any:
    assert environment.parsed_options is not None
    return environment.parsed_options


def _prepare(environment: Environment, users: int) -> None:
    """Have accounts for so many users, divided as Locust divides them: by weight."""
    options = _options(environment)
    if not environment.host:
        raise Unprepared("name the server by --host, such as --host http://127.0.0.1:8000")
    host = environment.host.rstrip("/")
    if not hasattr(Citizen, "town") or Citizen.town.host != host:
        file = Path(options.accounts) if options.accounts else None
        town = Town(host, options.follows, file, seeds_of(Path(options.data), host))
        town.check()
        Citizen.town = town
    weights: dict[str, float] = {}
    for user_class in environment.user_classes:
        # Those who play no kept account are among the people, who should be many.
        role = getattr(user_class, "role", PEOPLE)
        weight = 1.0 if options.equal_weights else user_class.weight
        weights[role] = weights.get(role, 0.0) + weight
    whole = sum(weights.values())
    Citizen.town.prepare(
        {role: math.ceil(users * weight / whole) for role, weight in weights.items()}
    )


events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(check_and_prepare)  # type: ignore[no-untyped-call]
events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]
events.spawning_complete.add_listener(let_news_break)  # type: ignore[no-untyped-call]
events.request.add_listener(count)  # type: ignore[no-untyped-call]
events.test_stop.add_listener(conclude)  # type: ignore[no-untyped-call]
events.quitting.add_listener(tell_exit_status)  # type: ignore[no-untyped-call]
