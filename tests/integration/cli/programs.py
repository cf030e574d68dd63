"""Commands as processes of their own, and what they have said so far."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 30.0


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(**variables: str) -> dict[str, str]:
    """The present one without what colours output or sets anything of Rookery."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROOKERY_", "LC_", "PYTHONIOENCODING", "FORCE_COLOR"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


class Program:
    """A command that runs; ended with its context."""

    def __init__(self, *words: str, cwd: Path, script: bool = True, **variables: str) -> None:
        """`words` follow ``rookery``, or without `script` Python itself."""
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *([str(ROOT / "main.py")] if script else []), *words],
            cwd=cwd,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that run in a shell's background ignore Ctrl-C, and what they start would, too.
            preexec_fn=_hear_interrupts,
        )
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: object, into: list[str]) -> None:
        for each in stream:  # type: ignore[attr-defined]
            into.append(each.rstrip("\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join(WITHIN_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that it says."""
        until_s = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < until_s, (what, self.lines, self.errors)
            assert self.process.poll() is None or condition(), (what, self.lines, self.errors)
            time.sleep(0.02)

    def is_connected(self) -> bool:
        """Whether a tail has said so, or as JSON."""
        return "connected" in self.errors or '"Connected"' in " ".join(self.lines)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send it a signal; its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(WITHIN_S)
        for reader in self._readers:
            reader.join(WITHIN_S)
        return status
