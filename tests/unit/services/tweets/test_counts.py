"""Spreading changes of counts."""

import asyncio

from rookery.services.ports import Invalidation
from rookery.services.tweets.counts import CountChanges
from tests.unit.services.server import Server


class SlowPort:
    """Notes what it is given, and answers when `resume` is set."""

    def __init__(self) -> None:
        self.begun: list[Invalidation] = []
        self.first = asyncio.Event()
        self.resume = asyncio.Event()

    async def broadcast(self, change: Invalidation) -> bool:
        self.begun.append(change)
        self.first.set()
        await self.resume.wait()
        return True


async def test_what_changes_during_a_broadcast_goes_out_together_after_it() -> None:
    """One broadcast at a time, each tweet once, none forgotten."""
    port = SlowPort()
    changes = CountChanges(Server().reading, port)
    first = changes.announce([1])
    async with asyncio.timeout(2):
        await port.first.wait()
    for tweet_id in (2, 3, 2, 1):
        last = changes.announce([tweet_id])
        await asyncio.sleep(0)
    assert port.begun == [Invalidation(counts=[1])]
    port.resume.set()
    await asyncio.gather(first, last)
    assert port.begun == [Invalidation(counts=[1]), Invalidation(counts=[1, 2, 3])]


async def test_who_announces_can_wait_until_everybody_was_told() -> None:
    """So that a like is answered when every gateway shows it, and not before."""
    port = SlowPort()
    changes = CountChanges(Server().reading, port)
    told = asyncio.ensure_future(changes.announce([1], viewer_id=7))
    async with asyncio.timeout(2):
        await port.first.wait()
    assert not told.done()
    port.resume.set()
    await told
    assert port.begun == [Invalidation(counts=[1], viewers=[7])]


async def test_who_gives_up_waiting_takes_nobody_along() -> None:
    """Others wait for the same broadcast."""
    port = SlowPort()
    changes = CountChanges(Server().reading, port)
    impatient = asyncio.ensure_future(changes.announce([1]))
    patient = asyncio.ensure_future(changes.announce([2]))
    impatient.cancel()
    port.resume.set()
    await patient
    assert impatient.cancelled()
