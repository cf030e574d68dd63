"""The asyncio shell of the batching rules."""

import asyncio
from collections.abc import Sequence

import pytest

from rookery.actors.coalescer import Coalescer
from rookery.errors import ActorUnavailable, DeadlineExceeded, Overloaded, RookeryError, Unavailable


class Destination:
    """Records the batches it gets; each waits until `let_go`, unless `free`."""

    def __init__(self, *, free: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.most_running = 0
        self.errors: list[Exception] = []
        self.free = asyncio.Event()
        if free:
            self.free.set()

    async def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        self.batches.append(items)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.free.wait()
            await asyncio.sleep(0)
            if self.errors:
                raise self.errors.pop(0)
            return [item * 10 for item in items]
        finally:
            self.running -= 1


async def turns(count: int = 5) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_items_of_one_iteration_share_a_batch_that_goes_at_once() -> None:
    """An idle coalescer waits for nothing but the next iteration of the loop."""
    to = Destination()
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    tasks = [asyncio.create_task(coalescer.submit(i)) for i in range(3)]
    await turns(2)
    assert to.batches == [[0, 1, 2]]
    assert await asyncio.gather(*tasks) == [0, 10, 20]


async def test_what_arrives_during_a_call_is_the_next_batch() -> None:
    """At most one call is in flight."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    tasks = []
    for i in range(4):
        tasks.append(asyncio.create_task(coalescer.submit(i)))
        await turns()
    assert to.batches == [[0]]
    to.free.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30]
    assert to.batches == [[0], [1, 2, 3]]
    assert to.most_running == 1


async def test_past_its_limit_it_refuses_at_once() -> None:
    """Nothing of a refused item is begun."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t", max_pending=2)
    tasks = [asyncio.create_task(coalescer.submit(i)) for i in range(2)]
    await turns()
    with pytest.raises(Overloaded):
        await coalescer.submit(2)
    assert coalescer.post(3) is False
    to.free.set()
    await asyncio.gather(*tasks)
    assert to.batches == [[0, 1]]
    assert coalescer.figures()["refused"] == 2


async def test_each_item_raises_its_own_error() -> None:
    """An exception in the results concerns one submitter."""

    async def call(items: list[int]) -> list[int | Exception]:
        return [KeyError(item) if item % 2 else item for item in items]

    coalescer: Coalescer[int, int] = Coalescer(call, name="t")
    outcomes = await asyncio.gather(*map(coalescer.submit, range(4)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, KeyError, int, KeyError]


async def test_a_call_that_raises_fails_each_item_with_an_instance_of_its_own() -> None:
    """Shared instances would collect the tracebacks of every submitter."""
    to = Destination()
    to.errors = [ValueError("no")]
    coalescer: Coalescer[int, int] = Coalescer(to, name="t", retry=True)
    outcomes = await asyncio.gather(*map(coalescer.submit, range(2)), return_exceptions=True)
    assert [repr(outcome) for outcome in outcomes] == ["ValueError('no')"] * 2
    assert outcomes[0] is not outcomes[1]
    assert await coalescer.submit(5) == 50


async def test_results_of_the_wrong_length_are_a_fault_of_ours() -> None:
    """No submitter gets another one's result."""

    async def call(items: list[int]) -> list[int]:
        return items[1:]

    coalescer: Coalescer[int, int] = Coalescer(call, name="t")
    with pytest.raises(RookeryError, match="0 results for 1 items"):
        await coalescer.submit(1)


async def test_retry_rides_out_a_restart_in_order() -> None:
    """Items of a failed call go again before those that came later."""
    to = Destination()
    to.errors = [ActorUnavailable(), ActorUnavailable()]
    coalescer: Coalescer[int, int] = Coalescer(to, name="t", retry=True, max_batch=2)
    first = [asyncio.create_task(coalescer.submit(i)) for i in range(2)]
    await turns()
    later = asyncio.create_task(coalescer.submit(2))
    assert await asyncio.gather(*first, later) == [0, 10, 20]
    assert to.batches == [[0, 1], [0, 1], [0, 1], [2]]
    assert coalescer.figures()["retries"] == 2


async def test_without_retry_the_error_arrives_and_the_queue_goes_on() -> None:
    """Calls that may not be repeated are not."""
    to = Destination(free=False)
    to.errors = [ActorUnavailable()]
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    first = asyncio.create_task(coalescer.submit(0))
    await turns()
    second = asyncio.create_task(coalescer.submit(1))
    await turns()
    to.free.set()
    with pytest.raises(ActorUnavailable):
        await first
    assert await second == 10


async def test_retries_end_with_the_deadline_and_name_their_reason() -> None:
    """A destination that stays away is a DeadlineExceeded caused by its last error."""
    to = Destination()
    to.errors = [ActorUnavailable() for _ in range(100)]
    coalescer: Coalescer[int, int] = Coalescer(to, name="t", retry=True, deadline_s=0.1)
    with pytest.raises(DeadlineExceeded) as raised:
        await coalescer.submit(0)
    assert isinstance(raised.value.__cause__, ActorUnavailable)
    assert len(to.batches) >= 2


async def test_a_call_that_hangs_is_abandoned() -> None:
    """Its items expire, it is cancelled, and the next batch goes out."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t", deadline_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await coalescer.submit(0)
    await turns()
    assert to.running == 0
    to.free.set()
    assert await coalescer.submit(1) == 10
    assert coalescer.figures()["expired"] == 1


async def test_a_cancelled_item_that_was_not_sent_is_dropped() -> None:
    """Nobody waits for it, so nobody is asked."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    tasks = []
    for i in range(3):
        tasks.append(asyncio.create_task(coalescer.submit(i)))
        await turns()
    tasks[0].cancel()
    tasks[1].cancel()
    await turns()
    to.free.set()
    assert await tasks[2] == 20
    assert to.batches == [[0], [2]]
    assert coalescer.figures()["pending"] == 0


async def test_a_cancelled_call_does_not_cancel_its_submitters() -> None:
    """A callee that was cancelled is an unavailable one."""

    async def call(items: list[int]) -> list[int]:
        raise asyncio.CancelledError

    coalescer: Coalescer[int, int] = Coalescer(call, name="t")
    with pytest.raises(ActorUnavailable):
        await coalescer.submit(0)


async def test_posted_items_are_sent_in_order_with_submitted_ones() -> None:
    """`post` differs from `submit` only in that nobody waits."""
    to = Destination()
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    assert coalescer.post(0)
    task = asyncio.create_task(coalescer.submit(1))
    assert coalescer.post(2)
    assert await task == 10
    assert [item for batch in to.batches for item in batch] == [0, 2, 1]
    await turns()
    assert coalescer.figures()["pending"] == 0


async def test_closing_lets_what_is_pending_finish() -> None:
    """New items are refused meanwhile."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    task = asyncio.create_task(coalescer.submit(0))
    await turns()
    closing = asyncio.create_task(coalescer.aclose())
    await turns()
    with pytest.raises(Unavailable):
        await coalescer.submit(1)
    to.free.set()
    await closing
    assert await task == 0


async def test_closing_fails_what_does_not_finish_in_time() -> None:
    """No submitter is left waiting, and no call is left running."""
    to = Destination(free=False)
    coalescer: Coalescer[int, int] = Coalescer(to, name="t")
    task = asyncio.create_task(coalescer.submit(0))
    await turns()
    await coalescer.aclose(drain_s=0.01)
    with pytest.raises(Unavailable):
        await task
    assert to.running == 0


async def test_figures_give_the_mean_batch_of_the_last_period() -> None:
    """The mean starts over with each reading; the counters do not."""
    coalescer: Coalescer[int, int] = Coalescer(Destination(), name="t")
    await asyncio.gather(*map(coalescer.submit, range(4)))
    await coalescer.submit(1)
    assert coalescer.figures()["batch_mean"] == 2.5
    await coalescer.submit(1)
    figures = coalescer.figures()
    assert (figures["batch_mean"], figures["batches"], figures["items"]) == (1.0, 3, 6)
    assert coalescer.figures()["batch_mean"] == 0.0
