"""What all commands share: the terminal, the settings, and how errors are told."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
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

from rookery.client import ClientError
from rookery.config import Config, load
from rookery.errors import RookeryError

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

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


@contextmanager
def told() -> Iterator[None]:
    """Turn our errors into one line on stderr and exit status 1."""
    try:
        yield
    except (RookeryError, ClientError) as error:
        err.print(f"[red]rookery:[/red] {error}", markup=True, soft_wrap=True)
        raise typer.Exit(1) from error


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on uvloop, telling errors; Ctrl-C ends it with status 130."""
    import uvloop

    with told():
        try:
            return uvloop.run(coroutine)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except asyncio.CancelledError:
            raise typer.Exit(130) from None


class Bars:
    """Progress bars by stage name. A context manager; quiet where there is no terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
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
