"""What all commands share: the terminal, the settings, and how errors are told.

Exit statuses: 0 done; 1 failed, or found what it looks for (differences, faults, silent actors);
2 called wrongly; 130 ended by Ctrl-C; 141 nobody reads the output any more.
"""

import asyncio
import errno
import os
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rookery.cli.signals import Interrupted, interruptible
from rookery.cli.terminal import (
    CLOSED_STATUS,
    OutputClosed,
    Terminal,
    line,
    table,
)
from rookery.client import ClientError
from rookery.config import Config, load
from rookery.errors import InvalidRequest, RookeryError, reason_of

__all__ = ["Bars", "ConfigOption", "DataOption", "ask", "err", "line", "out", "run", "table"]

T = TypeVar("T")

FAILED = 1
INTERRUPTED = 130
_LONGEST_REASON_CHARS = 1_000

out = Terminal()
err = Terminal(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file of settings; default: ./rookery.toml if any."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", help="Data folder (setting server.data_dir).")
]


def settings(config: Path | None, data: Path | None = None, **overrides: Any) -> Config:
    """The settings; `overrides` are ``section__name=value``, None meaning not given."""
    tables: dict[str, dict[str, Any]] = {}
    if data is not None:
        overrides["server__data_dir"] = str(data)
    for key, value in overrides.items():
        if value is not None:
            section, _, name = key.partition("__")
            tables.setdefault(section, {})[name] = value
    return load(config, overrides=tables)


def ask(question: str, *, secret: bool = False) -> str:
    """What the user types in answer; what is secret is not shown.

    Raises:
        InvalidRequest: there is nobody to type.
        KeyboardInterrupt: they pressed Ctrl-C.
    """
    try:
        answer: str = typer.prompt(question, hide_input=secret, err=True)
    except typer.Abort as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        err.print("")  # the question stands alone on its line
        raise InvalidRequest(f"{question}: nobody answers; give it with the command") from None
    return answer


def complain(reason: str) -> None:
    """Tell on stderr, in one line, why the command fails."""
    if len(reason) > _LONGEST_REASON_CHARS:
        reason = reason[:_LONGEST_REASON_CHARS] + "\u2026"
    with suppress(OutputClosed):
        err.print(line(("rookery:", "red"), f" {' '.join(reason.split())}"))


@contextmanager
def told(*, show_traceback: bool = False) -> Iterator[None]:
    """Turn every error into one line on stderr and an exit status.

    `show_traceback` adds where an error comes from.
    """
    try:
        yield
    except (OutputClosed, BrokenPipeError):
        raise typer.Exit(CLOSED_STATUS) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code"):
            raise  # Typer's own: usage errors, and ends that were told already
        if show_traceback:
            err.print("".join(traceback.format_exception(error)))
        complain(_explained(error))
        raise typer.Exit(FAILED) from error


def _explained(error: Exception) -> str:
    """What failed, and what to do where that is known."""
    if isinstance(error, RookeryError | ClientError):
        return reason_of(error)
    if isinstance(error, msgspec.DecodeError | msgspec.ValidationError):
        return f"the server answered with something else: {error}"
    if isinstance(error, OSError):
        where = f"{_named(error.filename)}: " if error.filename is not None else ""
        hint = _HINTS.get(error.errno or 0, "")
        return f"{where}{error.strerror or reason_of(error)}{hint}"
    return (
        f"this is a fault of Rookery: {type(error).__name__}: {reason_of(error)};"
        " rookery --traceback … shows where it is"
    )


def _named(path: Any) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path)


_HINTS = {
    errno.ENOSPC: "; free some space and run the same command again",
    errno.EACCES: "; change its owner or mode, or name another",
    errno.EPERM: "; change its owner or mode, or name another",
    errno.EROFS: "; name a place that can be written to",
    errno.EMFILE: "; let this user open more files (ulimit -n)",
}


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on uvloop, telling errors.

    Ctrl-C ends it with status 130, SIGTERM with 143 (see `rookery.cli.signals`).
    """
    import uvloop

    try:
        return uvloop.run(interruptible(coroutine))
    except Interrupted as signal:
        raise typer.Exit(signal.status) from None


class Bars:
    """Progress bars by stage name. A context manager; quiet where there is no terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(err.spinner),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Set how far `stage` is; a `total` of None is not known yet."""
        task = self._tasks.get(stage)
        if task is None:
            task = self._tasks[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(task, completed=done, total=total, note=note)


Callback = Callable[..., None]
