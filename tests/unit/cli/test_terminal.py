"""What a command prints: nothing in it acts, one text cannot look like two, and it fits."""

import ast
import io
import re
from pathlib import Path

import pytest
from rich.progress import ProgressColumn
from rich.text import Text

import rookery.cli
from rookery.cli import terminal
from rookery.cli.terminal import OutputClosed, Terminal, line, table


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No width and no colours but a test's own."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def printed(
    *objects: object, width: int | None = None, encoding: str = "utf-8", soft_wrap: bool = False
) -> str:
    """What comes out of a pipe, or of a terminal of `width` columns."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="", write_through=True)
    console = Terminal()
    console.file = stream
    if width is not None:
        console._force_terminal = True
        console._color_system = None
        console.size = (width, 25)
    console.print(*objects, soft_wrap=soft_wrap)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    "text", ["[limts]", "[/x]", "[red]x[/red]", ":runner:", "[link=http://a]b[/link]", r"\[a]"]
)
def test_markup_is_text(text: str) -> None:
    """Square brackets and emoji names come out as they went in, in lines and in tables."""
    assert printed(text) == f"{text}\n"
    assert printed(line(text), width=60) == f"{text}\n"
    rows = table("what", title=text)
    rows.add(text)
    assert printed(rows).count(text) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31mred", "\\x9b31mred"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\u202edesrever", "\\u202edesrever"),
        ("A\u200bda", "A\\u200bda"),
        ("bell\x07", "bell\\x07"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a" + "\u0301" * 9, "a" + "\u0301" * 6 + "\\u0301" * 3),
        (
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
        ),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
    ],
)
def test_controls_are_shown_and_do_nothing(text: str, shown: str) -> None:
    """What would move, colour or turn the output is written as an escape."""
    assert printed(text) == f"{shown}\n"
    rows = table("what")
    rows.add(text)
    assert shown in printed(rows)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", "\u2029", "\x0b", "\x85"])
def test_a_line_break_does_not_begin_anothers_line(ending: str) -> None:
    """Whatever follows a break within one text is indented, or is on the same line."""
    fake = "12:00:00 @bob I resign"
    lines = printed(line(("12:00:00", "dim"), " @ada ", f"hello{ending}{fake}")).split("\n")
    assert not any(each.startswith(fake) for each in lines)
    assert sum(each.startswith("12:00:00") for each in lines) == 1


def test_a_terminals_edge_does_not_begin_anothers_line() -> None:
    """Spaces up to the edge do not bring what follows to the beginning of a line."""
    fake = "12:00:00 @bob I resign"
    shown = printed(f"hello{' ' * 35}{fake}", width=40)
    assert fake.split()[1] in shown
    assert all(each.startswith("    ") for each in shown.split("\n")[1:-1])
    assert all(len(each) <= 40 for each in shown.split("\n"))


@pytest.mark.parametrize("width", [1, 5, 20, 80])
def test_any_terminal_will_do(width: int) -> None:
    """Nothing is lost on the narrowest."""
    shown = printed("one two three" * 3, width=width)
    assert re.sub(r"\s", "", shown) == "onetwothree" * 3


def test_a_pipe_has_no_width() -> None:
    """Neither lines nor tables are broken or cut for programs that read them."""
    long = "word " * 100 + "end"
    assert printed(long) == f"{long}\n"
    rows = table("a", "b")
    rows.add(long, long)
    assert printed(rows).count(long) == 2


def test_commands_to_copy_are_not_broken() -> None:
    """With `soft_wrap` the terminal breaks the line, so that it is copied whole."""
    long = "rookery " + "x" * 100
    assert printed(long, width=40, soft_wrap=True) == f"{long}\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp437"])
def test_what_an_encoding_lacks_is_replaced(encoding: str) -> None:
    """Output never fails for a character; usual punctuation has stand-ins."""
    terminal.fit_streams()
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=terminal._ERROR_HANDLER)
    stream.write("wait\u2026 \u65e5\u672c \U0001f600")
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    if encoding != "utf-8":
        assert shown == "wait... \\u65e5\\u672c \\U0001f600"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_is_one_line_and_says_the_same(encoding: str) -> None:
    """Controls and what the encoding lacks are escaped as JSON does it."""
    import json

    raw = io.BytesIO()
    console = Terminal()
    console.file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    value = {"text": "a\n\x1b[2J\u202e\u65e5\x7f\u2028[/x] :runner: \U0001f600" + "x" * 200}
    console.json(value)
    shown = raw.getvalue().decode(encoding)
    assert json.loads(shown) == value
    assert shown.count("\n") == 1 and shown[:-1].isprintable()


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets none, nor does a terminal with NO_COLOR."""
    assert "\x1b" not in printed(line(("red", "red")))
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal().no_color


def test_a_reader_that_has_gone_ends_the_command() -> None:
    """Rich's own way would end the process with status 1."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Terminal()
    console.file = Gone()
    with pytest.raises(OutputClosed):
        console.print("hello")


def test_progress_and_spinners_take_texts_as_they_are() -> None:
    """The columns of the bars look for no markup, and a spinner's text is cleaned."""
    from rookery.cli.console import Bars, err

    bars = Bars()
    bars.show("[/x]", 1, 2, "[limts]")
    (task,) = bars._progress.tasks
    columns = [each for each in bars._progress.columns if isinstance(each, ProgressColumn)]
    shown = [column(task) for column in columns]
    texts = [each.plain for each in shown if isinstance(each, Text)]
    assert "[/x]" in texts and "[limts]" in texts
    assert "[/x]\\x1b" in str(err.status("[/x]\x1b").renderable.text)


_APART = {"terminal", "console", "signals", "__init__"}
"""Those that others print by; and a signal's handler, in which only one's own words are safe."""
_AROUND = {"print", "echo", "secho", "prompt", "confirm", "style", "write"}
_SOURCES = sorted(Path(rookery.cli.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: path.stem)
def test_no_command_prints_around_the_terminal(path: Path) -> None:
    """Only `terminal` and `console` know Rich's console, Typer's output and the streams."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and path.stem not in _APART:
            assert node.module not in ("rich.console", "rich.markup", "rich.table", "rich.text")
            assert node.module != "sys"
        if isinstance(node, ast.Call) and path.stem not in _APART:
            called = node.func
            if isinstance(called, ast.Name):
                assert called.id not in _AROUND, f"{path}:{node.lineno}"
            elif isinstance(called, ast.Attribute) and called.attr in _AROUND:
                owner = called.value.id if isinstance(called.value, ast.Name) else ""
                assert owner in ("out", "err", "") and owner != "typer", f"{path}:{node.lineno}"
                assert called.attr == "print", f"{path}:{node.lineno}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.search(r"\[/?(?:bold|dim|red|yellow|cyan|green)\]", node.value)
            assert found is None, f"{path}:{node.lineno} has markup"
