"""Every module of the package imports alone."""

import subprocess
import sys
from pathlib import Path

import pytest

import rookery

ROOT = Path(rookery.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.timeout(120)
def test_every_module_imports_alone() -> None:
    """No module relies on another having been imported before; ours are unloaded each time."""
    names = [
        ".".join(("rookery", *path.relative_to(ROOT).with_suffix("").parts))
        for path in MODULES
        if path.name != "__init__.py" and not path.name.startswith("runtime_ray")
    ]
    # One process for all, emptied of our modules before each: a fresh one each takes minutes.
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for loaded in [m for m in sys.modules if m.split('.')[0] == 'rookery']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ray_is_not_imported() -> None:
    """Whoever runs without Ray does not pay for it."""
    script = (
        "import sys, rookery.actors.runtime_inline, rookery.actors.coalescer;"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
