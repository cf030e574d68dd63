"""``rookery load``: bring a real network's accounts and follows into an empty store."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rookery.cli.auditing import auditing
from rookery.cli.console import Bars, ConfigOption, DataOption, err, out, run, settings
from rookery.config import Config


def load(
    file: Annotated[Path, typer.Argument(help="SNAP Higgs file: higgs-activity_time.txt[.gz].")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Load the accounts and follows of the Higgs data set into the data folder.

    No server may run on it meanwhile. If it is interrupted, run it again: it goes on where it
    stopped. Loaded accounts have no password; `rookery admin token USER` gives one in.
    """
    chosen = settings(config, data)
    with auditing(chosen, "load"):
        run(_load(chosen, file))


async def _load(config: Config, file: Path) -> None:
    from rookery.bulk import higgs
    from rookery.bulk.loading import Loader
    from rookery.store import StoreParts, open_bulk_writer, open_reader

    began_s = time.monotonic()
    err.print(f"reading {file} …", style="dim")
    network = higgs.read(file)
    writer = await open_bulk_writer(config)
    reader = open_reader(config)
    try:
        with Bars() as bars:
            loader = Loader(StoreParts(reader, writer), network, "load higgs")
            fresh = await loader.run(bars.show)
    finally:
        await reader.close()
        await writer.close()
    sizes = f"{len(network.users):,} users and {len(network.follows):,} follows"
    if fresh:
        out.print(f"loaded {sizes} in {time.monotonic() - began_s:.1f} s")
    else:
        out.print(f"{sizes} were loaded already")
