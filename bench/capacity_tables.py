"""The lines of ``capacity`` as tables for reading."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

Line = dict[str, Any]

DEMANDS = {
    "reads": "reads/s",
    "cold": "of which cold",
    "tweets": "tweets/s",
    "likes": "favourites/s",
    "warm": "warm timelines",
    "connected": "connected",
    "followers_of_a_tweet": "followers of a tweet's author, mean",
    "largest": "followers of the largest author",
    "most_tweets": "most tweets/s, however many nodes",
    "break_even_tweets_a_day": "tweets a day from which a list pays",
}


def tables(lines: Sequence[Line]) -> Iterator[RenderableType]:
    """Everything that follows from the figures, and before it what it follows from."""
    yield _listed("Costs", lines, "cost", ("name", "value", "unit", "source"))
    yield _listed(
        "Assumptions (--set NAME=VALUE)", lines, "assumption", ("name", "value", "source")
    )
    yield _listed(
        "Scales, a day",
        lines,
        "scale",
        ("name", "users", "reads", "tweets", "likes", "follows", "years", "source"),
    )
    for line in _of(lines, "higgs"):
        yield from _higgs(line)
    yield _demands(lines)
    for at_home in (False, True):
        yield _sizes(lines, at_home)
    for line in _of(lines, "demand"):
        yield _thresholds(lines, line["scale"])


def _of(lines: Sequence[Line], part: str) -> list[Line]:
    return [line for line in lines if line["part"] == part]


def _table(title: str, *columns: str, text: Sequence[str] = ()) -> Table:
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="left" if column in text else "right")
    return made


def shown(value: Any) -> str:
    """A number as one reads it; texts as they are."""
    if not isinstance(value, int | float):
        return escape(str(value))
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.4g} M"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _listed(title: str, lines: Sequence[Line], part: str, columns: Sequence[str]) -> Table:
    made = _table(title, *columns, text=("name", "unit", "source"))
    for line in _of(lines, part):
        made.add_row(*(shown(line[column]) for column in columns))
    return made


def _higgs(line: Line) -> Iterator[RenderableType]:
    made = _table("Higgs: power law of followers", "from", "users", "exponent", "distance")
    for tail in line["tails"]:
        made.add_row(*(shown(tail[name]) for name in ("least", "count", "exponent", "distance")))
    yield made
    yield (
        f"First line: the best fit. {line['users']:,} users, {line['follows']:,} follows, largest"
        f" {line['largest']:,.0f}; posts grow as followers to the power of {line['activity']:.2f};"
        f" an author has {line['of_a_tweet_by_mean']:.2f} times the followers of a user (means)."
    )


def _demands(lines: Sequence[Line]) -> Table:
    demands = _of(lines, "demand")
    made = _table("Busiest hours", "", *(line["scale"] for line in demands), text=("",))
    for field, name in DEMANDS.items():
        made.add_row(name, *(shown(line[field]) for line in demands))
    return made


def _sizes(lines: Sequence[Line], at_home: bool) -> Table:
    sizes = [line for line in _of(lines, "size") if line["at_home"] is at_home]
    how = "sent to the node of their timeline" if at_home else "at any node (as it is)"
    heads = [f"{line['scale']}, {_threshold(line['threshold'])}" for line in sizes]
    made = _table(f"Sizes, users {how}; threshold", "", *heads, text=("",))

    def row(name: str, value: Callable[[Line], Any], without: str = "-") -> None:
        made.add_row(name, *(without if s["nodes"] is None else shown(value(s)) for s in sizes))

    row("nodes", lambda s: s["nodes"], "none is enough")
    made.add_row("bound by", *(s["bound_by"] for s in sizes))
    for group, unit in (("cores", "cores"), ("memory_gb", "GB"), ("storage_gb", "GB, one copy")):
        names = next((list(s[group]) for s in sizes if s["nodes"] is not None), [])
        for name in names:
            row(f"{name}, {unit}", lambda s, g=group, n=name: s[g][n])  # type: ignore[misc]
    row("fan-out worker (there is one), cores", lambda s: s["worker_cores"])
    row("database nodes", lambda s: s["store_nodes"])
    row("egress a month, GB", lambda s: s["egress_gb"])
    for name in next((list(s["usd_a_month"]) for s in sizes if s["nodes"] is not None), []):
        row(f"{name}, USD/month", lambda s, n=name: s["usd_a_month"][n])  # type: ignore[misc]
    row("all, USD/month", lambda s: s["usd"])
    row("a user, USD/year", lambda s: s["usd_a_user_a_year"])
    return made


def _threshold(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _thresholds(lines: Sequence[Line], scale: str) -> Table:
    rows = [line for line in _of(lines, "threshold") if line["scale"] == scale]
    made = _table(
        f"Celebrity threshold, scale {scale}, {rows[0]['shards']:.0f} shards" if rows else scale,
        *("threshold", "celebrities", "lists a read", "write cores", "read cores"),
        *("list GB a shard", "worst ms", "USD/month", "by least", "of all", ""),
        text=("",),
    )
    for line in rows:
        made.add_row(
            _threshold(line["threshold"]),
            *(shown(line[name]) for name in ("celebrities", "followed")),
            *(f"{line[name]:.3g}" for name in ("write_cores", "read_cores", "list_gb_a_shard")),
            *(shown(line[name]) for name in ("worst_ms", "usd")),
            f"{line['by_least']:,.2f}",
            f"{line['of_all']:.2%}",
            " ".join(word for word in ("best", "default") if line[word]),
        )
    return made
