"""All commands by name. Each stands in a module of its own, imported when it is called for."""

from typing import Annotated

import typer

from rookery import __version__
from rookery.cli import (
    admin,
    check,
    demo,
    drain,
    fsck,
    load,
    migrate_store,
    replay,
    serve,
    status,
    tail,
)
from rookery.permissions import keep_private

app = typer.Typer(
    name="rookery",
    help="A realtime timeline server: posts reach every follower's timeline and socket at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("tail")(tail.tail)
app.command("load")(load.load)
app.command("replay")(replay.replay)
app.command("fsck")(fsck.fsck)
app.command("migrate-store")(migrate_store.migrate_store)
app.command("check")(check.check)
app.command("status")(status.status)
app.command("drain")(drain.drain)
app.add_typer(admin.app, name="admin")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rookery {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command line."""
    keep_private()
    app()
