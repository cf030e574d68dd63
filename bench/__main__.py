"""``python -m bench NAME``: runs benchmarks and prints what they measured."""

import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from time import monotonic
from typing import Annotated, Literal

import msgspec
import structlog
import typer
import uvloop
from rich.console import Console

from bench import sweeps
from bench.report import Options, Result, json_line, quantity, readable
from bench.sweeps import SWEEPS

BENCHES = {
    "reads": "home timelines a second, beside static responses of aiohttp",
    "reads-social": "home timelines with retweets, quotes and hidden people a second, beside plain"
    " ones",
    "posts": "tweets accepted a second, each durable and delivered to 50 followers",
    "fanout": "deliveries a second of one author's tweets to 1,000,000 followers",
    "push": "WebSocket frames a second to 2,000 sessions, beside websockets.broadcast",
    "latency": "milliseconds from a post to its followers' sockets, at a steady rate",
    "connections": "bytes and idle processor time of 20,000 sessions on one connection server",
    "coldstart": "milliseconds of the first home read of users following 200 and 5,000",
    "memory": "bytes of an idle session and of a warm timeline, and of an idle server",
}
GROUPS = {"all": tuple(BENCHES), "sweeps": tuple(SWEEPS)}
OTHERS = {
    "capacity": "nodes, memory, storage and money for three scales; has options of its own",
    "render": "plots and tables for the documentation, from JSON lines; has options of its own",
}
SECONDS, SWEEP_SECONDS, SMALL_SECONDS = 5.0, 3.0, 1.0
WHAT = {**BENCHES, **{name: sweep.what for name, sweep in SWEEPS.items()}}


def _listed(title: str, named: Mapping[str, str]) -> str:
    return f"{title}:  \n" + "  \n".join(f"{name}: {what}." for name, what in named.items())


EPILOG = "\n\n".join((_listed("To run", WHAT), _listed("Other commands", OTHERS)))
Name = StrEnum("Name", {name: name for name in (*GROUPS, *WHAT)})  # type: ignore[misc]


def main(
    names: Annotated[
        list[Name],
        typer.Argument(
            help="Which to run, one after another; `all` are the benchmarks, `sweeps` are"
            " benchmarks with one of their sizes varied.",
            metavar="NAME...",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line instead of a table.")
    ] = False,
    size: Annotated[
        Literal["small", "normal"],
        typer.Option(help="small only shows that it works; its figures mean nothing."),
    ] = "normal",
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="Length of one measurement. (default: 5; in sweeps 3)"),
    ] = None,
    runtime: Annotated[
        Literal["ray", "inline"], typer.Option(help="Runtime of the server.")
    ] = "ray",
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Measurements, of which the median counts.")
    ] = None,
) -> None:
    """Measure the server on this machine, with everything it needs made and removed again.

    Each line is one measurement beside its ceiling: what the machine does without our work, taken
    in turns with it. Standard error shows how far it is. Exit status 1 if a required figure was
    not reached, or if a benchmark failed (the others run all the same).
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    is_small = size == "small"
    chosen: dict[str, Options] = {}
    for name in (each for given in names for each in GROUPS.get(given.value, (given.value,))):
        usual_s = SWEEP_SECONDS if name in SWEEPS else SECONDS
        chosen[name] = Options(
            size=size,
            runtime=runtime,
            seconds=seconds or (SMALL_SECONDS if is_small else usual_s),
            repeats=repeats or (2 if is_small else 3),
        )
    began_s = monotonic()
    results, failed = uvloop.run(_run_all(chosen, as_json))
    if not as_json:
        Console().print(readable(results))
    missed = [f"{each.bench} {each.label}".rstrip() for each in results if each.met is False]
    _tell(
        f"done in {_duration(began_s)}; failed: {', '.join(failed) or 'none'};"
        f" requirement missed: {', '.join(missed) or 'none'}"
    )
    if failed or missed:
        raise typer.Exit(1)


async def _run_all(chosen: Mapping[str, Options], as_json: bool) -> tuple[list[Result], list[str]]:
    """The results of those that succeeded (or until they failed), and the names of the others."""
    results: list[Result] = []
    failed: list[str] = []
    for number, (name, options) in enumerate(chosen.items(), start=1):
        _tell(f"[{number}/{len(chosen)}] {name}: {WHAT[name]} …")
        try:
            async for result in _run(name, options):
                results.append(result)
                if as_json:
                    print(json_line(result), flush=True)
        except Exception:  # whatever it is: the others may have taken half an hour
            traceback.print_exc()
            failed.append(name)
    return results, failed


async def _run(name: str, options: Options) -> AsyncIterator[Result]:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    step_s = monotonic()
    measuring: AsyncIterator[Result]
    if name in SWEEPS:
        measuring = sweeps.run(name, options)
    else:
        measuring = import_module(f"bench.{name.replace('-', '_')}").run(options)
    async for result in measuring:
        label = f"{result.label}: " if result.label else ""
        _tell(f"    {label}{quantity(result.value, result.unit)}, took {_duration(step_s)}")
        step_s = monotonic()
        yield msgspec.structs.replace(result, size=options.size, began=began)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _duration(since_s: float) -> str:
    minutes, seconds = divmod(round(monotonic() - since_s), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})(main)

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in OTHERS:  # which compute rather than measure
        other = import_module(f"bench.{sys.argv[1]}").app
        other(sys.argv[2:], prog_name=f"python -m bench {sys.argv[1]}")
    app()
