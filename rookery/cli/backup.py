"""``rookery backup``: copy the embedded store, while the server runs or not."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rookery.cli.auditing import auditing
from rookery.cli.console import Bars, ConfigOption, DataOption, out, settings
from rookery.config import Config
from rookery.errors import ConfigError

FOLDER = "backups"


def backup(
    target: Annotated[
        Path | None,
        typer.Argument(
            help="A new file, or a folder for one that is named by the time; default: the folder"
            f" {FOLDER} in the data folder."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file TARGET if there is one.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Copy the store of the data folder into a file, whether the server runs or not.

    The copy is of one moment, has all that was acknowledged before, and is checked. Nobody waits
    for it. To restore, put it as rookery.sqlite into an empty data folder and start a server there.

    For store.engine = mongo use MongoDB's own mongodump --oplog (see docs/operations.md).
    """
    chosen = settings(config, data)
    with auditing(chosen, "backup", target=str(target or FOLDER)):
        _back_up(chosen, target, force)


def _back_up(config: Config, target: Path | None, force: bool) -> None:
    if config.store.is_shared:
        raise ConfigError(
            "this copies the embedded store only; back MongoDB up with: mongodump --config FILE"
            " --oplog --gzip --archive=rookery.gz, where FILE is closed to others and has the line"
            " uri: 'ADDRESS' (in the arguments every user would see the password)"
        )
    from rookery.store import SQLITE_FILE
    from rookery.store.sqlite.backup import back_up

    began_s = time.monotonic()
    folder = Path(config.server.data_dir)
    with Bars() as bars:
        made = back_up(
            folder / SQLITE_FILE,
            _file(folder if target is None else target, target is None),
            lambda done, pages: bars.show("pages", done, pages),
            overwrite=force,
        )
    out.print(
        f"{made.path} holds the store, {made.size_bytes:,} bytes, checked; took"
        f" {time.monotonic() - began_s:.1f} s"
    )


def _file(place: Path, is_default: bool) -> Path:
    """The file that is meant: in a folder, one that is named by the time (UTC)."""
    if is_default:
        place = place / FOLDER
    elif not place.is_dir():
        return place
    return place / time.strftime("rookery-%Y%m%dT%H%M%SZ.sqlite", time.gmtime())
