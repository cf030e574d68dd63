"""All commands by name. Each stands in a module of its own, imported when it is called for."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rookery import __version__
from rookery.cli import (
    admin,
    backup,
    check,
    demo,
    drain,
    events,
    fsck,
    load,
    migrate_store,
    replay,
    serve,
    status,
    tail,
)
from rookery.cli.console import out, told
from rookery.cli.terminal import CLOSED_STATUS, OutputClosed, finish_output, fit_streams
from rookery.permissions import keep_private


class Commands(TyperGroup):
    """The group of all commands: every error of theirs is told here, and in one line."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line; ends the process."""
        fit_streams()
        try:
            return super().main(*args, **options)
        finally:
            if status := finish_output():
                raise SystemExit(status)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the arguments, which also shows the help."""
        try:
            return super().make_context(*args, **options)
        except (OutputClosed, BrokenPipeError):
            raise typer.Exit(CLOSED_STATUS) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        with told(show_traceback=ctx.params.get("show_traceback", False)):
            return super().invoke(ctx)


COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("serve", serve.serve, "Run a server until Ctrl-C."),
    ("demo", demo.demo, "Let some people sign up, follow, post, reply and like."),
    ("tail", tail.tail, "Print a home timeline as it grows."),
    ("load", load.load, "Load a real network into a stopped server's data folder."),
    ("replay", replay.replay, "Post that network's week through the running server."),
    ("fsck", fsck.fsck, "Compare warm timelines with the store, and repair them."),
    ("backup", backup.backup, "Copy the store into a file, while the server runs or not."),
    (
        "migrate-store",
        migrate_store.migrate_store,
        "Copy everything from one store into another.",
    ),
    ("check", check.check, "Check the settings and explain every one."),
    ("status", status.status, "Show nodes, actors, queue, lag and connections."),
    ("drain", drain.drain, "Take a node out of service without dropping anybody."),
)
"""Names, functions, and what stands in the list of commands."""

app = typer.Typer(
    cls=Commands,
    name="rookery",
    help="A realtime timeline server: posts reach every follower's timeline and socket at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command, _summary in COMMANDS:
    app.command(_name, short_help=_summary)(_command)
app.add_typer(admin.app, name="admin")
app.add_typer(events.app, name="events")


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"rookery {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error comes from, for a report.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command line."""
    keep_private()
    app()
