"""``rookery fsck``: compare counts and lists of the store, and warm timelines with the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rookery.cli.console import Bars, ConfigOption, DataOption, out, run, settings
from rookery.config import Config

if TYPE_CHECKING:
    from rookery.control import Control


def fsck(
    repair: Annotated[
        bool, typer.Option("--repair/--report", help="Repair what is faulty, or only report.")
    ] = True,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare every count with the list that it counts, and lists with each other.

    And every warm timeline of the running server with what the store says it should be.

    Exit status 0: no fault. 1: faults were found (and repaired, unless --report).
    """
    chosen = settings(config, data)
    if run(_fsck(chosen, repair)):
        raise typer.Exit(1)


async def _fsck(config: Config, repair: bool) -> int:
    from rookery.control import Control

    faults = checked = 0
    async with Control(Path(config.server.data_dir)) as control:
        with Bars() as bars:
            wrong = await _references(control, bars, repair)  # timelines follow the store
            async for progress in control.stream("fsck", repair=repair):
                checked = progress["checked"]
                bars.show("timelines", checked, progress["total"], f"{faults} faults")
                for finding in progress["findings"]:
                    faults += 1
                    out.print(_described(finding), soft_wrap=True)
    done = " and put right" if wrong and repair else ""
    out.print(f"all counts and lists compared, {wrong} faults found{done}")
    done = " and repaired" if faults and repair else ""
    out.print(f"{checked} warm timelines checked, {faults} faults found{done}")
    return faults + wrong


async def _references(control: "Control", bars: Bars, repair: bool) -> int:
    """Compare counts and lists; how many faults were found."""
    wrong = 0
    async for progress in control.stream("fsck-references", repair=repair):
        bars.show(progress["stage"], progress["checked"], None, f"{wrong} faults")
        for each in progress["wrong"]:
            wrong += 1
            out.print(_told(each), soft_wrap=True)
    return wrong


def _told(wrong: dict[str, Any]) -> str:
    if wrong["other"] is not None:
        return f"{wrong['owner']} {wrong['id']}: {wrong['what']} (with {wrong['other']})"
    return (
        f"{wrong['owner']} {wrong['id']}: {wrong['what']} counted {wrong['counted']:,},"
        f" listed {wrong['listed']:,}"
    )


def _described(finding: dict[str, list[int] | bool | int]) -> str:
    parts = []
    for name, text in (
        ("missing", "missing"),
        ("foreign", "not belonging there"),
        ("doubled", "doubled"),
        ("wrongKind", "of wrong kind"),
    ):
        ids = finding[name]
        if isinstance(ids, list) and ids:
            parts.append(f"{len(ids)} {text} ({', '.join(map(str, ids[:3]))}…)")
    if finding["disordered"]:
        parts.append("out of order")
    for name, text in (("notFollowed", "missed"), ("notUnfollowed", "kept by mistake")):
        authors = finding[name]
        if isinstance(authors, list) and authors:
            parts.append(f"{len(authors)} followed authors {text}")
    return f"user {finding['userId']}: {'; '.join(parts)}"
