"""Whether the server can do its work, for those who ask whether it is ready."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import NamedTuple, Protocol

from rookery.errors import RookeryError, Unavailable
from rookery.store.engine import Reader
from rookery.store.schema import SIGNING_KEYS

FRESH_S = 1.0
"""So long an outcome is used again, however many ask."""
REFUSED_S = 3.0
"""So long after a refused write of somebody's the store does not count as taking writes: on a disk
that is nearly full a small write may succeed between two larger ones that do not."""


async def store_answers(reader: Reader, within_s: float) -> bool:
    """Whether a small read succeeds in time; raises nothing."""
    try:
        async with asyncio.timeout(within_s):
            await reader.select(SIGNING_KEYS, ("kid",), limit=1)
    except (Unavailable, TimeoutError):
        return False
    return True


class Ids(Protocol):
    """What makes ids, under a lease whose renewal is a write."""

    def next_id(self) -> int: ...

    async def renew(self) -> None: ...


class Writing(NamedTuple):
    """What a post needs beside what can be read."""

    writes: bool
    ids: bool


class WriteCheck:
    """Whether the store takes writes and ids can be made, by a small write that is due anyway.

    `refused_s` is when a write of this process was last refused by the store, by `clock_s`.
    """

    def __init__(
        self,
        ids: Ids,
        refused_s: Callable[[], float],
        *,
        within_s: float,
        clock_s: Callable[[], float] = monotonic,
    ) -> None:
        self._ids = ids
        self._refused_s = refused_s
        self._within_s = within_s
        self._clock_s = clock_s
        self._running: asyncio.Task[bool] | None = None
        self._found = False
        self._found_s = -FRESH_S

    async def look(self) -> Writing:
        """The present state; returns in time and raises nothing."""
        if self._clock_s() >= self._found_s + FRESH_S:
            if self._running is None or self._running.done():  # An old outcome says nothing now.
                self._running = asyncio.create_task(self._try())
            running = self._running
            done, _ = await asyncio.wait([running], timeout=self._within_s)
            self._found = bool(done) and running.result()
            self._found_s = self._clock_s()
        was_refused = self._clock_s() < self._refused_s() + REFUSED_S
        return Writing(self._found and not was_refused, self._can_make_ids())

    async def _try(self) -> bool:
        try:
            await self._ids.renew()
        except RookeryError:
            return False
        return True

    def _can_make_ids(self) -> bool:
        try:
            self._ids.next_id()
        except Unavailable:
            return False
        return True


class Readiness:
    """Whether each part answers that requests need.

    `needed` names the parts beside the store as they are now; `answering` says which of them
    answer, within `within_s` and without an error.
    """

    def __init__(
        self,
        reader: Reader,
        writing: WriteCheck,
        needed: Callable[[], Sequence[str]],
        answering: Callable[[Sequence[str]], Awaitable[Collection[str]]],
        *,
        within_s: float,
    ) -> None:
        self._reader = reader
        self._writing = writing
        self._needed = needed
        self._answering = answering
        self._within_s = within_s

    async def look(self) -> Mapping[str, bool]:
        """The parts by name; looks at all of them at once, and raises nothing."""
        needed = self._needed()
        store, present, writing = await asyncio.gather(
            store_answers(self._reader, self._within_s),
            self._answering(needed),
            self._writing.look(),
        )
        parts = {name: name in present for name in needed}
        return {"store": store, **parts, "writes": writing.writes, "ids": writing.ids}
