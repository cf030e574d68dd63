"""Telling a shard of posts by its users, before they are answered.

Every post waits for this, so it costs little: what comes during a call is the next one, as one
array.
"""

import asyncio
from time import monotonic

import numpy as np
import structlog

from rookery.actors.runtime import ActorRef
from rookery.errors import RookeryError

log = structlog.get_logger(__name__)

WITHIN_S = 0.25
"""So long a post waits at the most for a call; then the fan-out brings it, as to all others."""
SILENT_S = 2.0
"""So long a shard is not waited for that did not answer in time."""


class OwnPostsEdge:
    """One process's way to one shard. Belongs to its event loop."""

    def __init__(self, ref: ActorRef) -> None:
        self._ref = ref
        self._posts: list[int] = []
        # One for each who waits: one that is given up must not cancel the others'.
        self._waiters: list[asyncio.Future[None]] = []
        self._telling: asyncio.Task[None] | None = None
        self._silent_until_s = 0.0

    async def tell(self, author_id: int, tweet_id: int, kind: int) -> None:
        """Have the author's warm timeline show a post; returns in time whatever becomes of it."""
        if monotonic() < self._silent_until_s:
            return
        loop = asyncio.get_running_loop()
        self._posts += (author_id, tweet_id, kind)
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        if self._telling is None:
            self._telling = loop.create_task(self._tell())
        await waiter

    async def _tell(self) -> None:
        try:
            while self._waiters:
                posts, self._posts = self._posts, []
                waiters, self._waiters = self._waiters, []
                try:
                    await self._call(np.array(posts, dtype=np.int64).tobytes())
                finally:
                    for waiter in waiters:
                        if not waiter.done():
                            waiter.set_result(None)
        finally:
            self._telling = None

    async def _call(self, posts: bytes) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._ref.call("posted", posts)
        except TimeoutError:
            self._silent_until_s = monotonic() + SILENT_S
        except RookeryError:
            pass  # it is dead: what is built anew comes from the store
        except Exception:  # A fault of ours, for which no post may wait.
            log.exception("a shard was not told of posts")

    async def aclose(self) -> None:
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=WITHIN_S)
