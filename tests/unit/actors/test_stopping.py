"""Stopping one actor in its own time."""

import asyncio

import pytest

from rookery.actors.runtime import Stage
from rookery.actors.stopping import Hurry, stop_in_time
from rookery.errors import StoreUnavailable


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    """Stops in order."""


async def test_an_orderly_stop_is_no_fault() -> None:
    """Nothing is told of what stopped in time."""
    assert await stop_in_time("a", at_once, Stage.INNER, 1.0, Hurry()) is None


@pytest.mark.parametrize("stage", Stage)
async def test_an_actor_has_its_own_time_only(stage: Stage) -> None:
    """Who does not stop in it is given up, and named."""
    fault = await stop_in_time("a", never, stage, 0.01, Hurry())
    assert fault == "a did not stop in time and was killed"


async def test_an_error_while_stopping_is_told() -> None:
    """With its text."""

    async def fail() -> None:
        raise StoreUnavailable("disk full")

    assert await stop_in_time("a", fail, Stage.STORE, 1.0, Hurry()) == (
        "a did not stop in order: disk full"
    )


@pytest.mark.parametrize("stage", [Stage.SURFACE, Stage.INNER])
async def test_hurry_ends_the_wait(stage: Stage) -> None:
    """Who asks a second time waits for no client."""
    hurry = Hurry()
    stopping = asyncio.create_task(stop_in_time("a", never, stage, 3600.0, hurry))
    await asyncio.sleep(0)
    hurry.set()
    assert await stopping == "a did not stop in time and was killed"


async def test_the_store_is_closed_in_order_all_the_same() -> None:
    """A second request to stop does not cut off the last checkpoint."""
    hurry, closed = Hurry(), asyncio.Event()
    hurry.set()
    stopping = asyncio.create_task(stop_in_time("a", closed.wait, Stage.STORE, 3600.0, hurry))
    await asyncio.sleep(0)
    assert not stopping.done()
    closed.set()
    assert await stopping is None
