"""Following and unfollowing."""

from collections.abc import Callable
from contextlib import suppress

from rookery.errors import InvalidRequest, NotFound
from rookery.events.kinds import FollowChanged
from rookery.models import Identity
from rookery.services.ports import TimelinePort
from rookery.services.reading.authors import Authors
from rookery.services.reading.pages import Page, check_limit, page_of_rows
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.graph import (
    FOLLOWING,
    NOT_FOLLOWING,
    USER_EXISTS,
    GraphRepository,
    following,
    unfollowing,
)
from rookery.store.records.outbox import adding


class Graph:
    """Who follows whom.

    A change is one batch whose conditions decide whether there is anything to change, so counts
    stay right however many requests come at once.
    """

    def __init__(
        self, store: Store, ids: Callable[[], int], authors: Authors, timelines: TimelinePort
    ) -> None:
        self._store = store
        self._ids = ids
        self._authors = authors
        self._timelines = timelines
        self._graph = GraphRepository(store.reader)

    async def follow(self, identity: Identity, user_id: int) -> bool:
        """Make `identity` follow a user; False if that was so already.

        When this returns, the follower's home shows it.

        Raises:
            InvalidRequest: one cannot follow oneself.
            NotFound: no such user.
        """
        follower_id = identity.user_id
        if user_id == follower_id:
            raise InvalidRequest("You cannot follow yourself", "id")
        operations = following(follower_id, user_id, self._ids())
        return await self._change(operations, follower_id, user_id, True, NOT_FOLLOWING)

    async def unfollow(self, identity: Identity, user_id: int) -> bool:
        """End that `identity` follows a user; False if that was so already. Raises as `follow`."""
        follower_id = identity.user_id
        if user_id == follower_id:
            raise InvalidRequest("You cannot unfollow yourself", "id")
        operations = unfollowing(follower_id, user_id)
        return await self._change(operations, follower_id, user_id, False, FOLLOWING)

    async def followers(self, user_id: int, before: int, limit: int) -> Page:
        """Who follows a user, newest first, below follow id `before` (0: from the newest).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user.
        """
        rows = await self._graph.followers(user_id, before, check_limit(limit) + 1)
        if not rows:
            await self._authors.get(user_id)
        return page_of_rows(rows, limit)

    async def following(self, user_id: int, before: int, limit: int) -> Page:
        """Whom a user follows; as `followers`."""
        rows = await self._graph.followees(user_id, before, check_limit(limit) + 1)
        if not rows:
            await self._authors.get(user_id)
        return page_of_rows(rows, limit)

    async def _change(
        self,
        operations: tuple[Operation, ...],
        follower_id: int,
        followee_id: int,
        follows: bool,
        needed: str,
    ) -> bool:
        event = FollowChanged(
            id=self._ids(), follower_id=follower_id, followee_id=followee_id, follows=follows
        )
        try:
            await self._store.writer.write(WriteBatch((*operations, adding(event))))
        except ConditionFailed as failed:
            if failed.label == USER_EXISTS:
                raise NotFound("User not found") from failed
            if failed.label != needed:
                raise
            return False
        # The event tells the timeline as well, if this does not reach it.
        with suppress(Exception):
            await self._timelines.graph_changed(follower_id, followee_id, follows)
        return True
