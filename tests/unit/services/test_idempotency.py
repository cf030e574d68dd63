"""Requests that may be sent twice and take effect once."""

import asyncio

import pytest

from rookery.errors import IdempotencyMismatch, InvalidRequest
from rookery.services.idempotency import Idempotency, Recorder, Result, fingerprint
from rookery.store.engine import ConditionFailed, Expect, Increment, WriteBatch
from rookery.store.schema import IDEMPOTENCY, TWEET_COUNTS
from tests.unit.memory_store import MemoryStore
from tests.unit.services.account_world import Clock

DAY_S = 86_400


class Counting:
    """A use-case that counts how often it took effect; answers with the count."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.idempotency = Idempotency(self.store, self.clock)
        self.begun = 0

    async def request(self, key: str | None, body: object = "body", scope: int = 1) -> str:
        return await self.idempotency.once(scope, key, body, self._act, self._replay)

    async def _act(self, record: Recorder) -> str:
        self.begun += 1
        answer = f"done {self.begun}"
        counted = Increment(TWEET_COUNTS.name, (1,), {"likes": 1})
        await self.store.write(WriteBatch((*record({"answer": answer}), counted)))
        return answer

    async def _replay(self, result: Result) -> str:
        return f"replayed {result['answer']}"

    @property
    def count(self) -> int:
        return sum(document["likes"] for document in self.store.documents(TWEET_COUNTS))


@pytest.fixture
def counting() -> Counting:
    return Counting()


async def test_without_a_key(counting: Counting) -> None:
    """Without a key each request takes effect, and nothing is recorded."""
    assert [await counting.request(None) for _ in range(2)] == ["done 1", "done 2"]
    assert counting.store.documents(IDEMPOTENCY) == []


async def test_a_repetition_is_replayed(counting: Counting) -> None:
    """The second request is answered from the record."""
    assert await counting.request("k") == "done 1"
    assert await counting.request("k") == "replayed done 1"
    assert counting.count == 1


async def test_keys_and_scopes_are_apart(counting: Counting) -> None:
    """Another key, or the same one of another user, is another request."""
    await counting.request("k")
    await counting.request("K")
    await counting.request("k", "other body", scope=2)
    assert counting.count == 3


async def test_another_request_is_refused(counting: Counting) -> None:
    """The same key with another body is refused and changes nothing."""
    await counting.request("k")
    with pytest.raises(IdempotencyMismatch):
        await counting.request("k", "other body")
    assert counting.count == 1


async def test_requests_at_once(counting: Counting) -> None:
    """Of several at the same time one takes effect, and the others get its answer."""
    answers = await asyncio.gather(*(counting.request("k") for _ in range(4)))
    assert counting.begun > 1, "the requests did not race"
    assert counting.count == 1
    assert len({answer.removeprefix("replayed ") for answer in answers}) == 1


async def test_different_requests_at_once(counting: Counting) -> None:
    """A race between different requests with one key ends in a mismatch for the loser."""
    outcomes = await asyncio.gather(
        counting.request("k", "one"), counting.request("k", "two"), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IdempotencyMismatch", "str"]
    assert counting.count == 1


async def test_a_record_ends(counting: Counting) -> None:
    """After a day the key is free, though the old record may still be there; but only once."""
    await counting.request("k")
    counting.clock.advance(DAY_S - 1)
    assert await counting.request("k") == "replayed done 1"
    counting.clock.advance(1)
    answers = await asyncio.gather(counting.request("k", "new"), counting.request("k", "new"))
    assert counting.count == 2
    assert sorted(answer.split()[0] for answer in answers) == ["done", "replayed"]


async def test_other_conditions_are_the_callers(counting: Counting) -> None:
    """A failed condition of the use-case itself is not mistaken for a repetition."""

    async def act(record: Recorder) -> str:
        failing = Expect(TWEET_COUNTS.name, (1,), True, label="mine")
        await counting.store.write(WriteBatch((*record({}), failing)))
        return "done"

    async def replay(result: Result) -> str:
        return "replayed"

    with pytest.raises(ConditionFailed, match="mine"):
        await counting.idempotency.once(1, "k", "body", act, replay)
    assert counting.store.documents(IDEMPOTENCY) == []


@pytest.mark.parametrize("key", ["", "k" * 256, "ü", "a\nb", "\ud800"])
async def test_malformed_keys(counting: Counting, key: str) -> None:
    """A key that no header could hold, or an endless one, is refused."""
    with pytest.raises(InvalidRequest) as caught:
        await counting.request(key)
    assert caught.value.field == "Idempotency-Key"


def test_fingerprints_do_not_depend_on_order() -> None:
    """Equal requests have equal digests, others have not."""
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint(["a", "b"]) != fingerprint(["ab"])
