"""The help of every command, in a terminal of 80 columns."""

import itertools
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rookery.cli.main import app

_ROOT = typer.main.get_command(app)


def _words() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for name, each in _ROOT.commands.items():  # type: ignore[attr-defined]
        found.append((name,))
        found += [(name, sub) for sub in getattr(each, "commands", {})]
    return found


def _help(words: tuple[str, ...]) -> list[str]:
    result = CliRunner().invoke(app, [*words, "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output.splitlines()


@pytest.mark.parametrize("words", _words(), ids=" ".join)
def test_help_fits_and_is_not_ragged(words: tuple[str, ...]) -> None:
    """Paragraphs are filled: no line ends where the first word of the next had room."""
    lines = _help(words)
    assert all(len(each) <= 80 for each in lines)
    end = next(at for at, each in enumerate(lines) if each in ("Options:", "Arguments:"))
    for this, following in itertools.pairwise(lines[1:end]):
        if this.strip() and following.strip():
            assert len(this) + 1 + len(following.split()[0]) > 76, (this, following)


@pytest.mark.parametrize("words", _words(), ids=" ".join)
def test_help_is_whole(words: tuple[str, ...]) -> None:
    """Summaries are not cut, and no markup is seen."""
    text = "\n".join(_help(words))
    assert "..." not in text.replace("[ARGS]...", "")
    assert "[/" not in text and "\x1b" not in text


def test_every_command_is_in_readme() -> None:
    """Its table of commands is the list."""
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    for words in _words():
        if words and words != ("admin",):
            assert f"| `rookery {' '.join(words)}" in readme, words
