"""``python -m tests.chaos.run``: seeded schedules of injections under load, checked."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.faults import Sort
from tests.chaos.running import Result, counts, run_seed

SHOWN_FAULTS = 10
Deployment: TypeAlias = Literal["single", "inline", "cluster"]
Build: TypeAlias = Literal[
    "acknowledge-early",
    "forget-delivered",
    "drop-pushes",
    "push-to-hidden",
    "push-to-former",
    "keep-retweets",
    "retweet-twice",
    "miscount",
    "lose-blocks",
    "trust-viewers",
    "keep-cards",
    "skip-filter",
    "show-quoted",
    "answer-early",
    "forget-requests",
    "leave-retweets",
]


def main(
    seeds: Annotated[str, typer.Option(help="Seeds to run: 7, or 1-20.")] = "1-20",
    seconds: Annotated[float, typer.Option(min=8.0, help="Length of the load of a seed.")] = 30.0,
    deployment: Annotated[
        Deployment,
        typer.Option(
            help="single: Ray and SQLite. cluster: three Ray nodes, MongoDB, Redis."
            " inline: all in one process."
        ),
    ] = "single",
    as_json: Annotated[
        bool, typer.Option("--json", help="Also one JSON object a seed, on standard output.")
    ] = False,
    broken: Annotated[
        Build | None, typer.Option(help="Run a build that is broken so; it must fail.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep data and logs of each seed in this folder.")
    ] = None,
) -> None:
    """Harm a running server by seeded schedules, and check all that it has acknowledged.

    Exit status 1 if anything was lost, doubled, leaked or wrong, if an injection took no effect,
    or if reads and posts did not work again in time.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if keep is not None and keep.exists():
        raise typer.BadParameter(f"{keep} exists; name a new folder")
    first, _, last = seeds.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and int(first) >= 1):
        raise typer.BadParameter(f"{seeds!r} is neither a seed (7) nor a range (1-20)")
    chosen = range(int(first), int(last or first) + 1)
    if broken is not None and deployment == "cluster":
        raise typer.BadParameter("broken builds run in the deployments single and inline")
    results = asyncio.run(_run(chosen, deployment, seconds, as_json, broken, keep))
    if not results or not all(result.passed for result in results):
        raise typer.Exit(1)


async def _run(
    seeds: range,
    deployment: str,
    seconds: float,
    as_json: bool,
    build: str | None,
    keep: Path | None,
) -> list[Result]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    results: list[Result] = []
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=len(seeds))
        for seed in seeds:

            def tell(text: str, seed: int = seed) -> None:
                progress.update(task, description=f"seed {seed}: {text}")

            with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
                folder = Path(temporary) if keep is None else keep / f"{deployment}-{seed}"
                if keep is not None:
                    folder.mkdir(parents=True)
                result = await run_seed(
                    seed, deployment, folder, seconds=seconds, build=build, tell=tell
                )
            results.append(result)
            progress.advance(task)
            _show(progress.console, result)
            if as_json:
                sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
                sys.stdout.flush()
    console.print(_table(results))
    return results


def _show(console: Console, result: Result) -> None:
    """What was injected, what it did, and what is to be said against the seed."""
    for each in result.injected:
        alone = "" if each.is_alone else " (together with another)"
        back = "" if each.replaced_after_s is None else f", back after {each.replaced_after_s} s"
        console.print(
            f"  {each.at_s:5.1f} s  {each.what}{alone}: {each.effect}{back};"
            f" reads work {each.reads_back_s} s after it, posts {each.posts_back_s} s",
            highlight=False,
            markup=False,
        )
    faults = [f"{fault.sort}: {fault.text}" for fault in result.verdict.faults]
    for text in [*result.failures, *faults][:SHOWN_FAULTS]:
        console.print(f"  {text}", style="red", highlight=False, markup=False)
    if (more := len(result.failures) + len(faults) - SHOWN_FAULTS) > 0:
        console.print(f"  and {more} more", style="red")
    figures = ", ".join(f"{count} {sort}" for sort, count in counts(result).items())
    style = "green" if result.passed else "bold red"
    console.print(
        f"seed {result.seed} {'passed' if result.passed else 'FAILED'}: {figures};"
        f" {result.acknowledged} writes acknowledged, {result.unanswered} not answered",
        style=style,
        highlight=False,
    )


def _table(results: list[Result]) -> Table:
    table = Table(title=f"Chaos: {sum(each.passed for each in results)} of {len(results)} passed")
    for name in ("seed", "injected", "writes", "back s", "exact s", *map(str, Sort), "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for result in results:
        back_s = [max(each.reads_back_s, each.posts_back_s) for each in result.injected]
        exact_s = result.verdict.exact_after_s
        table.add_row(
            str(result.seed),
            f"{sum(each.took_effect for each in result.injected)}/{len(result.injected)}",
            str(result.acknowledged),
            f"{max(back_s, default=0.0):.1f}",
            "never" if exact_s is None else f"{exact_s:.1f}",
            *map(str, counts(result).values()),
            "passed" if result.passed else "FAILED",
            style=None if result.passed else "red",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
