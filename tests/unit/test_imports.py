"""Who may import whom (docs/architecture.md)."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import rookery

ROOT = Path(rookery.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

LEAVES = {
    "authority", "capacity", "errors", "ids", "config", "models", "messages", "views", "text",
    "logs", "permissions", "redaction", "security_log",
}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(LEAVES, LEAVES),
    "domain": LEAVES,
    "store": LEAVES | {"domain"},
    "services": LEAVES | {"domain", "store"},
    "http": LEAVES | {"domain", "store", "services"},
    "connection": LEAVES | {"domain", "store", "services"},
    "actors": LEAVES | {"domain", "store", "connection", "cluster"},
    "bulk": LEAVES | {"domain", "store", "services", "control"},
    "client": set(),
    "control": LEAVES,
}
"""For each room the others it may import."""

COMPOSERS = {"__init__", "compose", "cluster", "cli"}
"""They may import everything."""

PURE = ("domain", "text")
NETWORK = {"ray", "aiohttp", "httptools", "websockets", "socket"}
SHELLS = {"asyncio", "sqlite3", "redis", "pymongo"} | NETWORK
PURE_MODULES = {"connection/session.py", "connection/wire.py", "actors/coalescing.py"}


@cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", sorted({_room(path) for path in MODULES}))
def test_imports_go_in_the_agreed_direction(room: str) -> None:
    """leaves ← domain ← store ← services ← http, connection; actors beside; app composes."""
    if room not in ALLOWED:
        assert room in COMPOSERS, f"no rule for the room {room}"
        return
    for path in MODULES:
        for module in _imports(path) if _room(path) == room else ():
            parts = module.split(".")
            if parts[0] == "rookery" and len(parts) > 1 and parts[1] != "__version__":
                right = parts[1] == room or parts[1] in ALLOWED[room]
                assert right, f"{_name(path)} imports {module}"


def test_only_the_ray_runtime_imports_ray() -> None:
    """Everything else runs, and starts, without Ray."""
    assert {
        _name(path)
        for path in MODULES
        if any(module.split(".")[0] == "ray" for module in _imports(path))
    } == {"actors/runtime_ray.py", "actors/runtime_ray_cluster.py"}


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
