"""Following and unfollowing."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from rookery.errors import InvalidRequest, NotFound
from rookery.events.kinds import FollowChanged
from rookery.models import Identity
from rookery.services.ports import TimelinePort
from rookery.services.reading.pages import Chunk, Page, check_limit, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.store.engine import ConditionFailed, Operation, Store, WriteBatch
from rookery.store.records.graph import (
    FOLLOWING,
    NOT_FOLLOWING,
    USER_EXISTS,
    Edge,
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
        self, store: Store, ids: Callable[[], int], reading: Reading, timelines: TimelinePort
    ) -> None:
        self._store = store
        self._ids = ids
        self._reading = reading
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

    async def followers(self, viewer_id: int | None, user_id: int, before: int, limit: int) -> Page:
        """Who follows a user, newest first, below follow id `before` (0: from the newest).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user, or not for this viewer.
            Protected: only those see them whom the user approved.
        """
        return await self._page(self._graph.followers, viewer_id, user_id, before, limit)

    async def following(self, viewer_id: int | None, user_id: int, before: int, limit: int) -> Page:
        """Whom a user follows; as `followers`."""
        return await self._page(self._graph.followees, viewer_id, user_id, before, limit)

    async def _page(
        self,
        rows: Callable[[int, int, int], Awaitable[list[Edge]]],
        viewer_id: int | None,
        user_id: int,
        before: int,
        limit: int,
    ) -> Page:
        check_limit(limit)
        await self._reading.check_lists(viewer_id, user_id)

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await rows(user_id, before, limit), limit)

        return await self._reading.users_page(viewer_id, read, before, limit)

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
