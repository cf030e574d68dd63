"""``python -m bench NAME``: runs benchmarks and prints what they measured."""

import sys
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Literal

import structlog
import typer
import uvloop
from rich.console import Console

from bench.report import Options, Result, json_line, readable

BENCHES = {
    "reads": "home timelines a second, beside static responses of aiohttp",
    "posts": "tweets accepted a second, each durable and delivered to 50 followers",
    "fanout": "deliveries a second of one author's tweets to 1,000,000 followers",
    "push": "WebSocket frames a second to 2,000 sessions, beside websockets.broadcast",
    "latency": "milliseconds from a post to its followers' sockets, at a steady rate",
    "connections": "bytes and idle processor time of 20,000 sessions on one connection server",
    "coldstart": "milliseconds of the first home read of users following 200 and 5,000",
    "memory": "bytes of an idle session and of a warm timeline, and of an idle server",
}
CAPACITY = "nodes, memory, storage and money for three scales; has options of its own"
EPILOG = "  \n".join(f"{name}: {what}." for name, what in {**BENCHES, "capacity": CAPACITY}.items())
Name = StrEnum("Name", {name: name for name in ("all", *BENCHES)})  # type: ignore[misc]


def main(
    name: Annotated[Name, typer.Argument(help="Which to run; `all` runs one after another.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line instead of a table.")
    ] = False,
    size: Annotated[
        Literal["small", "normal"],
        typer.Option(help="small only shows that it works; its figures mean nothing."),
    ] = "normal",
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Length of one measurement. [default: 5]")
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
    in turns with it. Exit status 1 if a required figure was not reached.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    is_small = size == "small"
    options = Options(
        size=size,
        runtime=runtime,
        seconds=seconds or (0.4 if is_small else 5.0),
        repeats=repeats or (2 if is_small else 3),
    )
    chosen = list(BENCHES) if name.value == "all" else [str(name.value)]
    results = uvloop.run(_run(chosen, options, as_json))
    if not as_json:
        Console().print(readable(results))
    if any(result.met is False for result in results):
        raise typer.Exit(1)


async def _run(chosen: list[str], options: Options, as_json: bool) -> list[Result]:
    results: list[Result] = []
    for name in chosen:
        print(f"running {name} …", file=sys.stderr)
        run: Callable[[Options], AsyncIterator[Result]] = import_module(f"bench.{name}").run
        async for result in run(options):
            results.append(result)
            if as_json:
                print(json_line(result), flush=True)
    return results


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})(main)

if __name__ == "__main__":
    if sys.argv[1:2] == ["capacity"]:  # which computes rather than measures
        from bench.capacity import app as capacity

        capacity(sys.argv[2:], prog_name="python -m bench capacity")
    app()
