"""What a benchmark reports, as a JSON line or as a row of a table."""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec
import psutil
from rich.console import Group
from rich.markup import escape
from rich.table import Table

LIBRARIES = ("ray", "aiohttp", "httptools", "uvloop", "websockets", "numpy", "msgspec")
LABELS = {
    "fanout": "rows {rows}",
    "push": "bursts of {burst}",
    "latency": "{posts_s:,} posts/s to {followers:,} followers each",
    "connections": "{sessions:,} sessions",
    "coldstart": "follows {followees:,}",
    "memory": "{of}",
    "load-reads": "{connections:,} at a time",
    "load-posts": "{connections:,} at a time",
    "load-latency": "{posts_s:,} posts/s",
    "growth-users": "{users:,} users",
    "growth-follows": "follows {followees:,}",
    "growth-followers": "{followers:,} followers, rows {rows}",
    "growth-connections": "{sessions:,} sessions",
}
"""What tells the lines of a benchmark apart, made from their parameters."""


@dataclass(frozen=True)
class Options:
    """How to run a benchmark. `small` only shows that it works: its figures mean nothing."""

    size: Literal["small", "normal"]
    runtime: Literal["ray", "inline"]
    seconds: float
    repeats: int

    @property
    def is_small(self) -> bool:
        return self.size == "small"


class Result(msgspec.Struct, kw_only=True):
    """One line of a benchmark's outcome.

    `value` is the median of `repeats` measurements, `spread` their range as a part of it.
    `ceiling` is the median of what the same machine does without our work, measured in turns with
    the value, and `ratio` value by ceiling. `required` is what is promised for the Ray runtime on
    two cores, and `met` whether this run kept it (None where nothing is promised for such a run);
    `missed` is what of it this run did not reach.
    `began` is when the run of this benchmark began (ISO 8601, UTC): all its lines have the same.
    """

    bench: str
    value: float
    unit: str
    ceiling: float | None = None
    ceiling_is: str = ""
    ratio: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    repeats: int = 1
    spread: float | None = None
    required: str = ""
    met: bool | None = None
    missed: list[str] = []
    parameters: dict[str, Any] = {}
    checked: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    size: str = ""
    began: str = ""

    @property
    def label(self) -> str:
        """What tells this line from the others of its benchmark; empty if there is nothing."""
        try:
            return LABELS.get(self.bench, "").format(**self.parameters)
        except (KeyError, ValueError):  # of an older version, with other parameters
            return ""


class UnusableResults(ValueError):
    """A file of results cannot be used; the text says why."""


def read(path: Path) -> list[Result]:
    """The results in a file of JSON lines.

    Raises:
        UnusableResults: the file cannot be read, or a line (named by its number) is no result.
    """
    results: list[Result] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UnusableResults(f"cannot read {path}: {error.strerror or error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                results.append(msgspec.json.decode(line, type=Result))
            except msgspec.DecodeError as error:
                raise UnusableResults(f"{path}, line {number}: {error}") from error
    return results


def measured(values: Sequence[float], ceilings: Sequence[float] = ()) -> dict[str, Any]:
    """The fields of a `Result` that follow from repeated measurements and their ceilings."""
    value = median(values)
    ceiling = median(ceilings) if ceilings else None
    return {
        "value": value,
        "repeats": len(values),
        "spread": (max(values) - min(values)) / value if value and len(values) > 1 else None,
        "ceiling": ceiling,
        "ratio": value / ceiling if ceiling else None,
    }


def promise(
    options: Options, demands: Mapping[str, bool], *, runtime: str = "ray"
) -> dict[str, Any]:
    """The fields of a `Result` that say what is required, and what of it this run reached.

    `demands`: whether it was reached, by what is demanded (`at_least`, `below`) of `runtime`.
    """
    fields: dict[str, Any] = {"required": ", ".join(demands)}
    if demands and options.runtime == runtime and not options.is_small:
        fields["missed"] = [text for text, reached in demands.items() if not reached]
        fields["met"] = not fields["missed"]
    return fields


def at_least(figure: str, value: float | None, bound: float) -> dict[str, bool]:
    """A demand for `promise`; nothing is demanded of what was not measured (None)."""
    return {} if value is None else {f"{figure} >= {bound:,}": value >= bound}


def below(figure: str, value: float | None, bound: float) -> dict[str, bool]:
    """As `at_least`, of what must be less."""
    return {} if value is None else {f"{figure} < {bound:,}": value < bound}


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of `values` lie (nearest rank).

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no measurements")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, versions, and how busy the machine was before."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    """The name of its kind, as far as the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def rounded(value: Any) -> Any:
    """`value` with its floats cut to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return value


def json_line(result: Result) -> str:
    return msgspec.json.encode(rounded(msgspec.to_builtins(result))).decode()


def readable(results: Sequence[Result]) -> Group:
    """The results for reading: a table, and below it the parameters of each line."""
    made = Table(title="rookery benchmarks", title_justify="left")
    for name in ("", "bench", "value", "unit", "ceiling", "ratio", "p50 ms", "p99 ms", "spread"):
        made.add_column(name, justify="left" if name in {"bench", "unit"} else "right")
    made.add_column("required")
    notes: list[str] = []
    for number, each in enumerate(results, start=1):
        verdict = {None: "", True: "  yes", False: "  [red]NO[/red]"}[each.met]
        made.add_row(
            str(number),
            each.bench,
            _shown(each.value),
            each.unit,
            _shown(each.ceiling),
            _shown(each.ratio),
            _shown(each.p50_ms),
            _shown(each.p99_ms),
            "" if each.spread is None else f"{each.spread:.0%}",
            each.required + verdict,
        )
        shown = ", ".join(f"{name} {value}" for name, value in rounded(each.parameters).items())
        notes.append(escape(f"{number}. {shown}"))
    return Group(made, *notes)


def quantity(value: float, unit: str) -> str:
    """A value with its unit, for reading."""
    if unit == "bytes":
        power = next((p for p in (9, 6, 3) if abs(value) >= 10**p), 0)
        return f"{value / 10**power:.3g} {({9: 'GB', 6: 'MB', 3: 'KB', 0: 'bytes'})[power]}"
    text = f"{value / 1e6:.3g} million" if abs(value) >= 1e6 else _shown(value)
    return f"{text} {unit}"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
