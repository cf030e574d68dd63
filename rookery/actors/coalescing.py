"""The rules by which items become batches: bounds, order, deadlines, retries.

Pure state machine: time and randomness are arguments; `coalescer` is the asyncio
shell around it.

Life of an item: `QUEUED` → `SENT` → `DONE`. It leaves early, from either state, when its
deadline passes or whoever waits for it is gone. A failed batch that may be retried goes back from
`SENT` to `QUEUED`, in front of everything that came later.
"""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from rookery.errors import Overloaded, RookeryError, Unavailable

I = TypeVar("I")  # noqa: E741 - an item
W = TypeVar("W")  # whoever waits for its result; never looked into

QUEUED, SENT, DONE = range(3)

FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 0.5

# Dropped entries are taken out of the queue once there are this many and they are the majority.
SWEEP_AT = 64


class Entry(msgspec.Struct, Generic[I, W], eq=False):
    """One item on its way. A `Struct` because one is made per item, and it is the cheapest."""

    item: I
    waiter: W
    deadline: float
    state: int = QUEUED


class Batch(Generic[I, W]):
    """The items of one call, oldest first; `items` is what to send, in the same order."""

    __slots__ = ("entries", "expired", "items")

    def __init__(self, entries: list[Entry[I, W]]) -> None:
        self.entries = entries
        self.items = [entry.item for entry in entries]
        self.expired = 0  # so many entries, from the left, are past their deadline


class BatchQueue(Generic[I, W]):
    """Items on their way to one destination: at most one batch sent and not answered.

    Times are seconds of any monotonic clock and must not decrease from call to call. Deadlines
    are therefore in arrival order, so that only the front of the queue needs looking at.

    A `retry` queue is for calls that are safe to repeat: after a call that failed as
    `Unavailable` its items are sent again, first and in order, until each one's deadline.
    """

    def __init__(
        self,
        *,
        max_batch: int = 1000,
        max_pending: int = 10_000,
        deadline_s: float = 5.0,
        retry: bool = False,
    ) -> None:
        if max_batch < 1 or max_pending < 1 or deadline_s <= 0:
            raise ValueError("max_batch, max_pending and deadline_s must be positive")
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._deadline_s = deadline_s
        self._retry = retry
        self._queue: deque[Entry[I, W]] = deque()
        self._dropped = 0  # entries in the queue that nobody waits for any more
        self._sent: Batch[I, W] | None = None
        self._attempts = 0  # failed calls since the last one that was answered
        self._not_before: float | None = None
        self.last_error: Exception | None = None
        self.pending = 0
        self.batches = 0
        self.items = 0
        self.retries = 0
        self.expired = 0
        self.refused = 0

    def offer(self, item: I, waiter: W, now: float) -> Entry[I, W]:
        """Take in an item; it is pending until answered, expired or cancelled.

        Raises:
            Overloaded: `max_pending` items are pending already.
        """
        if self.pending >= self._max_pending:
            self.refused += 1
            raise Overloaded()
        entry = Entry(item, waiter, now + self._deadline_s)
        self._queue.append(entry)
        self.pending += 1
        return entry

    def take(self, now: float) -> Batch[I, W] | None:
        """The next batch to send, or None while one is out, during a backoff, or if empty."""
        if self._sent is not None or (self._not_before is not None and now < self._not_before):
            return None
        self._not_before = None
        queue, room = self._queue, self._max_batch
        entries: list[Entry[I, W]] = []
        while queue and len(entries) < room:
            entry = queue.popleft()
            if entry.state == QUEUED:
                entry.state = SENT
                entries.append(entry)
            else:
                self._dropped -= 1
        if not entries:
            return None
        self._sent = batch = Batch(entries)
        self.batches += 1
        self.items += len(entries)
        return batch

    def answer(self, batch: Batch[I, W], results: Sequence[object]) -> Sequence[tuple[W, object]]:
        """The call returned: whom to give which result (an `Exception` is that item's error).

        A batch that was abandoned meanwhile gives nothing.
        """
        if batch is not self._sent:
            return ()
        if len(results) != len(batch.entries):
            wrong = f"{len(results)} results for {len(batch.entries)} items"
            return self._finish(batch, [RookeryError(wrong)] * len(batch.entries))
        self._attempts = 0
        self.last_error = None
        return self._finish(batch, results)

    def fail(
        self, batch: Batch[I, W], error: Exception, now: float, jitter: float
    ) -> Sequence[tuple[W, object]]:
        """The call raised: whom to give the error; nobody if the batch is to be sent again.

        `jitter` is a random number in [0, 1): the backoff is that far into its upper half.
        """
        if batch is not self._sent:
            return ()
        self.last_error = error
        if not (self._retry and isinstance(error, Unavailable)):
            return self._finish(batch, [error] * len(batch.entries))
        self._sent = None
        for entry in reversed(batch.entries):
            if entry.state == SENT:
                entry.state = QUEUED
                self._queue.appendleft(entry)
        backoff_s = min(FIRST_BACKOFF_S * 2**self._attempts, LONGEST_BACKOFF_S)
        self._attempts = min(self._attempts + 1, 16)
        self._not_before = now + backoff_s * (0.5 + jitter / 2)
        self.retries += 1
        return ()

    def cancel(self, entry: Entry[I, W]) -> None:
        """Nobody waits for `entry` any more: it is not sent, or its result is ignored."""
        state, entry.state = entry.state, DONE
        if state == DONE:
            return
        self.pending -= 1
        if state == QUEUED:
            self._dropped += 1
            if self._dropped >= SWEEP_AT and self._dropped * 2 > len(self._queue):
                self._queue = deque(e for e in self._queue if e.state == QUEUED)
                self._dropped = 0

    def expire(self, now: float) -> tuple[list[W], bool]:
        """Drop what is past its deadline: who waited for it, and whether a call was abandoned.

        A call is abandoned when the deadline of its last item is past, so that a destination
        that never answers does not hold up what comes after.
        """
        late: list[Entry[I, W]] = []
        abandoned = False
        if (batch := self._sent) is not None:
            entries = batch.entries
            while batch.expired < len(entries) and entries[batch.expired].deadline <= now:
                late.append(entries[batch.expired])
                batch.expired += 1
            if batch.expired == len(entries):
                self._sent = None
                abandoned = True
        queue = self._queue
        while queue and queue[0].deadline <= now:
            entry = queue.popleft()
            if entry.state == DONE:
                self._dropped -= 1
            late.append(entry)
        waiters = [entry.waiter for entry in late if entry.state != DONE]
        for entry in late:
            entry.state = DONE
        self.expired += len(waiters)
        self.pending -= len(waiters)
        return waiters, abandoned

    def clear(self) -> list[W]:
        """Forget everything; returns who waited, oldest first."""
        entries = [*(self._sent.entries if self._sent else ()), *self._queue]
        waiters = [entry.waiter for entry in entries if entry.state != DONE]
        for entry in entries:
            entry.state = DONE
        self._queue.clear()
        self._sent = self._not_before = None
        self._dropped = self.pending = 0
        return waiters

    def wake_at(self) -> float | None:
        """When `expire` or `take` will next have something to do without any other event."""
        if self._sent is not None:
            return self._sent.entries[self._sent.expired].deadline
        if not self._queue:
            return None
        deadline = self._queue[0].deadline
        return deadline if self._not_before is None else min(deadline, self._not_before)

    def _finish(self, batch: Batch[I, W], results: Sequence[object]) -> Sequence[tuple[W, object]]:
        self._sent = None
        outcomes: list[tuple[W, object]] = []
        for entry, result in zip(batch.entries, results, strict=True):
            if entry.state == SENT:
                entry.state = DONE
                outcomes.append((entry.waiter, result))
        self.pending -= len(outcomes)
        return outcomes
