"""Where settings come from: a TOML file, and variables of the environment.

What is unknown is refused with the nearest right name, so that a typing error never passes
silently; only variables that are of no section of ours are left alone, such as those that
Kubernetes makes of a Service called rookery.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from rookery.config.sections import sections
from rookery.config.words import PREFIX, nearest
from rookery.errors import ConfigError

NOT_SETTINGS = ("ROOKERY_TEST_", "ROOKERY_CONFIG", "ROOKERY_TOKEN")
"""Environment variables of this prefix that are not settings."""
KUBERNETES = re.compile(
    r"ROOKERY(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)"
    r"(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes makes of a Service whose name begins with rookery (and NAME_PORT, which has an
address for its value): https://kubernetes.io/docs/concepts/services-networking/service/"""
KUBERNETES_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")

MAX_FILE_BYTES = 1_000_000

Values: TypeAlias = dict[str, dict[str, Any]]
"""What a source says: values by section and name, not validated yet."""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES:,} bytes: it is no file of ours")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def from_file(path: Path) -> Values:
    """What a TOML file says.

    Raises:
        ConfigError: it cannot be read, or names something unknown.
    """
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    known = sections()
    for section, table in tables.items():
        if section not in known:
            raise ConfigError(f"{path}: unknown section [{section}]{nearest(section, [*known])}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} must be a section: write [{section}]")
        for name in table:
            fields = list(known[section].__struct_fields__)
            if name not in fields:
                raise ConfigError(
                    f"{path}: unknown setting {name} in [{section}]{nearest(name, fields)}"
                )
    return tables


def _variables() -> dict[str, tuple[str, str]]:
    return {
        f"{PREFIX}{section}_{name}".upper(): (section, name)
        for section, cls in sections().items()
        for name in cls.__struct_fields__
    }


def _is_foreign(variable: str, text: str) -> bool:
    """Whether a variable of our prefix is none of ours, so that it is left alone."""
    if variable.startswith(NOT_SETTINGS) or KUBERNETES.fullmatch(variable):
        return True
    if variable.endswith("_PORT") and KUBERNETES_ADDRESS.fullmatch(text):
        return True  # of a Service rookery-http, say; a port of ours is a number
    section, _, name = variable.removeprefix(PREFIX).lower().partition("_")
    return not name or not get_close_matches(section, [*sections()], n=1, cutoff=0.8)


def ignored(environ: Mapping[str, str]) -> list[str]:
    """The variables of our prefix that mean nothing to us, nor are they somebody's we know of."""
    return sorted(
        variable
        for variable, text in environ.items()
        if variable.startswith(PREFIX)
        and _is_foreign(variable, text)
        and not variable.startswith(NOT_SETTINGS)
        and not KUBERNETES.fullmatch(variable)
        and not KUBERNETES_ADDRESS.fullmatch(text)
    )


def from_environment(environ: Mapping[str, str]) -> Values:
    """What the environment says, as texts.

    Raises:
        ConfigError: a variable of our sections is unknown.
    """
    known = _variables()
    found: Values = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or _is_foreign(variable, text):
            continue
        if variable not in known:
            raise ConfigError(
                f"unknown environment variable {variable}{nearest(variable, [*known])}"
            )
        section, name = known[variable]
        found.setdefault(section, {})[name] = text
    return found
