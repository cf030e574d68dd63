"""Output that goes into pipes, files and terminals of all kinds."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.programs import ROOT, environment

pytestmark = pytest.mark.timeout(240)

CHECK = [sys.executable, str(ROOT / "main.py"), "check"]


@pytest.mark.parametrize("words", [["check"], ["--help"], ["tail", "--help"], ["--version"]])
def test_a_reader_that_goes_ends_it_quietly(tmp_path: Path, words: list[str]) -> None:
    """As `| head` does: no complaint, and the status that shells give SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *words],
            cwd=tmp_path,
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=50,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_any_encoding(tmp_path: Path, variables: dict[str, str]) -> None:
    """What it lacks is replaced."""
    (tmp_path / "rookery.toml").write_text(
        '[server]\ndata_dir = "\u65e5\u672c\u2026"\n', encoding="utf-8"
    )
    done = subprocess.run(
        CHECK, cwd=tmp_path, env=environment(**variables), capture_output=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c..." in done.stdout
    assert done.stderr == b""


def test_a_full_disk(tmp_path: Path) -> None:
    """It is told, in one line."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            CHECK, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=50
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") <= 1 and b"Traceback" not in done.stderr


def test_no_output_at_all(tmp_path: Path) -> None:
    """Closed streams (`>&- 2>&-`) are nobody's fault."""
    done = subprocess.run(
        ["sh", "-c", f"{CHECK[0]} {CHECK[1]} check >&- 2>&-"],
        cwd=tmp_path,
        env=environment(),
        timeout=50,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(("term", "no_color"), [("xterm", ""), ("xterm", "1"), ("dumb", "")])
def test_colours_only_where_they_are_wanted(tmp_path: Path, term: str, no_color: str) -> None:
    """A terminal has them, unless NO_COLOR or its kind say otherwise; nothing is wider than it."""
    master, slave = pty.openpty()
    variables = {"TERM": term, "COLUMNS": "60", **({"NO_COLOR": no_color} if no_color else {})}
    with subprocess.Popen(
        [*CHECK[:2], "migrate-store", "sqlite:none", "sqlite:b"],
        cwd=tmp_path,
        env=environment(**variables),
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        os.close(master)
        assert process.wait(50) == 1
    text = shown.decode()
    assert ("\x1b[31m" in text) == (term == "xterm" and not no_color)
    import re

    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")
    assert all(len(each) <= 60 for each in plain.split("\n"))
    assert plain.startswith("rookery: There is no store in none")
