"""The relay: hands every event of the queue to every consumer that wants its kind.

An event leaves the outbox, with many others in one batch, once all consumers took it. One that a
consumer has not taken in time is moved into that consumer's backlog, in one batch with its removal
from the outbox; the consumer goes on from there at its own pace. What it cannot take is put aside
in the store. So the outbox stays short, and no consumer waits for another one.

Nothing here must outlive the process: what was not acknowledged in the store is handed out again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

import structlog

from rookery.errors import RookeryError, Unavailable
from rookery.events.consumer import Consumer
from rookery.events.encoding import StoredEvent, encoded
from rookery.events.keeper import BATCH, PAUSE_S, UNREADABLE, Keeper, Line
from rookery.events.kinds import Event
from rookery.events.lane import Limits
from rookery.store.engine import Reader
from rookery.store.queue import Queue

log = structlog.get_logger(__name__)

MAX_HELD = 40 * BATCH
"""Events of the outbox in memory, above which no more are taken from the queue."""
IDLE_WAIT_S = 1.0
BREATH_S = 0.02
"""A pause between two batches from the queue, for consumers that have many waiting."""
ROUND_EVERY_S = 0.1
"""Acknowledging is a commit of the store: what is done in so long shares one."""
OVERDUE_EVERY_S = 1.0
HANDLE_S = 60.0
"""After so long a consumer's handling of a batch has failed."""


class Pace(NamedTuple):
    """When a consumer lags: an event is here for `lag_s`, or more than `limits.held` are."""

    lag_s: float = 5.0
    retry_pause_s: float = 0.5
    limits: Limits = Limits()


USUAL = Pace()


class Relay:
    """Works while `run` does; `spawn` starts a task that ends with it.

    `on_take` is told of what comes from the queue, and by an empty list that nothing does.
    """

    def __init__(
        self,
        queue: Queue,
        reader: Reader,
        consumers: Sequence[Consumer],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock_ms: Callable[[], int],
        on_take: Callable[[Sequence[StoredEvent]], None] = lambda events: None,
        pace: Pace = USUAL,
    ) -> None:
        self._queue = queue
        self._spawn = spawn
        self._on_take = on_take
        self._pace = pace
        self._lines = [Line(each, 1 << n, pace.limits) for n, each in enumerate(consumers)]
        self._wanting: dict[type[Event], int] = {}  # the bits of those who want events of a kind
        for line in self._lines:
            for kind in line.consumer.kinds:
                self._wanting[kind] = self._wanting.get(kind, 0) | line.bit
        self.keeper = Keeper(queue, reader, self._lines, clock_ms, pace.lag_s)
        self._room = asyncio.Event()
        self._room.set()
        self._progress = asyncio.Event()

    async def run(self) -> None:
        """Relay events until cancelled."""
        await self.keeper.begin()
        self._begin_all()
        self._spawn(self._keep())
        while True:
            await self._room.wait()
            if any(line.lane.is_filling for line in self._lines):
                # A burst: who is only busy keeps up then, and who is stuck soon falls behind.
                await asyncio.sleep(BREATH_S)
            try:
                stored = await self._queue.take(BATCH, IDLE_WAIT_S)
            except RookeryError as error:
                log.warning("cannot read the queue", error=str(error))
                await asyncio.sleep(PAUSE_S)
                continue
            self._on_take(stored)
            if stored:
                self._hand_out(stored)
            if self._queue.held >= MAX_HELD:
                self._room.clear()

    async def _keep(self) -> None:
        """Have the keeper write down what is done, some of it at a time."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(OVERDUE_EVERY_S):
                    await self.keeper.due.wait()
            await asyncio.sleep(ROUND_EVERY_S)
            await self.keeper.round()
            self._begin_all()
            if self._queue.held < MAX_HELD:
                self._room.set()
            self._progress.set()
            self._progress = asyncio.Event()

    def _hand_out(self, stored: Sequence[StoredEvent]) -> None:
        now_s = monotonic()
        ledger = self.keeper.ledger
        events = self.keeper.readable(stored, UNREADABLE, ledger.drop)
        wanting = self._wanting
        for event in events:
            ledger.add(event, wanting.get(type(event), 0), now_s)
        if ledger.has_done:
            self.keeper.due.set()
        for line in self._lines:
            line.lane.offer([e for e in events if wanting.get(type(e), 0) & line.bit])
        self._begin_all()

    def _begin_all(self) -> None:
        for line in self._lines:
            self._begin(line)

    def _begin(self, line: Line) -> None:
        while batch := line.lane.take():
            self._spawn(self._handle(line, batch))

    async def _handle(self, line: Line, batch: list[Event]) -> None:
        try:
            async with asyncio.timeout(HANDLE_S):
                await line.consumer.handle(batch)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._failed(line, batch, error)  # something in the consumer was cancelled
        except Exception as error:  # whatever it was, it must not hold up the others
            await self._failed(line, batch, error)
        else:
            line.taken += len(batch)
            self.keeper.took(line, batch)
        self._begin(line)

    async def _failed(self, line: Line, batch: list[Event], error: BaseException) -> None:
        line.failures += 1
        at_fault = not isinstance(error, Unavailable)
        log.warning(
            "events will be handed out again",
            consumer=line.name,
            events=len(batch),
            error=repr(error),
            exc_info=error if at_fault else None,
        )
        await asyncio.sleep(self._pace.retry_pause_s)
        given_up = line.lane.give_back(batch, at_fault=at_fault)
        for event in given_up:
            tries = line.lane.tries_of(event)
            self.keeper.put_aside(line.name, encoded(event), repr(error), tries)
        self.keeper.took(line, given_up)

    # For whoever asks

    async def settle(self, *names: str) -> None:
        """Return once all that was committed before was taken, but for what was put aside: by
        these consumers, or by all where none is named.

        Raises:
            Unavailable: the store does not answer.
        """
        lanes = [line.lane for line in self._lines if not names or line.name in names]

        def is_idle() -> bool:
            return self.keeper.is_settled and all(lane.is_idle for lane in lanes)

        while True:
            progress = self._progress  # before looking, so that none in between is missed
            if is_idle() and await self._queue.is_empty() and is_idle():
                return
            await progress.wait()

    def taken(self, name: str) -> int:
        """How many events a consumer took since the start."""
        return sum(line.taken for line in self._lines if line.name == name)

    def figures(self) -> Mapping[str, float]:
        figures: dict[str, float] = {
            "failures": sum(line.failures for line in self._lines),
            "queue_depth": self._queue.held,
            "events_put_aside": sum(self.keeper.failed.values()),
            "consumers_behind": sum(line.lane.has_backlog for line in self._lines),
        }
        for line in self._lines:
            figures[f"{line.name}_taken"] = line.taken
            figures[f"{line.name}_waiting"] = len(line.lane)
            figures[f"{line.name}_behind"] = float(line.lane.has_backlog)
            figures[f"{line.name}_put_aside"] = self.keeper.failed.get(line.name, 0)
        return figures
