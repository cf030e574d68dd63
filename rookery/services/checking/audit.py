"""Compares the warm timelines with what the store says they should be, and repairs them.

The store is the truth. What is on its way through the queue may be missing from a timeline for a
moment, so a difference counts only if it is still there after the queue has been emptied.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from typing import Protocol

import msgspec

from rookery.messages import WarmTimeline
from rookery.models import PostKind
from rookery.store import clock_ms
from rookery.store.engine import Store
from rookery.store.records.home_sources import HomeSourceRepository
from rookery.store.schema import POSTS

MAX_POSTS_PER_AUTHOR = 1_000_000
BATCH = 50


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is wrong with one user's warm timeline."""

    user_id: int
    missing: list[int]
    foreign: list[int]
    doubled: list[int]
    wrong_kind: list[int]
    disordered: bool
    not_followed: list[int]
    not_unfollowed: list[int]

    @property
    def is_fault(self) -> bool:
        return bool(
            self.missing
            or self.foreign
            or self.doubled
            or self.wrong_kind
            or self.disordered
            or self.not_followed
            or self.not_unfollowed
        )


class AuditPort(Protocol):
    """The warm timelines of all shards. Each method may raise `Unavailable`."""

    async def warm_users(self) -> list[int]:
        """Users whose timelines are in memory."""
        ...

    async def inspect(self, user_ids: Sequence[int]) -> list[WarmTimeline | None]:
        """What memory serves of each; None where it is no longer warm."""
        ...

    async def rebuild(self, user_ids: Sequence[int]) -> None:
        """Build these timelines anew from the store, with whom they follow and hide."""
        ...


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far an audit is, and the faults that were found (and repaired) since the last one."""

    checked: int
    total: int
    findings: list[Finding] = []


class Audit:
    """`fsck` for timelines."""

    def __init__(
        self,
        store: Store,
        timelines: AuditPort,
        visible: Callable[[int, Sequence[int]], Awaitable[Set[int]]],
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        """`visible` tells which of some tweets a user may see; `settle` returns when everything
        committed before has been delivered."""
        self._reader = store.reader
        self._homes = HomeSourceRepository(store.reader)
        self._timelines = timelines
        self._visible = visible
        self._settle = settle

    async def run(self, *, repair: bool) -> AsyncIterator[Progress]:
        """Check every warm timeline, telling of the progress after each batch."""
        users = await self._timelines.warm_users()
        yield Progress(checked=0, total=len(users))
        for first in range(0, len(users), BATCH):
            batch = users[first : first + BATCH]
            faults = await self._faults(batch)
            if faults:
                await self._settle()
                faults = await self._faults([fault.user_id for fault in faults])
            if faults and repair:
                await self._timelines.rebuild([fault.user_id for fault in faults])
            yield Progress(checked=first + len(batch), total=len(users), findings=faults)

    async def _faults(self, user_ids: Sequence[int]) -> list[Finding]:
        found = []
        for user_id, warm in zip(user_ids, await self._timelines.inspect(user_ids), strict=True):
            if warm is not None:
                finding = await self._compare(user_id, warm)
                if finding.is_fault:
                    found.append(finding)
        return found

    async def _compare(self, user_id: int, warm: WarmTimeline) -> Finding:
        authors = set((await self._homes.of(user_id, clock_ms())).author_ids)
        lists = await self._reader.select_many(
            POSTS,
            ("tweet_id", "kind"),
            [(author_id,) for author_id in authors],
            after=(warm.floor - 1,),
            limit=MAX_POSTS_PER_AUTHOR,
        )
        truth = {tweet_id: kind for posts in lists for tweet_id, kind in posts}
        ids = [tweet_id for tweet_id, _ in warm.posts]
        served = dict(warm.posts)
        missing = await self._missing(user_id, truth, served)
        return Finding(
            user_id=user_id,
            missing=missing,
            foreign=sorted(served.keys() - truth.keys()),
            doubled=sorted({i for i in ids if ids.count(i) > 1}) if len(served) < len(ids) else [],
            wrong_kind=sorted(i for i, k in served.items() if truth.get(i, k) != k),
            disordered=not warm.is_sound or ids != sorted(ids, reverse=True),
            not_followed=sorted(authors - set(warm.following)),
            not_unfollowed=sorted(set(warm.following) - authors),
        )

    async def _missing(
        self, user_id: int, truth: dict[int, int], served: dict[int, int]
    ) -> list[int]:
        """Posts that the timeline should hold. One that is not for everybody need not be in the
        timeline of who may not see it: nobody is told of it there."""
        missing = truth.keys() - served.keys()
        restricted = sorted(each for each in missing if truth[each] & PostKind.RESTRICTED)
        if restricted:
            missing -= set(restricted) - set(await self._visible(user_id, restricted))
        return sorted(missing)
