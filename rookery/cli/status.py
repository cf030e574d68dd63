"""``rookery status``: what runs where, and how it fares."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rookery.cli.console import ConfigOption, DataOption, out, run, settings, table
from rookery.cli.terminal import Rows
from rookery.config import Config

SHOWN = {
    "Gateway": ("cached_tweets", "cached_tokens"),
    "ConnectionServer": ("sessions", "frames_sent"),
    "TimelineShard": ("warm_rows", "connected_users", "deliveries"),
    "FanoutWorker": (
        "queue_depth",
        "lag_ms",
        "entries",
        "deliveries",
        "failures",
        "consumers_behind",
        "events_put_aside",
    ),
    "CelebrityLists": ("celebrities",),
    "ConnectionManager": ("connection_servers", "connected_devices"),
    "StoreWriter": ("store_waiting_batches", "store_commit_p50_ms"),
}
"""The figures that tell at a glance, by kind of actor; all of them are among Ray's metrics."""


SILENT = "does not answer"


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the nodes of the running server, their actors, queue, lag and connections.

    Exit status 1 if an actor does not answer.
    """
    chosen = settings(config, data)
    if not run(_status(chosen, as_json)):
        raise typer.Exit(1)


async def _status(config: Config, as_json: bool) -> bool:
    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        found = await control.call("status")
    if as_json:
        out.json(found)
    else:
        out.print(f"{found['runtime']} runtime, {found['http']}, view {found['version']}")
        out.print(_table(found["nodes"]))
        if aside := _put_aside(found["nodes"]):
            out.print(f"{aside:,.0f} events are put aside: see `rookery events`")
    return all(
        figures is not None for node in found["nodes"] for figures in node["actors"].values()
    )


def _put_aside(nodes: list[dict[str, Any]]) -> float:
    """How many events consumers could not take."""
    actors = [figures for node in nodes for figures in node["actors"].values() if figures]
    return sum(float(figures.get("events_put_aside", 0)) for figures in actors)


def _table(nodes: list[dict[str, Any]]) -> Rows:
    rows = table("node", "state", "actor", "figures")
    for node in nodes:
        place = f"{node['id'][:8]} {node['host']}".strip()
        actors = [(name, _figures(name, found)) for name, found in node["actors"].items()]
        for name, figures in actors or [("", "")]:
            style = "red" if figures == SILENT else None
            rows.add(place, node["state"], name, figures, style=style)
            place = node["state"] = ""
    return rows


def _figures(name: str, found: dict[str, float] | None) -> str:
    if found is None:
        return SILENT
    wanted = (*SHOWN.get(name.partition("-")[0], ()), "restarts")
    return "  ".join(
        f"{figure.replace('_', ' ')} {found[figure]:,.0f}" for figure in wanted if figure in found
    )
