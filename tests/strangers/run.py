"""``python -m tests.strangers.run``: strangers at their worst from four addresses, one user."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.strangers.attacker import BEHAVIOURS
from tests.strangers.judging import Bounds, Latency
from tests.strangers.running import Plan, Result, run

Runtime: TypeAlias = Literal["ray", "inline"]


def main(
    minutes: Annotated[float, typer.Option(min=0.2, help="Length of the attack.")] = 30.0,
    runtime: Annotated[Runtime, typer.Option(help="Of the server.")] = "ray",
    seed: Annotated[int, typer.Option(help="What is done when, and with what.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Also the result as JSON on standard output.")
    ] = False,
    p99_s: Annotated[float, typer.Option(help="What the user's operations may take.")] = 1.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this behaviour; may be repeated.")
    ] = None,
    build: Annotated[
        str | None, typer.Option("--broken", help="Run a build that is broken so; it must fail.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the server's data and logs in this new folder.")
    ] = None,
) -> None:
    """Start a server on its defaults, attack it from 127.0.0.2 to 127.0.0.5, and judge it.

    A user at 127.0.0.6 goes on all the while. Exit status 1 if an operation of the user's had a
    p99 above --p99-s, if memory, descriptors or processor time did not come back, if a limit bit
    that the log does not tell of, or if anything was answered, logged or stored that may not be.
    """
    for name in only or []:
        if name not in BEHAVIOURS:
            raise typer.BadParameter(f"no behaviour {name!r}; known are {', '.join(BEHAVIOURS)}")
    if keep is not None and keep.exists():
        raise typer.BadParameter(f"{keep} exists; name a new folder")
    seconds = minutes * 60
    plan = Plan(
        seed=seed,
        runtime=runtime,
        seconds=seconds,
        baseline_s=min(60.0, seconds / 3),
        quiet_s=min(120.0, max(20.0, seconds / 3)),
        round_s=min(15.0, seconds / 6),
        pace=1.0 if minutes >= 5 else 3.0,
        build=build,
        only=only or [],
    )
    result = asyncio.run(_run(plan, Bounds(p99_s=p99_s), keep))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    if not result.passed:
        raise typer.Exit(1)


async def _run(plan: Plan, bounds: Bounds, keep: Path | None) -> Result:
    console = Console(stderr=True)
    console.width = max(console.width, 110)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with (
        Progress(*columns, TimeElapsedColumn(), console=console) as progress,
        tempfile.TemporaryDirectory(prefix="strangers-") as temporary,
    ):
        task = progress.add_task("", total=None)
        folder = Path(temporary) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        result = await run(
            plan, folder, bounds, lambda text: progress.update(task, description=text)
        )
    _show(console, result)
    return result


def _show(console: Console, result: Result) -> None:
    table = Table(title="The user's operations, alone and under attack (seconds)")
    for name in (
        "operation",
        "alone",
        "p50",
        "p99",
        "max",
        "attacked",
        "failed",
        "p50",
        "p99",
        "max",
    ):
        table.add_column(name, justify="left" if name == "operation" else "right")
    for name, under in result.attacked.items():
        alone = result.baseline.get(name)
        figures = ("", "", "", "") if alone is None else (str(alone.count), *_figures(alone))
        table.add_row(name, *figures, str(under.count), str(under.failed), *_figures(under))
    console.print(table)
    warm, calm = result.warm, result.calm
    text = [
        f"memory {warm.pss_bytes >> 20} MB, at the most {result.peak_pss_bytes >> 20} MB,"
        f" {calm.pss_bytes >> 20} MB {result.calm_after_s} s after the end",
        f"the kernel's memory for TCP at the most {result.peak_tcp_bytes >> 20} MB",
        f"descriptors {warm.descriptors}, then {calm.descriptors}",
        f"cores {result.idle_cores} alone, {result.attacked_cores} under attack,"
        f" {result.calm_cores} afterwards; attackers {sum(result.attackers_used_s.values()):.0f} s",
        f"limits in the log: {result.limits_logged or 'none'}",
    ]
    for name, outcomes in result.outcomes.items():
        text.append(
            f"  {name}: " + ", ".join(f"{count} {each}" for each, count in outcomes.items())
        )
    for line in text:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for fault in result.faults:
        console.print(f"  {fault}", style="red", highlight=False, markup=False, soft_wrap=True)
    verdict = "passed" if result.passed else f"FAILED: {len(result.faults)} faults"
    style = "green" if result.passed else "bold red"
    console.print(f"seed {result.plan.seed}, {result.plan.runtime}: {verdict}", style=style)


def _figures(latency: Latency) -> tuple[str, str, str]:
    figures = (latency.p50_s, latency.p99_s, latency.max_s)
    p50, p99, most = ("failed" if each is None else f"{each:.3f}" for each in figures)
    return p50, p99, most


if __name__ == "__main__":
    typer.run(main)
