"""The rules of batching, as a model: whatever happens, each item has exactly one end."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rookery.actors.coalescing import (
    LONGEST_BACKOFF_S,
    SWEEP_AT,
    Batch,
    BatchQueue,
    Entry,
)
from rookery.errors import ActorUnavailable, Overloaded, RookeryError

DEADLINE_S = 5.0
MAX_BATCH = 3
MAX_PENDING = 7


class Batching(RuleBasedStateMachine):
    """Items are numbers in the order of their arrival; each is its own waiter."""

    retry = False

    def __init__(self) -> None:
        super().__init__()
        self.queue: BatchQueue[int, int] = BatchQueue(
            max_batch=MAX_BATCH, max_pending=MAX_PENDING, deadline_s=DEADLINE_S, retry=self.retry
        )
        self.now = 0.0
        self.offered = 0
        self.waiting: dict[int, Entry[int, int]] = {}
        self.sent: Batch[int, int] | None = None
        self.resend: list[int] = []
        self.last_sent = -1

    def end(self, item: int) -> None:
        """Fails if `item` has ended before."""
        del self.waiting[item]

    @rule(count=st.integers(1, 4))
    def offer(self, count: int) -> None:
        for _ in range(count):
            if len(self.waiting) == MAX_PENDING:
                with pytest.raises(Overloaded):
                    self.queue.offer(-1, -1, self.now)
                return
            item = self.offered
            self.offered += 1
            self.waiting[item] = self.queue.offer(item, item, self.now)

    @rule()
    def take(self) -> None:
        batch = self.queue.take(self.now)
        if self.sent is not None:
            assert batch is None
            return
        if batch is None:
            return
        assert 1 <= len(batch.items) <= MAX_BATCH
        assert set(batch.items) <= self.waiting.keys()
        again = [item for item in self.resend if item in self.waiting]
        assert batch.items[: len(again)] == again[: len(batch.items)]
        for item in batch.items[len(again) :]:
            assert item > self.last_sent
            self.last_sent = item
        self.resend = again[len(batch.items) :]
        self.sent = batch

    @precondition(lambda self: self.sent is not None)
    @rule()
    def answer(self) -> None:
        assert self.sent is not None
        for waiter, result in self.queue.answer(self.sent, [i * 10 for i in self.sent.items]):
            assert result == waiter * 10
            self.end(waiter)
        assert not any(item in self.waiting for item in self.sent.items)
        self.sent = None

    @precondition(lambda self: self.sent is not None)
    @rule(error=st.sampled_from([ActorUnavailable(), ValueError("no")]), jitter=st.floats(0, 0.99))
    def fail(self, error: Exception, jitter: float) -> None:
        assert self.sent is not None
        outcomes = self.queue.fail(self.sent, error, self.now, jitter)
        if self.retry and isinstance(error, ActorUnavailable):
            assert not outcomes
            self.resend = [*self.sent.items, *self.resend]
        else:
            for waiter, result in outcomes:
                assert result is error
                self.end(waiter)
            assert not any(item in self.waiting for item in self.sent.items)
        self.sent = None

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.waiting)))
        entry = self.waiting[item]
        self.end(item)
        self.queue.cancel(entry)
        self.queue.cancel(entry)  # a second time does nothing

    @rule(seconds=st.sampled_from([0.0, 0.03, 0.5, 2.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        late, abandoned = self.queue.expire(self.now)
        due = [i for i, entry in self.waiting.items() if entry.deadline <= self.now]
        assert late == sorted(due)
        for item in late:
            self.end(item)
        if abandoned:
            assert self.sent is not None
            assert self.queue.answer(self.sent, [0] * len(self.sent.items)) == ()
            self.sent = None

    @invariant()
    def counts_what_waits(self) -> None:
        assert self.queue.pending == len(self.waiting)

    @invariant()
    def wakes_in_time_for_whatever_waits(self) -> None:
        if self.waiting:
            wake_at = self.queue.wake_at()
            assert wake_at is not None
            assert wake_at <= min(entry.deadline for entry in self.waiting.values())
            if self.sent is None and any(item in self.waiting for item in self.resend):
                assert wake_at <= self.now + LONGEST_BACKOFF_S

    def teardown(self) -> None:
        assert self.queue.clear() == sorted(self.waiting)
        assert self.queue.pending == 0


class RetryingBatching(Batching):
    retry = True


TestBatching = Batching.TestCase
TestRetryingBatching = RetryingBatching.TestCase


def sent(queue: BatchQueue[str, str], items: str, now: float = 0.0) -> Batch[str, str]:
    for item in items:
        queue.offer(item, item, now)
    batch = queue.take(now)
    assert batch is not None
    return batch


def test_each_item_gets_its_own_error() -> None:
    """An exception among the results is one item's outcome, not the batch's."""
    queue: BatchQueue[str, str] = BatchQueue()
    error = KeyError("b")
    assert queue.answer(sent(queue, "ab"), [1, error]) == [("a", 1), ("b", error)]


def test_results_of_the_wrong_length_fail_every_item() -> None:
    """Results that cannot be told apart are given to nobody."""
    queue: BatchQueue[str, str] = BatchQueue()
    outcomes = queue.answer(sent(queue, "ab"), [1])
    assert [waiter for waiter, _ in outcomes] == ["a", "b"]
    assert {type(error) for _, error in outcomes} == {RookeryError}


def test_a_destination_that_never_answers_is_given_up_with_its_last_item() -> None:
    """The queue behind a call that hangs moves on once nobody waits for that call."""
    queue: BatchQueue[str, str] = BatchQueue(max_batch=2, deadline_s=1.0)
    queue.offer("a", "a", 0.0)
    queue.offer("b", "b", 0.5)
    assert queue.take(0.5) is not None
    queue.offer("c", "c", 0.6)
    assert queue.expire(1.0) == (["a"], False)
    assert queue.take(1.0) is None
    assert queue.expire(1.5) == (["b"], True)
    following = queue.take(1.5)
    assert following is not None
    assert following.items == ["c"]


def test_backoff_doubles_to_its_limit_and_starts_over_after_an_answer() -> None:
    """50 ms, doubling to 500 ms, the upper half of it random."""
    queue: BatchQueue[str, str] = BatchQueue(retry=True, deadline_s=1000)
    queue.offer("a", "a", 0.0)
    now, waits = 0.0, []
    for jitter in (0.0, 0.5, 0.0, 0.0, 0.0, 0.0):
        batch = queue.take(now)
        assert batch is not None
        queue.fail(batch, ActorUnavailable(), now, jitter)
        wake_at = queue.wake_at()
        assert wake_at is not None
        assert queue.take(wake_at - 0.001) is None
        waits.append(round(wake_at - now, 4))
        now = wake_at
    assert waits == [0.025, 0.075, 0.1, 0.2, 0.25, 0.25]
    batch = queue.take(now)
    assert batch is not None
    queue.answer(batch, [1])
    queue.fail(sent(queue, "b", now), ActorUnavailable(), now, 0.0)
    assert queue.wake_at() == pytest.approx(now + 0.025)


def test_dropped_items_do_not_pile_up_behind_a_call_that_hangs() -> None:
    """Submitters that come and go leave the queue as short as those that stay."""
    queue: BatchQueue[int, int] = BatchQueue(max_pending=3)
    queue.offer(0, 0, 0.0)
    assert queue.take(0.0) is not None
    for item in range(1, 10 * SWEEP_AT):
        queue.cancel(queue.offer(item, item, 0.0))
    assert len(queue._queue) < 2 * SWEEP_AT
    assert queue.pending == 1


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"max_pending": 0}, {"deadline_s": 0.0}])
def test_limits_must_be_positive(wrong: dict[str, int]) -> None:
    """A queue that could never send anything is refused at once."""
    with pytest.raises(ValueError, match="positive"):
        BatchQueue(**wrong)  # type: ignore[arg-type]


TestBatching.settings = settings(stateful_step_count=40)
TestRetryingBatching.settings = TestBatching.settings
