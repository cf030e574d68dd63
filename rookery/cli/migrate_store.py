"""``rookery migrate-store``: copy everything from one engine to another, and compare."""

import time
from typing import Annotated

import typer

from rookery.cli.auditing import auditing
from rookery.cli.console import Bars, complain, line, out, run, table
from rookery.config import load

_ADDRESS = (
    "sqlite:FOLDER or mongodb://HOST:PORT/DATABASE?replicaSet=NAME, or env:VARIABLE where that"
    " stands, which keeps a password from those who can list processes"
)


def migrate_store(
    source: Annotated[str, typer.Argument(metavar="FROM", help=f"The store to copy: {_ADDRESS}.")],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="The empty store to copy it into: as FROM.")
    ],
) -> None:
    """Copy everything that is in the store FROM into the empty store TO, and compare the two.

    No server may run on either. A data folder is locked meanwhile; a MongoDB database is not, so
    stop all servers that use it: what they write to FROM is found by the comparison, at the end.

    If it is interrupted, run it again: it goes on where it stopped. FROM is left as it is. Do not
    start servers on both stores afterwards: they would part.

    Exit status 0: both hold the same. 1: they differ, or something stands in the way.
    """
    if not run(_migrate(source, target)):
        raise typer.Exit(1)


async def _migrate(source: str, target: str) -> bool:
    from rookery.bulk import addresses
    from rookery.bulk.comparing import Side
    from rookery.bulk.migrating import Migration
    from rookery.errors import Conflict
    from rookery.store import clock_ms

    began_s = time.monotonic()
    one, other = addresses.parse(source), addresses.parse(target)
    if one.name == other.name:
        raise Conflict(f"FROM and TO are the same store, {one.name}")
    with auditing(load(), "migrate-store", source=one.name, target=other.name) as audit:
        async with one.opened(exists=True) as old, other.opened(exists=False) as new:
            migration = Migration(
                Side(one.name, old.reader), Side(other.name, new.reader), new.writer, clock_ms
            )
            with Bars() as bars:
                compared = await migration.run(bars.show)
        differing = [each for each in compared if not each.is_same]
        if differing:
            audit["reason"] = "stores_differ"
    rows = table("collection", "documents", "hash")
    for each in compared:
        if each.is_same and each.source.documents:
            rows.add(each.collection, f"{each.source.documents:,}", each.source.digest)
    out.print(rows)
    for each in differing:
        out.print(line((f"{each.collection} differs:", "red"), f" {each.described}"))
    if differing:
        complain(
            f"{other.name} is not a true copy of {one.name}. Something wrote to one of them"
            " meanwhile: stop all servers, remove what is in TO, and run the same command again"
        )
        return False
    documents = sum(each.source.documents for each in compared)
    elapsed_s = time.monotonic() - began_s
    out.print(
        f"{other.name} holds the same {documents:,} documents as {one.name}: copied and compared in"
        f" {elapsed_s:.1f} s",
        soft_wrap=True,
    )
    return True
