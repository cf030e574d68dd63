"""Plots of sweeps as SVG files: the same results give the same bytes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench import connections, fanout, latency, posts, reads
from bench.report import Result
from bench.sweeps import SWEEPS

Points = Sequence[tuple[float, float]]

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small files, and changes that can be read
    "svg.hashsalt": "rookery",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MARKERS = "osD^"
REQUIRED = "#b00020"


@dataclass(frozen=True)
class Series:
    """`points` are (x, y). A ceiling is that of the line before it: dashed, in its colour."""

    label: str
    points: Points
    is_ceiling: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines over one pair of axes. `required` are levels to reach or to stay below, by label."""

    y_label: str
    series: Sequence[Series]
    required: Mapping[str, float] = field(default_factory=dict)
    log_y: bool = False


@dataclass(frozen=True)
class Plot:
    """Panels side by side over the same x. `log_x` is the base of a logarithmic axis."""

    title: str
    x_label: str
    panels: Sequence[Panel]
    log_x: int | None = None


def plot_of(name: str, results: Sequence[Result]) -> Plot:
    """The plot of the results of one sweep, in the order in which they came."""
    return _PLOTS[name](results)


def _x(result: Result) -> float:
    return float(result.parameters[SWEEPS[result.bench].vary])


def _series(label: str, results: Sequence[Result], y: Callable[[Result], float | None]) -> Series:
    """A line of what there is; a result without it has no point."""
    points = [(_x(each), value) for each in results if (value := y(each)) is not None]
    return Series(label, points)


def _times(results: Sequence[Result]) -> list[Series]:
    return [
        _series("median", results, lambda each: each.p50_ms),
        _series("99th percentile", results, lambda each: each.p99_ms),
    ]


def _processes(results: Sequence[Result], parameter: str, scale: float) -> Iterator[Series]:
    """What each kind of process used, those that used most first; small ones are left out."""
    used = {_x(each): each.parameters[parameter] for each in results}
    names = {name for by in used.values() for name in by} - {"generator"}
    most = {name: max(by.get(name, 0.0) for by in used.values()) for name in names}
    for name in sorted(names, key=most.__getitem__, reverse=True)[: len(COLOURS)]:
        if most[name] >= max(most.values()) / 20:
            yield Series(name, [(x, by[name] * scale) for x, by in used.items() if name in by])


def _load_of(title: str, unit: str, required: int) -> Callable[[Sequence[Result]], Plot]:
    def plot(results: Sequence[Result]) -> Plot:
        ceiling = _series("ceiling (aiohttp alone)", results, lambda each: each.ceiling)
        series = [
            _series("rookery", results, lambda each: each.value),
            Series(ceiling.label, ceiling.points, is_ceiling=True),
        ]
        rate = Panel(unit, series, {"required at 64": required})
        return Plot(title, "connections", [rate, Panel("ms", _times(results), log_y=True)], 2)

    return plot


def _latency(results: Sequence[Result]) -> Plot:
    required = {
        "required: median": latency.REQUIRED_P50_MS,
        "required: 99th percentile": latency.REQUIRED_P99_MS,
    }
    panel = Panel("ms from post to socket", _times(results), required, log_y=True)
    followers = results[0].parameters["followers"]
    title = f"Latency against load, {followers} connected followers of each author"
    return Plot(title, "posts/s (open rate)", [panel])


def _users(results: Sequence[Result]) -> Plot:
    panel = Panel("µs of processor time per read", list(_processes(results, "cpu_us_each", 1)))
    return Plot("Cost of a home timeline against users", "warm users", [panel], 10)


def _follows(results: Sequence[Result]) -> Plot:
    cpu_ms = _series("processor time", results, _server_ms)
    panel = Panel("ms per read", [*_times(results), cpu_ms], log_y=True)
    return Plot("Cost of a first home read against follows", "users followed", [panel], 10)


def _server_ms(result: Result) -> float:
    used: dict[str, float] = result.parameters["cpu_us_each"]
    return sum(us for name, us in used.items() if name != "generator") / 1000


def _followers(results: Sequence[Result]) -> Plot:
    rates: list[Series] = []
    times: list[Series] = []
    for order in dict.fromkeys(each.parameters["rows"] for each in results):
        some = [each for each in results if each.parameters["rows"] == order]
        rates.append(_series(order, some, lambda each: each.value))
        bare = _series("bare array operation", some, lambda each: each.ceiling)
        rates.append(Series(bare.label, bare.points, is_ceiling=True))
        times.append(_series(order, some, lambda each: _x(each) / each.value * 1000))
    panels = [
        Panel("deliveries/s", rates, {"required at 1,000,000": fanout.REQUIRED}, log_y=True),
        Panel("ms per post", times, log_y=True),
    ]
    return Plot(
        "Fan-out against the author's followers, by the order of their rows",
        "followers",
        panels,
        10,
    )


def _connections(results: Sequence[Result]) -> Plot:
    kilobytes = _series("connection server", results, lambda each: each.value / 1000)
    panels = [
        Panel("KB per session", [kilobytes], {"required": connections.MOST_BYTES / 1000}),
        Panel(
            "% of a core while idle",
            list(_processes(results, "idle_cpu", 100)),
            {"required": connections.MOST_CPU * 100},
        ),
    ]
    return Plot("Cost of idle sessions against their number", "sessions", panels)


_PLOTS: Mapping[str, Callable[[Sequence[Result]], Plot]] = {
    "load-reads": _load_of("Home timelines against load", "requests/s", reads.REQUIRED),
    "load-posts": _load_of("Posts against load", "accepted/s", posts.REQUIRED),
    "load-latency": _latency,
    "growth-users": _users,
    "growth-follows": _follows,
    "growth-followers": _followers,
    "growth-connections": _connections,
}


def figure(plot: Plot) -> Figure:
    """The plot, drawn."""
    with rc_context(STYLE):
        made = Figure(figsize=(4.6 * len(plot.panels) if len(plot.panels) > 1 else 5.6, 3.4))
        made.set_layout_engine("constrained")
        made.suptitle(plot.title)
        for number, axes in enumerate(made.subplots(1, len(plot.panels), squeeze=False)[0]):
            _draw(axes, plot, plot.panels[number], f"panel{number}")
        return made


def _draw(axes: Axes, plot: Plot, panel: Panel, gid: str) -> None:
    colour = -1
    for number, series in enumerate(panel.series):
        colour += not series.is_ceiling
        (line,) = axes.plot(
            [x for x, _ in series.points],
            [y for _, y in series.points],
            label=series.label,
            color=COLOURS[colour % len(COLOURS)],
            marker=MARKERS[colour % len(MARKERS)],
            markersize=4,
            markerfacecolor="white" if series.is_ceiling else None,
            linestyle="--" if series.is_ceiling else "-",
            linewidth=1.0 if series.is_ceiling else 1.5,
            clip_on=False,
        )
        line.set_gid(f"{gid}-series{number}")
    for number, (label, level) in enumerate(panel.required.items()):
        line = axes.axhline(level, color=REQUIRED, linestyle=":", linewidth=1.2)
        line.set_gid(f"{gid}-required{number}")
        axes.annotate(
            label,
            (1, level),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            color=REQUIRED,
            fontsize=8,
        )
    _scale(axes, plot, panel)
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(panel.y_label)
    if len(panel.series) > 1:
        columns = 3 if len(plot.panels) == 1 else 2
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


def _scale(axes: Axes, plot: Plot, panel: Panel) -> None:
    ys = [y for each in panel.series for _, y in each.points] + list(panel.required.values())
    if panel.log_y and min(ys, default=0) > 0:
        axes.set_yscale("log")
        subs = (1, 1.5, 2, 3, 4, 5, 6, 8) if max(ys) < 8 * min(ys) else (1, 2, 5)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(min(ys) / 1.4, max(ys) * 1.4)
    else:
        axes.set_ylim(0, max(ys, default=0) * 1.1 or 1)
    if plot.log_x:
        axes.set_xscale("log", base=plot.log_x)
    xs = sorted({x for each in panel.series for x, _ in each.points})
    axes.xaxis.set_major_locator(FixedLocator(xs))
    axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """A number for an axis: 20000 is 20k."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:,g}"


def write(plot: Plot, path: Path) -> None:
    """Write the plot as SVG, without dates and versions, so that only other results change it."""
    with rc_context(STYLE):
        figure(plot).savefig(path, format="svg", metadata={"Date": None, "Creator": None})
