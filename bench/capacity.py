"""``capacity``: nodes, memory, storage and money for three scales, and the celebrity threshold.

It measures next to nothing itself: what operations cost comes from the other benchmarks.
"""

import asyncio
import sys
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import structlog
import typer
from rich.console import Console

from bench import assumptions, audience, measured, operations, sizing, stored
from bench.assumptions import SCALES, TIMELINES, Assumptions, Scale
from bench.audience import Audience
from bench.capacity_tables import tables
from bench.report import rounded
from bench.sizing import Model, Size
from rookery.bulk import higgs
from rookery.errors import RookeryError

HIGGS = Path(__file__).parents[2] / "shared" / "data" / "higgs-activity_time.txt.gz"

NEVER = float("inf")
"""No threshold: everyone is fanned out on write."""

Line = dict[str, Any]


def main(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line instead of tables.")
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--measured",
            metavar="FILE",
            help="Lines of `python -m bench all --json`; what they lack, and without it all,"
            f" is taken from {measured.WHEN}.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another value for an assumption, prices included, as"
            " --set price_vcpu_hour=0.03; may be repeated. All names are in the output.",
        ),
    ] = None,
    data: Annotated[
        Path,
        typer.Option(
            "--higgs",
            metavar="FILE",
            help="The Higgs data, to compare followers with.",
            show_default=f"../shared/data/{HIGGS.name}",
        ),
    ] = HIGGS,
) -> None:
    """Compute what three scales need and cost, and where the celebrity threshold should stand.

    Costs of single operations come from the benchmarks; a few that decide between fan-out on
    write and on read, and the bytes of the store, are measured here within seconds. All that is
    assumed is listed with its source. What is drawn is seeded, so only those few figures vary.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        chosen = assumed(changes or [])
        results = [] if figures is None else measured.read(figures)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    costs = measured.costs(results, str(figures), chosen)
    model = Model(costs, operations.measure(), asyncio.run(stored.measure()), chosen)
    lines = [*_given(model), *_compared(data)]
    for scale in SCALES:
        lines += _scale(model, scale)
    if as_json:
        for line in lines:
            print(msgspec.json.encode({"bench": "capacity", **rounded(line)}).decode())
    else:
        console = Console()
        for table in tables(lines):
            console.print(table)


def assumed(changes: list[str]) -> Assumptions:
    """The assumptions with `changes`, each ``NAME=VALUE``.

    Raises:
        ValueError: there is no such name, or the value is not a number it can have.
    """
    values: dict[str, float] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in Assumptions.__struct_fields__:
            raise ValueError(f"no assumption {name!r}: {', '.join(Assumptions.__struct_fields__)}")
        try:
            values[name] = float(value)
        except ValueError:
            raise ValueError(f"{change!r}: a number is needed, as {name}=2") from None
        if not isfinite(values[name]):
            raise ValueError(f"{change!r}: a finite number is needed")
    return msgspec.convert(values, Assumptions)


def _given(model: Model) -> list[Line]:
    """What everything follows from."""
    lines: list[Line] = [
        {"part": "cost", "name": name, **cost._asdict()} for name, cost in model.costs.items()
    ]
    for name, value in model.stored._asdict().items():
        source = "measured now: growth of an SQLite store, indexes included"
        lines.append(
            {"part": "cost", "name": f"stored {name}", "value": value, "unit": "bytes"}
            | {"source": source}
        )
    ops = model.operations
    source = "measured now, one process, least of several"
    for name, value, unit, what in (
        *(
            (f"read, {int(k)} lists", us, "us", "a shard's read of 20 that merges so many lists")
            for k, us in zip(ops.lists, ops.read_us, strict=True)
        ),
        ("tweet, no row", ops.idle_us, "us", "a tweet that nobody in a shard follows"),
        ("tweet, first row", ops.ring_us, "us", "to a ring, per shard"),
        (
            "tweet, row",
            ops.ring_row_us,
            "us",
            "to each further ring (with the next but one: what a list saves)",
        ),
        ("celebrity's, first row", ops.listed_us, "us", "to a list, per shard"),
        ("celebrity's, row", ops.listed_row_us, "us", "for each follower's row (is it connected?)"),
        ("carrying", ops.carry_us, "us", "a tweet packed or unpacked, per shard"),
        ("celebrity list", ops.list_bytes, "bytes", "800 tweets, in each shard"),
    ):
        lines.append(
            {"part": "cost", "name": name, "value": value, "unit": unit}
            | {"source": f"{what}; {source}"}
        )
    for name, text in assumptions.meanings().items():
        value = getattr(model.assumptions, name)
        lines.append({"part": "assumption", "name": name, "value": value, "source": text})
    for scale in SCALES:
        lines.append({"part": "scale", **scale._asdict()})
    return lines


def _compared(data: Path) -> list[Line]:
    """The power law of the followers in the Higgs data, if it is there."""
    if not data.exists():
        print(f"no Higgs data at {data}: followers are not compared", file=sys.stderr)
        return []
    try:
        network = higgs.read(data)
    except RookeryError as error:
        raise typer.BadParameter(f"--higgs: {error}") from error
    place = {user: number for number, user in enumerate(network.users)}
    followers = _tally([place[each.followee] for each in network.follows], len(place))
    posts = _tally([place[each.actor] for each in network.events], len(place))
    best = audience.fitted(followers)
    tails = [best, *(audience.tail_from(followers, least) for least in (50, 100, 200, 500))]
    return [
        {
            "part": "higgs",
            "users": len(place),
            "follows": len(network.follows),
            "largest": followers.max(),
            "activity": audience.activity_of(followers, posts, best.least),
            "of_a_tweet_by_mean": (followers * posts).sum() / posts.sum() / followers.mean(),
            "tails": [asdict(tail) for tail in tails],
        }
    ]


def _tally(places: list[int], length: int) -> audience.Floats:
    return np.bincount(places, minlength=length).astype(np.float64)


def _scale(model: Model, scale: Scale) -> list[Line]:
    a = model.assumptions
    drawn = audience.draw(
        scale.users,
        scale.follows,
        exponent=a.exponent,
        activity=a.activity,
        most=a.most_followers,
        seed=int(a.seed),
    )
    lines: list[Line] = [
        {
            "part": "demand",
            "scale": scale.name,
            **assumptions.demand(scale, a)._asdict(),
            "followers_of_a_tweet": drawn.of_a_tweet,
            "most_tweets": sizing.most_tweets_per_s(model),
            "break_even_tweets_a_day": sizing.break_even(model, scale),
            "largest": drawn.largest,
        }
    ]
    # The table's shards are those of the smallest size; sizes are then made with its best.
    smallest = sizing.size(model, scale, drawn, NEVER, at_home=True)
    best = NEVER
    if smallest.nodes is not None:
        made = _thresholds(model, scale, drawn, smallest)
        lines += made
        best = next(each["threshold"] for each in made if each["best"]) or NEVER
    for at_home in (False, True):
        for threshold in sorted({best, float(TIMELINES.celebrity_threshold)}, reverse=True):
            sized = sizing.size(model, scale, drawn, threshold, at_home=at_home)
            lines.append(_size_line(scale, sized, threshold, at_home))
    return lines


def _size_line(scale: Scale, made: Size, threshold: float, at_home: bool) -> Line:
    return {
        "part": "size",
        "scale": scale.name,
        "at_home": at_home,
        "threshold": _finite(threshold),
        **asdict(made),
        "usd": made.usd if made.nodes else None,
        "usd_a_user_a_year": made.usd * 12 / scale.users if made.nodes else None,
    }


def _thresholds(model: Model, scale: Scale, drawn: Audience, smallest: Size) -> list[Line]:
    """Fan-out under several thresholds, the cheapest marked."""
    made = [
        sizing.fan_out(model, scale, drawn, smallest.shards, each)
        for each in sorted({*sizing.THRESHOLDS, float(TIMELINES.celebrity_threshold)})
    ]
    usd = [sizing.monthly_usd(each, smallest.shards, model.assumptions) for each in made]
    return [
        {
            "part": "threshold",
            "scale": scale.name,
            "shards": smallest.shards,
            **each._asdict(),
            "threshold": _finite(each.threshold),
            "cores": each.cores,
            "usd": cost,
            "by_least": cost / min(usd),
            "of_all": cost / smallest.usd,
            "best": cost == min(usd),
            "default": each.threshold == TIMELINES.celebrity_threshold,
        }
        for each, cost in zip(made, usd, strict=True)
    ]


def _finite(threshold: float) -> float | None:
    """A threshold in JSON, which has no infinity."""
    return None if threshold == NEVER else threshold


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(context_settings={"help_option_names": ["-h", "--help"]})(main)
