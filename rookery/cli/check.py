"""``rookery check``: read and explain the settings."""

import os
from typing import Annotated, get_args, get_type_hints

import typer
from msgspec import Meta

from rookery.cli.console import ConfigOption, DataOption, out, settings, table
from rookery.cli.terminal import Rows
from rookery.config import ADDRESSES, PREFIX, Config, ignored, sections
from rookery.redaction import redacted_address, shown
from rookery.security_log import check_file


def check(
    data: DataOption = None,
    config: ConfigOption = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that differ from their default.")
    ] = False,
) -> None:
    """Check the settings and show every one with its value, meaning and variable.

    Passwords in addresses are not shown.

    Exit status 1 and the reason if a setting is unknown, malformed or contradicts another, or if
    the security log cannot be written to its file.
    """
    chosen = settings(config, data)
    check_file(chosen.auth.security_log_file)
    out.print(_table(chosen, changed))
    for variable in ignored(os.environ):
        out.print(f"ignored, since it is no setting: {variable}")
    out.print("settings are valid")


def _table(config: Config, changed: bool) -> Rows:
    rows = table("setting", "value", "default", "meaning", "variable")
    for section, cls in sections().items():
        hints = get_type_hints(cls, include_extras=True)
        for name in cls.__struct_fields__:
            value = getattr(getattr(config, section), name)
            default = getattr(cls(), name)
            if changed and value == default:
                continue
            metas = [meta for meta in get_args(hints[name]) if isinstance(meta, Meta)]
            meaning = next((meta.description for meta in metas if meta.description), "")
            variable = f"{PREFIX}{section}_{name}".upper()
            style = None if value == default else "bold"
            path = f"{section}.{name}"
            show = redacted_address if path in ADDRESSES else shown
            rows.add(path, show(value), show(default), meaning, variable, style=style)
    return rows
