"""Work that a change leaves to be done after it."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from rookery.errors import StoreUnavailable
from rookery.ids import first_id_at
from rookery.services import deferred
from rookery.services.deferred import LOOK_S, MAX_AT_ONCE, DeferredWork, Note

NOW_MS = 1_800_000_000_000
OLD, YOUNG = first_id_at(NOW_MS - int(LOOK_S * 1000)), first_id_at(NOW_MS)


class Counting(DeferredWork):
    """Each piece of work is a number of steps."""

    kind: ClassVar[str] = "counting"
    awaited_steps: ClassVar[int] = 2

    def __init__(self) -> None:
        super().__init__(lambda: YOUNG)
        self.left: dict[int, int] = {}
        self.tokens: dict[int, int] = {}
        self.is_store_away = False
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def finish(self, subject_id: int, steps: int = 0) -> bool:
        if not steps:
            await self.may_go_on.wait()
        if self.is_store_away:
            raise StoreUnavailable("away")
        left = self.left.get(subject_id, 0)
        self.left[subject_id] = max(0, left - steps) if steps else 0
        return self.left[subject_id] == 0

    async def _noted(self, after_id: int, limit: int) -> list[Note]:
        if self.is_store_away:
            raise StoreUnavailable("away")
        open_ = sorted(each for each, left in self.left.items() if left and each > after_id)
        return [Note(each, self.tokens.get(each, OLD)) for each in open_[:limit]]


async def happens(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for says nothing of itself
            await asyncio.sleep(0)


async def test_the_first_steps_are_awaited_and_the_others_are_not() -> None:
    """They are done in the background, soon after."""
    work = Counting()
    work.left = {1: 2, 2: 3}
    work.may_go_on.clear()
    await work.begin(1)
    await work.begin(2)
    assert work.left == {1: 0, 2: 1}
    work.may_go_on.set()
    await happens(lambda: work.left == {1: 0, 2: 0})


async def test_the_background_is_bounded() -> None:
    """What is too much waits until some process looks."""
    work = Counting()
    work.left = dict.fromkeys(range(1, MAX_AT_ONCE + 3), 9)
    work.may_go_on.clear()
    for subject in list(work.left):
        await work.begin(subject)
    work.may_go_on.set()
    await happens(lambda: list(work.left.values()).count(0) == MAX_AT_ONCE)
    await asyncio.sleep(0)
    assert [left for left in work.left.values() if left] == [7, 7]
    assert await work.look() == 2


async def test_closing_ends_the_background() -> None:
    """And leaves the work as it is."""
    work = Counting()
    work.left = {1: 3}
    work.may_go_on.clear()
    await work.begin(1)
    await work.close()
    work.may_go_on.set()
    assert work.left == {1: 1}


async def test_a_store_that_is_away_puts_work_off() -> None:
    """The change is done all the same; the log says that something is left."""
    work = Counting()
    work.left = {1: 3}
    work.is_store_away = True
    with capture_logs() as logs:
        await work.begin(1)
    assert [(line["event"], line["kind"], line["subject"]) for line in logs] == [
        ("work put off", "counting", 1)
    ]


async def test_young_work_is_left_to_who_began_it() -> None:
    """Unless everything is to be settled."""
    work = Counting()
    work.left = {1: 3, 2: 3}
    work.tokens = {1: YOUNG}
    assert await work.look() == 1
    assert work.left == {1: 3, 2: 0}
    await work.settle()
    assert work.left == {1: 0, 2: 0}


async def test_whoever_runs_looks_again_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was away is asked again, and again."""
    monkeypatch.setattr(deferred, "LOOK_S", 0.001)
    work = Counting()
    work.left = {1: 3}
    work.is_store_away = True
    with capture_logs() as logs:
        running = asyncio.create_task(work.run())
        await happens(lambda: logs)
        work.is_store_away = False
        await happens(lambda: work.left == {1: 0})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert {line["event"] for line in logs} == {"work not looked for"}
