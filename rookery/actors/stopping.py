"""Stopping one actor in its own time, for both runtimes.

No actor can use up the time of another one: each has a bound of its own, and those of one stage
stop together. So the whole stop is bounded by the sum over the stages (`STOP_BOUND_S`), and what
holds the store comes last with all of its own time left.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from rookery.actors.runtime import Stage

STOP_BOUND_S = 30.0
"""A server has stopped after this time at the latest; see docs/operations.md."""

log = structlog.get_logger(__name__)


class Hurry(asyncio.Event):
    """Set when whoever stops the server has asked a second time."""


async def stop_in_time(
    name: str,
    stop: Callable[[], Awaitable[object]],
    stage: Stage,
    within_s: float,
    hurry: Hurry,
) -> str | None:
    """Have an actor stop; what went wrong, if anything did. The caller then kills it anyway.

    Gives up after `within_s`, and at once when it is to `hurry`, unless the actor holds the store.
    """
    stopping = asyncio.ensure_future(stop())
    hurrying = asyncio.ensure_future(hurry.wait())
    waited_for = [stopping] if stage is Stage.STORE else [stopping, hurrying]
    try:
        await asyncio.wait(waited_for, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            why = "hurried" if hurry.is_set() and stage is not Stage.STORE else "too slow"
            log.warning("actor did not stop in order", actor=name, reason=why, within_s=within_s)
            return f"{name} did not stop in time and was killed"
        stopping.result()
    except asyncio.CancelledError:
        if not stopping.cancelled():
            raise
        log.warning("actor did not stop in order", actor=name, reason="cancelled")
        return f"{name} did not stop in order"
    except Exception as error:
        log.warning("actor did not stop in order", actor=name, reason=str(error), exc_info=error)
        return f"{name} did not stop in order: {error}"
    finally:
        hurrying.cancel()
        if not stopping.done():
            stopping.cancel()
            await asyncio.wait([stopping], timeout=0.1)
    return None
