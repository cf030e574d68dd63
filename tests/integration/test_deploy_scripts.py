"""The scripts that start nodes, run by their shells."""

import os
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.mark.parametrize(("shell", "name"), [("bash", "head.sh"), ("sh", "node.sh")])
def test_the_shell_reads_the_script(shell: str, name: str) -> None:
    """The scripts are without syntax errors."""
    subprocess.run([shell, "-n", DEPLOY / name], check=True)


def test_a_node_closes_the_file_with_its_secrets(tmp_path: Path) -> None:
    """Before it does anything else; a copied checkout is open to all users of the machine."""
    folder, commands = tmp_path / "deploy", tmp_path / "bin"
    folder.mkdir()
    commands.mkdir()
    (folder / "node.sh").write_text((DEPLOY / "node.sh").read_text(encoding="utf-8"))
    (folder / "cluster.env").touch(0o644)
    (commands / "sudo").write_text("#!/bin/sh\n")
    (commands / "sudo").chmod(0o755)
    path = f"{commands}:{os.environ['PATH']}"
    subprocess.run(["sh", folder / "node.sh", "stop"], env={"PATH": path}, check=True)
    assert (folder / "cluster.env").stat().st_mode & 0o777 == 0o600
