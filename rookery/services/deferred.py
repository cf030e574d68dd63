"""Work that a change leaves to be done after it, in steps of bounded size.

The batch of the change notes that there is work. Its first steps are done before the change is
answered, the others in the background of the process. What is left when a process dies is taken up
by any other process, each of which looks for old notes now and then.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar, NamedTuple

import structlog

from rookery.errors import RookeryError
from rookery.ids import time_ms_of

log = structlog.get_logger(__name__)

LOOK_S = 30.0
"""So often every process looks for old notes. One that is younger may belong to a living process,
and is left alone."""
LOOKED_AT = 100
MAX_AT_ONCE = 8
"""So many pieces of work of one kind are in the background of a process."""


class Note(NamedTuple):
    """`subject_id` names the tweet or user that there is work for, `token` is a Snowflake of the
    moment at which it was noted."""

    subject_id: int
    token: int


class DeferredWork(ABC):
    """One kind of such work; let it `run` in every process that begins any, and `close` it."""

    kind: ClassVar[str]
    """For the log."""
    awaited_steps: ClassVar[int]
    """So many steps are done before the change is answered."""

    def __init__(self, ids: Callable[[], int]) -> None:
        self._ids = ids
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def finish(self, subject_id: int, steps: int = 0) -> bool:
        """Do all steps of one piece of work, or at most `steps` of them; whether nothing is left.

        Raises:
            StoreUnavailable: the store does not answer; what was done stays done.
        """

    @abstractmethod
    async def _noted(self, after_id: int, limit: int) -> Sequence[Note]:
        """The notes of subjects above `after_id`, by their ids."""

    async def _take_up(self, subject_id: int) -> bool:
        """Do what another process has left of a piece of work; whether this finished it."""
        return await self.finish(subject_id)

    async def begin(self, subject_id: int) -> None:
        """Do the first steps now and the others in the background; call it after the commit.

        Where too much is in the background already, the rest waits until some process looks.
        """
        try:
            if await self.finish(subject_id, self.awaited_steps):
                return
        except RookeryError as error:
            self._log_put_off(subject_id, error)
            return
        if len(self._tasks) < MAX_AT_ONCE:
            task = asyncio.create_task(self._finish_later(subject_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish_later(self, subject_id: int) -> None:
        try:
            await self.finish(subject_id)
        except RookeryError as error:
            self._log_put_off(subject_id, error)

    def _log_put_off(self, subject_id: int, error: RookeryError) -> None:
        log.warning("work put off", kind=self.kind, subject=subject_id, error=str(error))

    async def look(self) -> int:
        """Take up what other processes have left; how many pieces of work this finished."""
        finished = 0
        now_ms = time_ms_of(self._ids())  # Tokens are ids, whose time never goes back.
        async for note in self._notes():
            if time_ms_of(note.token) + LOOK_S * 1000 <= now_ms:
                finished += await self._take_up(note.subject_id)
        return finished

    async def settle(self) -> None:
        """Return when all that is noted by now is done, by whoever does it.

        Raises:
            StoreUnavailable: the store does not answer; what was done stays done.
        """
        async for note in self._notes():
            await self.finish(note.subject_id)

    async def _notes(self) -> AsyncIterator[Note]:
        position = 0
        while notes := await self._noted(position, LOOKED_AT):
            position = notes[-1].subject_id
            for note in notes:
                yield note

    async def run(self) -> None:
        """Look now, and again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except RookeryError as error:
                log.warning("work not looked for", kind=self.kind, error=str(error))
            # Not all processes at once.
            await asyncio.sleep(LOOK_S * random.uniform(0.75, 1.25))

    async def close(self) -> None:
        """End what runs in the background; some process takes it up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
