"""``python -m bench render``: plots and tables for the documentation, from JSON lines."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench import plots
from bench.report import LIBRARIES, Result, UnusableResults, quantity, read
from bench.sweeps import SWEEPS

BEGIN = "<!-- results: from here on written by `python -m bench render` -->"
END = "<!-- results: end -->"
PAGE = "benchmarks.md"
PLOTS = "plots"


class NoMarkers(ValueError):
    """The page does not have the two markers, once each and in order."""


def last_runs(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results by benchmark or sweep; of each only those of the run that began last."""
    last: dict[str, list[Result]] = {}
    for result in results:
        run = last.setdefault(result.bench, [])
        if run and run[0].began < result.began:
            run.clear()
        if not run or run[0].began == result.began:
            run.append(result)
    return last


def replaced(page: str, section: str) -> str:
    """The page with another text between its markers.

    Raises:
        NoMarkers: there is no such place.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after or END in before:
        raise NoMarkers(f"needs once each, in this order, the lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{section.strip()}\n\n{end}{after}"


def section_of(runs: dict[str, list[Result]]) -> str:
    """The generated part of the page."""
    everything = [each for run in runs.values() for each in run]
    benches = [each for name, run in runs.items() if name not in SWEEPS for each in run]
    parts = [_conditions(everything)]
    if any(each.size == "small" for each in everything):
        parts.append(
            "**Of size `small`, which only shows that it works: the figures mean nothing.**"
        )
    if benches:
        parts += ["### Results", table(benches)]
    if any("cpu_us_each" in each.parameters for each in benches):
        parts += ["### Processor time", _processor_time(benches)]
    for title, prefix in (("Against load", "load-"), ("Against growth", "growth-")):
        names = [name for name in SWEEPS if name in runs and name.startswith(prefix)]
        if names:
            parts.append(f"### {title}")
        for name in names:
            what = SWEEPS[name].what
            parts.append(f"![{what}]({PLOTS}/{name}.svg)")
            parts.append(
                f"<details><summary><code>{name}</code>: {what}</summary>\n\n"
                f"{table(runs[name])}\n\n</details>"
            )
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """The results as a table of Markdown; columns that would be empty are left out."""
    columns = ("", "value", "ceiling", "ratio", "p50 / p99 ms", "spread", "required", "more")
    rows = [_row(each) for each in results]
    kept = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    aligned = ["---" if columns[at] in ("", "required", "more") else "---:" for at in kept]
    lines = [[columns[at] for at in kept], aligned, *([row[at] for at in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(result: Result) -> list[str]:
    times = [result.p50_ms, result.p99_ms]
    verdict = {None: "", True: ": met", False: f": **missed** ({', '.join(result.missed)})"}[
        result.met
    ]
    return [
        _name(result),
        quantity(result.value, result.unit),
        "" if result.ceiling is None else quantity(result.ceiling, result.unit),
        "" if result.ratio is None else f"{result.ratio:.2f}",
        "" if None in times else " / ".join(f"{each:.2g}" for each in times if each is not None),
        "" if result.spread is None else f"{result.spread:.0%}",
        f"{result.required}{verdict}" if result.required else "",
        "; ".join(_more(result)),
    ]


def _more(result: Result) -> Iterable[str]:
    """What else a benchmark found, in words."""
    for name, value in result.parameters.items():
        if name.startswith("times_") and isinstance(value, float):
            yield f"{value:.3g} times as many as {name.removeprefix('times_')}"
        elif name == "drain_s":
            yield f"last delivery after {value:.2g} s"
        elif name == "idle_cpu":
            used = (f"{process} {part:.1%}" for process, part in value.items())
            yield f"idle, of a core: {', '.join(used)}"
        elif name == "cpu_us_each" and result.bench in SWEEPS:
            yield f"µs: {_used(value)}"


def _processor_time(results: Sequence[Result]) -> str:
    lines = ["| | microseconds of a core for each, by process |", "| --- | --- |"]
    for each in results:
        if used := each.parameters.get("cpu_us_each"):
            lines.append(f"| {_name(each)} | {_used(used)} |")
    return "\n".join(lines)


def _name(result: Result) -> str:
    name = "" if result.bench in SWEEPS else f"`{result.bench}`"
    return ", ".join(filter(None, (name, result.label)))


def _used(by_process_us: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {us:,.0f}" for name, us in by_process_us.items() if us >= 0.5)


def _conditions(results: Sequence[Result]) -> str:
    """When, where and how they were measured; each way once, if there was more than one."""
    days = sorted({each.began.partition("T")[0] for each in results})
    loads = [each.machine["load_before"] for each in results if "load_before" in each.machine]
    text = f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} (UTC), on "
    text += "; and on ".join(dict.fromkeys(_machine(each) for each in results)) + "."
    repeats = sorted({each.repeats for each in results if each.spread is not None})
    if repeats:
        text += f" Medians of {' or '.join(map(str, repeats))} runs; spread: range by median."
    if loads:
        text += f" Load average before each: {min(loads):.1f} to {max(loads):.1f}."
    return text


def _machine(result: Result) -> str:
    machine = result.machine
    versions = [f"{name} {machine[name]}" for name in LIBRARIES if name in machine]
    return (
        f"{machine.get('cores', '?')} cores ({machine.get('processor', 'unknown')}),"
        f" {machine.get('memory_gb', '?')} GB, {machine.get('system', 'unknown')};"
        f" Python {machine.get('python', '?')}, {', '.join(versions)};"
        f" runtime `{result.parameters.get('runtime', '?')}`"
    )


def render(results: Sequence[Result], docs: Path) -> list[Path]:
    """Write the page's section and the plots; those without results are removed. What there is.

    Raises:
        NoMarkers: the page has no place for them.
        OSError: a file cannot be read or written.
    """
    runs = last_runs(results)
    page = docs / PAGE
    text = replaced(page.read_text(), section_of(runs))
    folder = docs / PLOTS
    folder.mkdir(exist_ok=True)
    written = [page]
    for name in SWEEPS:
        path = folder / f"{name}.svg"
        if name in runs:
            plots.write(plots.plot_of(name, runs[name]), path)
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    page.write_text(text)
    return written


def main(
    results: Annotated[Path, typer.Argument(help="JSON lines that `python -m bench` printed.")],
    docs: Annotated[
        Path, typer.Option(help=f"The folder of {PAGE}; plots go to {PLOTS} in it.")
    ] = Path("docs"),
) -> None:
    """Write results into the documentation: tables between the markers of a page, and plots.

    Of a benchmark that was run several times the last run counts.
    """
    try:
        found = read(results)
        if not found:
            raise UnusableResults(f"{results} has no results: was a benchmark run with --json?")
        for path in render(found, docs):
            print(path)
    except NoMarkers as error:
        raise typer.BadParameter(f"{docs / PAGE} {error}") from error
    except (UnusableResults, OSError) as error:
        raise typer.BadParameter(str(error)) from error


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(context_settings={"help_option_names": ["-h", "--help"]})(main)

if __name__ == "__main__":
    app(prog_name="python -m bench render")
