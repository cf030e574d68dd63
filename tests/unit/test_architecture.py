"""What docs/architecture.md tells strangers: the files and the names in them are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w<>./-]+/|[\w<>./-]*[\w>]\.(?:py|md)")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


CHANGES = re.split(r"\n(?=\d+\. \*\*)", section("Twelve changes"))[1:]


def found(path: str) -> list[Path]:
    """The files or folders that a path means, whatever is chosen for `<…>`."""
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    return [each for folder in (ROOT / "rookery", ROOT) for each in folder.glob(pattern)]


def paths_in(text: str) -> list[str]:
    return [each for each in QUOTED.findall(text) if PATH.fullmatch(each)]


def test_there_are_twelve() -> None:
    """In order, none cut in two."""
    assert [each.partition(".")[0] for each in CHANGES] == [str(n) for n in range(1, 13)]


@pytest.mark.parametrize("title", ["Twelve changes", "Where to put a change"])
def test_each_file_that_is_named_is_there(title: str) -> None:
    """Where a name is open, there is one of its kind."""
    paths = paths_in(section(title))
    assert len(paths) > 20
    assert [each for each in paths if not found(each)] == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.partition(".")[0])
def test_each_name_stands_in_a_file_that_is_named_with_it(change: str) -> None:
    """`module.Name` of a module at the top stands in that one."""
    files = {file for path in paths_in(change) for file in found(path) if file.is_file()}
    missing = []
    for name in QUOTED.findall(change):
        if not NAME.fullmatch(name) or name == "boosted" or PATH.fullmatch(name):
            continue
        module, _, rest = name.rpartition(".")
        within = {ROOT / "rookery" / f"{module}.py"} if module else files
        word = re.compile(rf"\b{re.escape(rest)}\b")
        if not any(word.search(file.read_text()) for file in within):
            missing.append(name)
    assert missing == []
