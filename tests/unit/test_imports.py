"""Who may import whom, and how long a module may be (docs/architecture.md)."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import rookery

ROOT = Path(rookery.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

LEAVES = {
    "authority", "capacity", "errors", "ids", "config", "models", "messages", "views", "text",
    "logs", "permissions", "redaction", "security_log",
}  # fmt: skip
EVENTS = {"events"}
STORE = {"store", "store/records"}
"""What others use of the store; its engines are opened by `store` itself."""
ENGINES = {"store/sqlite", "store/mongo", "store/redis"}
READING = {"services", "services/reading"}
USE_CASES = READING | {"services/accounts", "services/graph", "services/tweets"}
BELOW_SERVICES = LEAVES | EVENTS | STORE | {"domain"}
BELOW_SURFACES = BELOW_SERVICES | USE_CASES
HTTP = {"http", "http/protocol"}
ACTORS = {"actors"}

ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(LEAVES, LEAVES),
    "domain": LEAVES,
    "events": LEAVES | STORE | {"domain"},
    "events/consumers": LEAVES | EVENTS | STORE | {"domain"},
    "store": LEAVES | EVENTS | STORE | ENGINES | {"domain"},
    "store/records": LEAVES | EVENTS | {"store", "domain"},
    "store/sqlite": LEAVES | {"store"},
    "store/mongo": LEAVES | {"store"},
    "store/redis": LEAVES | EVENTS | STORE | {"domain"},
    "services": BELOW_SERVICES | USE_CASES | {"store/redis"},
    "services/reading": BELOW_SERVICES | {"services"},
    "services/graph": BELOW_SERVICES | READING,
    "services/accounts": BELOW_SERVICES | READING | {"services/graph"},
    "services/tweets": BELOW_SERVICES | READING,
    "services/checking": BELOW_SERVICES | READING | {"services/tweets"},
    "http": LEAVES | HTTP | {"domain", "http/declaring"},
    "http/protocol": LEAVES | {"domain", "http"},
    "http/declaring": BELOW_SURFACES | HTTP,
    "http/native": BELOW_SURFACES | HTTP | {"http/declaring", "http/native/routes"},
    "http/native/routes": BELOW_SURFACES | HTTP | {"http/declaring", "http/native"},
    "connection": BELOW_SURFACES,
    "actors": LEAVES | EVENTS | STORE | ENGINES | {"domain", "connection", "cluster"}
    | {"events/consumers"},
    "cluster": LEAVES | STORE | ACTORS | {"domain"},
    "bulk": LEAVES | EVENTS | STORE | ENGINES | {"domain", "services", "control"},
    "client": set(),
    "control": LEAVES,
}  # fmt: skip
"""For each room the others it may import; a folder of a room is a room of its own."""

COMPOSERS = {"__init__", "compose", "compose/commands", "cli"}
"""They may import everything, and nobody imports them but each other."""

PURE = ("domain", "text")
NETWORK = {"ray", "aiohttp", "httptools", "websockets", "socket"}
SHELLS = {"asyncio", "sqlite3", "redis", "pymongo"} | NETWORK
PURE_MODULES = {
    "connection/session.py",
    "connection/wire.py",
    "actors/coalescing.py",
    "cluster/nodes.py",
    "events/lane.py",
    "events/ledger.py",
}

MAX_LINES = 400
MAX_MEDIAN = 150
STILL_LONGER: dict[str, int] = {}
"""Modules that are to be split, and what they may have until then. None is added here."""


@cache
def _imports(path: Path) -> set[str]:
    """Everything that a module imports, wherever in it.

    `from a import b` is both ``a`` and ``a.b``, unless ``b`` is a module of ours: then only that.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= BY_NAME.keys() else {node.module, *names}
    return found


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


BY_NAME = {_module_name(path): path for path in MODULES}


def _imported_modules(path: Path) -> set[str]:
    """The modules of ours that a module imports."""
    return _imports(path) & BY_NAME.keys() - {_module_name(path)}


@cache
def _room(path: Path) -> str:
    """Its folder, or, for a module at the top, itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    room = "/".join(parts[:-1]) or parts[0]
    return parts[0] if parts[0] in LEAVES else room


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", sorted({_room(path) for path in MODULES}))
def test_imports_go_in_the_agreed_direction(room: str) -> None:
    """leaves ← domain ← events, store ← services ← surfaces; actors beside; compose composes."""
    if room in COMPOSERS:
        return
    assert room in ALLOWED, f"no rule for the room {room}"
    for path in MODULES:
        for module in _imported_modules(path) if _room(path) == room else ():
            other = _room(BY_NAME[module])
            if module != "rookery":  # its version
                assert other in {room, *ALLOWED[room]}, f"{_name(path)} imports {module}"


def test_rules_name_rooms_that_there_are() -> None:
    """A rule for a room that moved would allow what nobody looks at."""
    there = {_room(path) for path in MODULES}
    assert ALLOWED.keys() | COMPOSERS == there
    assert set().union(*ALLOWED.values()) <= there


def _cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules of a cycle; none if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    """Neither directly nor in a circle, nor for types or within functions only."""
    assert _cycle({name: _imported_modules(path) for name, path in BY_NAME.items()}) == []


def test_a_circle_of_modules_is_found() -> None:
    """Of three, beside others."""
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set[str]()}
    assert set(_cycle(graph)) == {"a", "b", "c"}


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_module_is_too_long() -> None:
    """Each can be read in one sitting."""
    for path in MODULES:
        lines = _lines(path)
        assert lines <= STILL_LONGER.get(_name(path), MAX_LINES), f"{_name(path)}: {lines} lines"


def test_modules_are_let_off_only_while_they_are_long() -> None:
    """What has been split is let off no more."""
    assert all(_lines(ROOT / name) > MAX_LINES for name in STILL_LONGER)


def test_most_modules_are_short() -> None:
    """One concept each."""
    assert median(_lines(path) for path in MODULES if path.name != "__init__.py") < MAX_MEDIAN


def test_only_the_ray_runtime_imports_ray() -> None:
    """Everything else runs, and starts, without Ray."""
    importing = {
        path for path in MODULES if any(name.split(".")[0] == "ray" for name in _imports(path))
    }
    assert importing
    assert all(_name(path).startswith("actors/runtime_ray") for path in importing)


def test_pure_cores_import_no_shell() -> None:
    """Rings, logs, sessions, coalescing and text rules know no event loop, socket or driver."""
    for path in MODULES:
        if _room(path) in PURE or _name(path) in PURE_MODULES:
            shells = {module.split(".")[0] for module in _imports(path)} & SHELLS
            assert not shells, f"{_name(path)} imports {shells}"


def test_everything_imported_is_declared() -> None:
    """A fresh machine gets what `pyproject.toml` names, and no more."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[<>=]", each)[0].lower() for each in project["dependencies"]}
    modules = {"jwt": "pyjwt", "argon2": "argon2-cffi"}
    modules["bson"] = "pymongo"
    imported = {module.split(".")[0] for path in MODULES for module in _imports(path)}
    foreign = imported - set(sys.stdlib_module_names) - {"rookery", "multidict", "yarl"}
    assert {modules.get(name, name) for name in foreign} <= declared


def test_http_goes_from_the_protocol_to_the_surfaces() -> None:
    """protocol ← declaring ← application ← native: what is below knows nothing of what is above."""
    above = {
        "protocol": ("declaring", "application", "native", "cors"),
        "declaring": ("application", "native", "cors"),
        "application.py": ("native",),
    }
    for path in MODULES:
        parts = path.relative_to(ROOT).parts
        if parts[0] == "http" and parts[1] in above:
            rooms = tuple(f"rookery.http.{room}" for room in above[parts[1]])
            for module in _imports(path):
                assert not module.startswith(rooms), f"{_name(path)} imports {module}"
