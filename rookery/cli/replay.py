"""``rookery replay``: post a real network's week through a running server."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rookery.cli.console import Bars, ConfigOption, DataOption, err, out, run, settings, told
from rookery.config import Config


def replay(
    file: Annotated[Path, typer.Argument(help="The file that was loaded.")],
    events: Annotated[
        int | None, typer.Option("--events", min=1, help="Post only so many, from the beginning.")
    ] = None,
    readers: Annotated[
        int,
        typer.Option("--readers", min=1, help="Timelines to keep warm, and to check afterwards."),
    ] = 2_000,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Post the data set's events in order through the running server, then check timelines.

    Load the file first, then start the server. Run again, also after it was interrupted, it posts
    what is missing only. Half of the readers follow the most-followed user,
    the others are drawn at random; each one's whole home timeline is compared with the one
    computed from the file. Exit status 1 if any differs.
    """
    with told():
        chosen = settings(config, data)
    if run(_replay(chosen, file, events, readers)):
        raise typer.Exit(1)


async def _replay(config: Config, file: Path, limit: int | None, count: int) -> int:
    from rookery.bulk import higgs
    from rookery.bulk.replaying import BruteForce, Replay, chosen_readers, chunks, differences
    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        err.print(f"reading {file} …", style="dim")
        network = higgs.read(file)
        events = network.events[:limit]
        readers = chosen_readers(network, count)
        with Bars() as bars:
            warm = 0
            for batch in chunks(readers, 200):
                ids = [higgs.user_id(number) for number in batch]
                warm += await control.call("warm", user_ids=ids)
                bars.show("warm timelines", warm, len(readers))
            before = (await control.call("delivered"))["deliveries"]
            run_ = Replay(control)
            authors = len({event.actor for event in events})
            async for looked in run_.look(events):
                bars.show("look for what was posted", looked, authors)
            began_s = time.monotonic()
            async for done in run_.run(events):
                rate = (done - run_.found) / (time.monotonic() - began_s)
                bars.show("events", done, len(events), f"{rate:,.0f}/s")
            posted_s = time.monotonic() - began_s
            await control.call("settle")
            settled_s = time.monotonic() - began_s
            deliveries = (await control.call("delivered"))["deliveries"] - before
            posted = len(events) - run_.found
            if run_.found:
                out.print(f"{run_.found:,} of {len(events):,} events were posted already")
            if posted:
                out.print(
                    f"posted {posted:,} events in {posted_s:.1f} s"
                    f" ({posted / posted_s:,.0f} events/s);"
                    f" {deliveries:,.0f} deliveries, the last after {settled_s:.1f} s"
                    f" ({deliveries / settled_s:,.0f} deliveries/s)",
                    soft_wrap=True,
                )
            truth = BruteForce(network, run_.posted)
            wrong = 0
            async for checked, found in differences(control, truth, readers):
                bars.show("timelines checked", checked, len(readers), f"{wrong} differ")
                for difference in found:
                    wrong += 1
                    out.print(str(difference))
    out.print(f"{len(readers):,} home timelines compared with the file: {wrong} differ")
    return wrong
