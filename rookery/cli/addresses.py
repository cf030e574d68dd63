"""Which server a command speaks with over its API."""

from pathlib import Path
from typing import Annotated

import typer

from rookery.authority import authority, reachable
from rookery.cli.console import settings
from rookery.client import Client
from rookery.config import Config
from rookery.errors import RookeryError


def _address(value: str | None) -> str | None:
    """Check an address that was given."""
    if value is not None:
        try:
            Client(value)
        except ValueError as error:
            hint = "" if "//" in value else f"; write http://{value}"
            raise typer.BadParameter(f"{error}{hint}") from error
    return value


UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        callback=_address,
        help="The server's address; default: that of the server of the data folder, or of the"
        " settings.",
    ),
]


async def server_url(url: str | None, data: Path | None = None, config: Path | None = None) -> str:
    """The address of the server that is meant.

    `url` if it was given; otherwise that of the server which runs on the data folder, whatever
    port it has; otherwise the one that the settings name.
    """
    if url is not None:
        return url
    chosen = settings(config, data)
    return await _running(chosen) or configured_url(chosen)


def configured_url(config: Config) -> str:
    """The address that the settings name, for a client on this machine."""
    return f"http://{authority(reachable(config.http.host), config.http.port)}"


async def _running(config: Config) -> str | None:
    from rookery.control import Control

    try:
        async with Control(Path(config.server.data_dir)) as control:
            url: str = (await control.call("address"))["http"]
    except RookeryError:
        return None
    return url
