"""Many single submissions in, few batched calls out: one `Coalescer` per destination.

An actor call costs about the same for one item as for a thousand, so each caller→actor edge goes
through one of these. The asyncio shell of `coalescing`, which holds the rules.
"""

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import structlog

from rookery.actors.coalescing import Batch, BatchQueue
from rookery.errors import ActorUnavailable, DeadlineExceeded, Overloaded, Unavailable

log = structlog.get_logger(__name__)

I = TypeVar("I")  # noqa: E741 - an item
O = TypeVar("O")  # noqa: E741 - its result


class Coalescer(Generic[I, O]):
    """Sends submitted items in batches, with at most one call in flight.

    What arrives while a call runs is the next batch. An idle one adds no wait: the first item
    goes out at the loop's next iteration, together with whatever was submitted in the same one.
    Items are sent in the order of their submission.

    `call` gets the items and returns one result per item, in their order; a result that is an
    `Exception` is raised to that item's submitter alone. It is cancelled when the deadlines of
    all its items are past; what it did until then stands.

    With `retry`, for calls that may safely take effect twice, a call that fails as `Unavailable`
    is repeated with a short backoff until the items' deadlines, so that submitters do not notice
    a restart of the destination.

    Belongs to the event loop of its first `submit`.
    """

    def __init__(
        self,
        call: Callable[[list[I]], Awaitable[Sequence[O | Exception]]],
        *,
        name: str,
        max_batch: int = 1000,
        max_pending: int = 10_000,
        deadline_s: float = 5.0,
        retry: bool = False,
    ) -> None:
        self.name = name
        self._call = call
        self._queue: BatchQueue[I, asyncio.Future[Any]] = BatchQueue(
            max_batch=max_batch, max_pending=max_pending, deadline_s=deadline_s, retry=retry
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nobody: asyncio.Future[Any]  # waits for what was posted: done, so never told
        self._sender: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resting = False  # during a backoff; the timer ends it
        self._closed = False
        self._seen = (0, 0)

    async def submit(self, item: I) -> O:
        """Send `item` with the next batch and return its result.

        Raises:
            Overloaded: `max_pending` items are pending; nothing was begun.
            DeadlineExceeded: no result within `deadline_s`; whether it took effect is unknown.
            Unavailable: the call failed so (without `retry`), or this coalescer is closed.
        """
        if self._closed:
            raise Unavailable()
        loop = self._loop or self._bind()
        waiter: asyncio.Future[O] = loop.create_future()
        entry = self._queue.offer(item, waiter, loop.time())
        if self._sender is None and not self._resting:
            self._send()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._queue.cancel(entry)
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # came too late to be raised; not to be logged as forgotten
            raise

    def post(self, item: I) -> bool:
        """Send `item` as `submit` does, but wait for nothing and hear of no error.

        Returns False if it was refused: `max_pending` items are pending, or this is closed.
        """
        if self._closed:
            return False
        loop = self._loop or self._bind()
        try:
            self._queue.offer(item, self._nobody, loop.time())
        except Overloaded:
            return False
        if self._sender is None and not self._resting:
            self._send()
        return True

    async def aclose(self, drain_s: float = 1.0) -> None:
        """Refuse new items, give pending ones `drain_s` to be answered, fail the rest."""
        self._closed = True
        if self._loop is None:
            return
        until = self._loop.time() + drain_s
        while self._queue.pending and (left_s := until - self._loop.time()) > 0:
            if self._sender is not None:
                await asyncio.wait([self._sender], timeout=left_s)
            else:  # between two attempts
                await asyncio.sleep(min(left_s, 0.01))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        sender = self._sender
        self._abandon()
        for waiter in self._queue.clear():
            _settle(waiter, Unavailable())
        if sender is not None:
            await asyncio.wait([sender], timeout=max(0.1, until - self._loop.time()))

    @property
    def pending(self) -> int:
        """Items that were submitted and not yet answered."""
        return self._queue.pending

    def figures(self) -> dict[str, float]:
        """Counters since the start, and `batch_mean` since the last call of `figures`."""
        queue = self._queue
        batches, items = queue.batches - self._seen[0], queue.items - self._seen[1]
        self._seen = (queue.batches, queue.items)
        return {
            "pending": queue.pending,
            "batches": queue.batches,
            "items": queue.items,
            "batch_mean": items / batches if batches else 0.0,
            "retries": queue.retries,
            "expired": queue.expired,
            "refused": queue.refused,
        }

    def _bind(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.get_running_loop()
        self._nobody = loop.create_future()
        self._nobody.set_result(None)
        return loop

    def _send(self) -> None:
        """Begin sending at the loop's next iteration, and see to it that deadlines are kept."""
        assert self._loop is not None
        self._sender = self._loop.create_task(self._drain(), name=f"coalescer {self.name}")
        if self._timer is None:
            self._arm()

    async def _drain(self) -> None:
        """Send batches one after another until there is none to send."""
        assert self._loop is not None
        queue = self._queue
        me = asyncio.current_task()
        try:
            while (batch := queue.take(self._loop.time())) is not None:
                await self._attempt(batch)
                if self._sender is not me:  # abandoned, and another one has taken over
                    return
        finally:
            if self._sender is me:
                self._sender = None
        if queue.pending:
            self._resting = True
            self._arm()

    async def _attempt(self, batch: Batch[I, asyncio.Future[Any]]) -> None:
        assert self._loop is not None
        try:
            results = await self._call(batch.items)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._fail(batch, Unavailable())
                raise
            self._fail(batch, ActorUnavailable())  # the callee was cancelled, not this task
        except Exception as error:
            self._fail(batch, error)
        else:
            for waiter, result in self._queue.answer(batch, results):
                if not waiter.done():
                    if isinstance(result, Exception):
                        waiter.set_exception(result)
                    else:
                        waiter.set_result(result)

    def _fail(self, batch: Batch[I, asyncio.Future[Any]], error: Exception) -> None:
        assert self._loop is not None
        outcomes = self._queue.fail(batch, error, self._loop.time(), random.random())
        for waiter, result in outcomes:
            _settle(waiter, _own_copy(cast(Exception, result)))

    def _abandon(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.cancel()

    def _arm(self) -> None:
        """Set the one timer to the next deadline or end of a backoff."""
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self._queue.wake_at()
        if wake_at is not None:
            self._timer = self._loop.call_at(wake_at, self._wake)

    def _wake(self) -> None:
        assert self._loop is not None
        self._timer = None
        self._resting = False
        late, abandoned = self._queue.expire(self._loop.time())
        for waiter in late:
            error = DeadlineExceeded()
            error.__cause__ = self._queue.last_error
            _settle(waiter, error)
        if abandoned:
            log.warning("call abandoned past its deadline", coalescer=self.name)
            self._abandon()
        if self._sender is None and self._queue.pending:
            self._send()
        self._arm()


def _settle(waiter: asyncio.Future[Any], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)


def _own_copy(error: Exception) -> Exception:
    """One instance per submitter: each raising adds to an instance's traceback and context."""
    try:
        clone = copy.copy(error)
    except Exception:  # not every exception can be rebuilt from its arguments
        return error
    clone.__cause__ = error
    return clone
