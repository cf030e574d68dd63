"""What a benchmark reports, as a JSON line or as a row of a table."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any, Literal

import msgspec
from rich.console import Group
from rich.markup import escape
from rich.table import Table

LIBRARIES = ("ray", "aiohttp", "uvloop", "websockets", "numpy", "msgspec")


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
    two cores, and `met` whether this run kept it (None where nothing is promised for such a run).
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
    parameters: dict[str, Any] = {}
    checked: dict[str, Any] = {}
    machine: dict[str, Any] = {}


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


def promise(options: Options, text: str, kept: bool) -> dict[str, Any]:
    """The fields of a `Result` that say what is required and whether this run kept it."""
    counts = options.runtime == "ray" and not options.is_small
    return {"required": text, "met": kept if counts else None}


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
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        **{name: version(name) for name in LIBRARIES},
    }


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


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
