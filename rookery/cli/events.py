"""``rookery events``: what consumers of events could not take, and having it tried again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rookery.cli.console import ConfigOption, DataOption, out, run, settings, table
from rookery.config import Config

app = typer.Typer(help="What consumers of events could not take.", invoke_without_command=True)

ConsumerOption = Annotated[
    str | None, typer.Option("--consumer", help="Of this consumer only, such as timelines.")
]


@app.callback()
def list_events(
    context: typer.Context,
    consumer: ConsumerOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at the most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """List the events that a consumer could not take and that were put aside."""
    if context.invoked_subcommand is None:
        run(_list(settings(config, data), consumer, limit, as_json))


async def _list(config: Config, consumer: str | None, limit: int, as_json: bool) -> None:
    from rookery.control import Control

    found: list[dict[str, Any]] = []
    async with Control(Path(config.server.data_dir)) as control:
        async for event in control.stream("events", consumer=consumer, limit=limit):
            found.append(event)
    if as_json:
        out.json(found)
        return
    if not found:
        out.print("no event is put aside")
        return
    rows = table("consumer", "event", "kind", "tries", "since", "reason")
    for each in found:
        rows.add(
            each["consumer"],
            each["id"],
            each["kind"],
            str(each["tries"]),
            each["failed_at"],
            each["reason"],
        )
    out.print(rows)


@app.command()
def retry(
    consumer: ConsumerOption = None, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Hand out again what was put aside; remove the cause first."""
    run(_retry(settings(config, data), consumer))


async def _retry(config: Config, consumer: str | None) -> None:
    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        count = await control.call("retry-events", consumer=consumer)
    out.print(f"{count} events are handed out again")
