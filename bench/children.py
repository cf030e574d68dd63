"""Processes that a benchmark starts: they get a job on standard input and answer in JSON lines.

Both sides stand here, so that a module that is run as a child needs nothing else for it.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

LINE_BYTES = 1 << 29
STOP_S = 10.0


class Child:
    """The parent's side of ``python -m MODULE``. Stop it, whatever happens."""

    def __init__(self, module: str, process: Process) -> None:
        self._module = module
        self._process = process

    @classmethod
    async def start(cls, module: str, job: Any) -> "Child":
        """Start `module` and give it its job."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES
        )
        child = cls(module, process)
        await child.tell(job)
        return child

    async def tell(self, message: Any) -> None:
        """Send another line."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(message) + b"\n")
        await self._process.stdin.drain()

    async def answer(self, type_: type[T], within_s: float = 120.0) -> T:
        """The next line it prints.

        Raises:
            RuntimeError: it ended without one, or took too long.
        """
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        except TimeoutError:
            raise RuntimeError(f"{self._module} did not answer within {within_s} s") from None
        if not line.endswith(b"\n"):
            raise RuntimeError(f"{self._module} ended without an answer; see above")
        return msgspec.json.decode(line, type=type_)

    async def stop(self) -> None:
        """Close its input, upon which it ends; kill it if it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def run(module: str, job: Any, type_: type[T], within_s: float = 120.0) -> T:
    """Run `module` on one job; its one answer."""
    child = await Child.start(module, job)
    try:
        return await child.answer(type_, within_s)
    finally:
        await child.stop()


# The child's side.


def job(type_: type[T]) -> T:
    """The job, which is the first line of standard input."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=type_)


def tell(message: Any) -> None:
    """Print an answer."""
    # Not by sys.stdout, which may be unbuffered (PYTHONUNBUFFERED) and then writes only a part.
    with open(1, "wb", closefd=False) as out:
        out.write(msgspec.json.encode(message) + b"\n")


async def until_told(type_: type[T]) -> T | None:
    """The next line of standard input; None at its end."""
    line = await asyncio.to_thread(sys.stdin.buffer.readline)
    return msgspec.json.decode(line, type=type_) if line else None
