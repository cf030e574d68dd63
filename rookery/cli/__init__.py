"""The command line: ``rookery …``, and ``python main.py …``, which is the same."""

import os
import signal
from types import FrameType
from typing import NoReturn

__all__ = ["main"]


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"rookery: stopped before it began\n")
    os._exit(128 + number)


def main() -> None:
    """Entry point. A signal while the program is being loaded ends it with a line.

    So nothing large is imported above; later signals are `rookery.cli.signals`' matter.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from rookery.cli import signals
    from rookery.cli.main import main as run

    signals.release()
    run()
