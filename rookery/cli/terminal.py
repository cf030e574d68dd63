"""The terminal: whatever a command says goes through here, and nothing of it is parsed.

Texts of other people, of servers, of files and of settings stand in most of what is printed. So
no markup and no emoji names are looked for in it; what would move the cursor, colour the screen or
turn the direction of lines is shown as an escape; and whatever follows a line break is indented,
as is what a terminal has to break: one text cannot look like two.

Output fits its stream: a terminal is broken at its width, a pipe or file never; what the stream's
encoding lacks is replaced; colours are for terminals (and NO_COLOR is respected).
"""

import codecs
import json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO, TypeAlias

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from rookery.text.invisible import escaped

INDENT = "    "
CLOSED_STATUS = 141
"""128 and SIGPIPE: what a shell reports of a program whose reader has gone."""

_UNBOUNDED_COLUMNS = 100_000
_NARROWEST_COLUMNS = 8
_ERROR_HANDLER = "rookery.terminal"
_IN_ASCII = {
    "\u2026": "...",
    "\u2013": "-",
    "\u2014": "-",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\xb7": "-",
}


class OutputClosed(Exception):
    """Nobody reads the output any more; the command is to end, without a word."""


Styled = str | tuple[str, str]
"""A text, or a text and its style."""


Line: TypeAlias = Text
"""What `line` makes."""


def line(*parts: Styled) -> Text:
    """One line of texts, each cleaned, with their styles."""
    made = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        made.append(escaped(text), style)
    return made


def table(*headings: str, title: str = "", styles: Iterable[str] = ()) -> "Rows":
    """A table of texts, each cleaned; `styles` are those of its columns, in order."""
    made = Rows(box=None, pad_edge=False, title=line(title) if title else None)
    made.title_justify = "left"
    for heading, style in zip(headings, [*styles, *[""] * len(headings)], strict=False):
        made.add_column(heading, style=style, overflow="fold")
    return made


class Rows(Table):
    """A table that takes texts."""

    def add(self, *cells: str, style: str | None = None) -> None:
        """Add a row."""
        self.add_row(*(line(cell) for cell in cells), style=style)


class Terminal(Console):
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    @property
    def size(self) -> ConsoleDimensions:
        """What is no terminal has no width, unless COLUMNS says so."""
        if self.is_terminal or os.environ.get("COLUMNS", "").isdecimal():
            if self.is_dumb_terminal:  # Rich takes it to have 80 columns
                columns, lines = shutil.get_terminal_size()
                return ConsoleDimensions(self._width or columns, self._height or lines)
            return super().size
        return ConsoleDimensions(_UNBOUNDED_COLUMNS, 25)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print texts (joined by spaces), or something of Rich's.

        With `soft_wrap`, a long line is left to the terminal to break, so that it can be copied.
        """
        if not all(isinstance(each, str | Text) for each in objects):
            super().print(*objects, soft_wrap=soft_wrap, **options)
            return
        whole = Text(" ").join(line(each) if isinstance(each, str) else each for each in objects)
        style = options.pop("style", None)
        if style is not None:
            whole.stylize(style)
        super().print(self._hanging(whole, bool(soft_wrap)), soft_wrap=True, **options)

    def _hanging(self, text: Text, soft_wrap: bool) -> Text:
        lines = list(text.split("\n", allow_blank=True))
        if self.is_terminal and not soft_wrap:
            columns = max(self.width - len(INDENT), _NARROWEST_COLUMNS)
            lines = [
                part
                for each in lines
                for part in each.wrap(self, columns, overflow="fold") or [each]
            ]
        return Text("\n" + INDENT).join(lines)

    def json(self, value: Any) -> None:
        """Print a value as one line of JSON."""
        in_utf8 = codecs.lookup(self.encoding).name.startswith("utf")
        text = json.dumps(value, ensure_ascii=not in_utf8, default=str)
        super().print(Text(escaped(text, as_json=True)), soft_wrap=True)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """A spinner with a text, until its context ends."""
        text = line(status) if isinstance(status, str) else status
        return super().status(text, spinner=self.spinner, **options)

    @property
    def spinner(self) -> str:
        """The name of one that the stream can show."""
        return "line" if self.options.ascii_only else "dots"

    def on_broken_pipe(self) -> None:
        """Called by Rich where nobody reads any more."""
        raise OutputClosed


def fit_streams() -> None:
    """Let both streams replace what their encodings lack, rather than fail."""
    codecs.register_error(_ERROR_HANDLER, _replaced)
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us (>&-)
        nowhere = open(os.devnull, "w")
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_ERROR_HANDLER)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(each) or _escape(each) for each in lacking), error.end


def _escape(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode()


def finish_output() -> int:
    """Write out what is buffered; the exit status if that cannot be done, else 0.

    What nobody reads, or no disk has room for, goes nowhere, or Python's end would complain.
    """
    status = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _abandon(stream)
            status = CLOSED_STATUS
        except OSError:
            _abandon(stream)
            status = status or 1
    return status


def _abandon(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
    with suppress(OSError):
        stream.flush()
