"""``rookery drain``: take a node out of service without dropping anybody."""

from pathlib import Path
from typing import Annotated

import typer

from rookery.cli.console import ConfigOption, DataOption, err, out, run, settings
from rookery.config import Config


def drain(
    node: Annotated[
        str, typer.Argument(help="Its id's beginning, or its address (see rookery status).")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Let the node take part again.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take NODE out of service: its users and clients go elsewhere, then its actors end.

    Returns when the node may be stopped. Clients are told to reconnect one by one, over
    live.drain_s seconds; requests under way are finished. Run it where `rookery serve` runs.
    """
    chosen = settings(config, data)
    run(_drain(chosen, node, undo))


async def _drain(config: Config, node: str, undo: bool) -> None:
    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        if undo:
            out.print(f"node {await control.call('undrain', node=node)} takes part again")
            return
        with err.status(f"draining {node} …"):
            whole = await control.call("drain", node=node)
    out.print(f"node {whole} is drained and may be stopped")
