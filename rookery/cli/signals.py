"""Ctrl-C and SIGTERM: honoured at any moment of a command's life, and said to be at once.

What comes while the program is being loaded is `rookery.cli`'s own matter. Handlers are Python's,
not the event loop's: those would wait where the loop is busy. Messages are written past all
buffers, since a handler may run in the middle of a print.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

NUMBERS = (signal.SIGINT, signal.SIGTERM)
END_S = 5.0
"""So long a command other than `serve` may take to end in order."""
_SHOW_CURSOR = b"\x1b[?25h"

OnSignal = Callable[[int, int], None]
"""Called with the signal's number, and how many have come."""


def say(text: str) -> None:
    """Write one line to stderr at once, whatever was being printed."""
    with suppress(OSError):
        os.write(2, f"rookery: {text}\n".encode())


def leave(status: int) -> NoReturn:
    """End this process now: no exit handler runs, no thread is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if os.isatty(2):
        with suppress(OSError):
            os.write(2, _SHOW_CURSOR)  # a progress bar may have hidden it
    os._exit(status)


def release() -> None:
    """From now on a signal ends with a line what the command is doing, prompts in order."""
    for number in NUMBERS:
        signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    say("stopped")
    raise SystemExit(128 + number)


@contextmanager
def handled(on_signal: OnSignal) -> Iterator[None]:
    """Have signals call `on_signal` meanwhile; in the main thread, between two instructions.

    Other threads get no signals: from there nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        # While Ray starts, its core may take SIGTERM first, and set an alarm that would end us.
        signal.alarm(0)
        on_signal(number, came)

    former = {number: signal.signal(number, handle) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def end_after(seconds: float, status: int, text: str) -> threading.Timer:
    """End the process with `text` after this time, should it still be there."""

    def end() -> None:
        say(text)
        leave(status)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


class Interrupted(Exception):
    """A command was ended by a signal, in order."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


async def interruptible(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; a signal cancels it, a second one ends the process at once.

    What does not end in `END_S` is ended, too: every command can be run again after that.

    Raises:
        Interrupted: a signal came, and the command has ended.
    """
    loop = asyncio.get_running_loop()
    running = loop.create_task(coroutine)
    numbers: list[int] = []
    timers: list[threading.Timer] = []

    def on_signal(number: int, times: int) -> None:
        if times > 1:
            leave(128 + number)
        say("stopping …")
        numbers.append(number)
        timers.append(end_after(END_S, 128 + number, "did not end in order, and was ended"))
        loop.call_soon_threadsafe(running.cancel)

    with handled(on_signal):
        try:
            return await running
        except asyncio.CancelledError:
            if not numbers:
                raise
            raise Interrupted(numbers[0]) from None
        finally:
            for timer in timers:
                timer.cancel()
