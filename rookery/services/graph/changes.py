"""How a change of the graph is committed, and who is told of it.

Every change is one batch: what it writes, the conditions that it was decided on, and its events.
Once it is committed, timelines and caches are told before the request is answered, so that the next
read in every process shows it. That is best effort, which the events of the same batch back.
"""

import asyncio
from collections.abc import Callable, Sequence

from rookery.errors import StoreUnavailable, Unavailable
from rookery.events.kinds import Event, FollowChanged, HiddenChanged
from rookery.services.ports import Invalidation, InvalidationPort, TimelinePort
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.outbox import adding

FollowChange = tuple[int, int, bool]
"""Follower id, followee id, and whether the one follows the other now."""


class GraphChanges:
    """Commits changes of the graph."""

    def __init__(
        self,
        store: Store,
        ids: Callable[[], int],
        timelines: TimelinePort,
        invalidations: InvalidationPort,
    ) -> None:
        self._store = store
        self._ids = ids
        self._timelines = timelines
        self._invalidations = invalidations

    async def commit(
        self,
        operations: Sequence[Operation],
        *,
        follows: Sequence[FollowChange] = (),
        hidden: Sequence[int] = (),
        viewers: Sequence[int] = (),
    ) -> bool:
        """Make `operations` durable with the events of what they change; tell who must know.

        `follows` begin or end with them, what is hidden from the users `hidden` changes, and
        `viewers` see something else of other people than before. False where a condition of
        `operations` does not hold: then nothing has taken effect, and it must be decided anew.

        Raises:
            StoreUnavailable: nothing has taken effect.
            Unavailable: the outcome is unknown.
        """
        if not await self.write(operations, follows=follows, hidden=hidden):
            return False
        await self.tell(follows=follows, hidden=hidden, viewers=viewers)
        return True

    async def write(
        self,
        operations: Sequence[Operation],
        *,
        follows: Sequence[FollowChange] = (),
        hidden: Sequence[int] = (),
    ) -> bool:
        """As `commit`, without telling anybody but by events; `tell` must follow."""
        events: list[Event] = [
            FollowChanged(id=self._ids(), follower_id=one, followee_id=other, follows=now)
            for one, other, now in follows
        ]
        if hidden:
            events.append(HiddenChanged(id=self._ids(), user_ids=list(hidden)))
        try:
            await self._store.writer.write(WriteBatch((*operations, *map(adding, events))))
        except ConditionFailed:
            return False
        except StoreUnavailable:
            raise
        except Unavailable:
            await self.tell(follows=follows, hidden=hidden)
            raise
        return True

    async def tell(
        self,
        *,
        follows: Sequence[FollowChange] = (),
        hidden: Sequence[int] = (),
        viewers: Sequence[int] = (),
    ) -> None:
        """Have timelines and caches of all processes take in what is committed."""
        changed = {*viewers, *hidden, *(follower_id for follower_id, _, _ in follows)}
        if changed:
            await asyncio.gather(
                *(self._timelines.graph_changed(*change) for change in follows),
                *([self._timelines.hidden_changed(hidden)] if hidden else []),
                self._invalidations.broadcast(Invalidation(viewers=sorted(changed))),
                return_exceptions=True,
            )
