"""Following and unfollowing."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rookery.errors import Forbidden, Unavailable
from rookery.models import Identity, User
from rookery.services.graph.changes import GraphChanges
from rookery.services.graph.people import TOO_OFTEN, People
from rookery.services.reading.pages import Chunk, Page, check_limit, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.turns import ATTEMPTS
from rookery.store.engine import Operation, Store
from rookery.store.records.blocks import no_block
from rookery.store.records.graph import (
    Edge,
    GraphRepository,
    follow_operations,
    not_following,
    unfollow_operations,
    user_unchanged,
)
from rookery.store.records.relations import Relation
from rookery.store.records.requests import (
    end_request_operations,
    not_requested,
    request_operations,
)


class Followed(NamedTuple):
    """How a user stands to another one after a change, and whether it was one."""

    following: bool
    requested: bool
    changed: bool


class Graph:
    """Who follows whom.

    A change is one batch whose conditions are all that it was decided on: the followee's account
    (and with it whether it is private), blocks in both directions, the follow and the request. So
    counts and lists stay right whoever follows, blocks, approves or turns private at once.
    """

    def __init__(
        self, store: Store, ids: Callable[[], int], reading: Reading, changes: GraphChanges
    ) -> None:
        self._ids = ids
        self._changes = changes
        self._people = People(store)
        self._reading = reading
        self._graph = GraphRepository(store.reader)

    async def follow(self, identity: Identity, user_id: int) -> Followed:
        """Make `identity` follow a user, or ask to where the account is private.

        When this returns, the follower's home shows it.

        Raises:
            InvalidRequest: one cannot follow oneself.
            NotFound: no such user.
            Forbidden: one blocks the user.
            Unavailable: others change it all the time.
        """
        for _ in range(ATTEMPTS):
            followee, relation = await self._people.visible(identity.user_id, user_id)
            if relation.block_id is not None:
                raise Forbidden("You block this user")
            if relation.follow_id is not None:
                return Followed(following=True, requested=False, changed=False)
            if followee.is_private and relation.request_id is not None:
                return Followed(following=False, requested=True, changed=False)
            if await self._try_to_follow(followee, relation):
                follows = not followee.is_private
                return Followed(following=follows, requested=not follows, changed=True)
        raise Unavailable(TOO_OFTEN)

    async def _try_to_follow(self, followee: User, relation: Relation) -> bool:
        follower_id, followee_id = relation.user_id, followee.id
        operations = [user_unchanged(followee), *no_block(follower_id, followee_id)]
        if followee.is_private:
            operations.append(not_following(follower_id, followee_id))
            operations += request_operations(follower_id, followee_id, self._ids())
            return await self._changes.commit(operations)
        operations += follow_operations(follower_id, followee_id, self._ids())
        operations += _without_request(relation)
        return await self._changes.commit(operations, follows=[(follower_id, followee_id, True)])

    async def unfollow(self, identity: Identity, user_id: int) -> Followed:
        """End that `identity` follows a user, or asks to; whatever became of the user.

        Raises:
            InvalidRequest: one cannot unfollow oneself.
            Unavailable: others change it all the time.
        """
        follower_id = identity.user_id
        for _ in range(ATTEMPTS):
            relation = await self._people.relation(follower_id, user_id)
            if relation.follow_id is not None:
                changed = await self._changes.commit(
                    unfollow_operations(follower_id, user_id, relation.follow_id),
                    follows=[(follower_id, user_id, False)],
                )
            elif relation.request_id is not None:
                changed = await self._changes.commit(
                    end_request_operations(follower_id, user_id, relation.request_id)
                )
            else:
                return Followed(following=False, requested=False, changed=False)
            if changed:
                return Followed(following=False, requested=False, changed=True)
        raise Unavailable(TOO_OFTEN)

    async def remove_follower(self, identity: Identity, user_id: int) -> bool:
        """End that a user follows `identity`; False if that was so already.

        Raises:
            InvalidRequest: one does not follow oneself.
            Unavailable: others change it all the time.
        """
        for _ in range(ATTEMPTS):
            relation = await self._people.relation(identity.user_id, user_id)
            if relation.followed_id is None:
                return False
            if await self._changes.commit(
                unfollow_operations(user_id, identity.user_id, relation.followed_id),
                follows=[(user_id, identity.user_id, False)],
            ):
                return True
        raise Unavailable(TOO_OFTEN)

    async def followers(self, viewer_id: int | None, user_id: int, before: int, limit: int) -> Page:
        """Who follows a user, newest first, below follow id `before` (0: from the newest).

        Without those who are in a block with the viewer.

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


def _without_request(relation: Relation) -> tuple[Operation, ...]:
    """What makes a follow end the request for it, which there may be of a former time."""
    ids = (relation.user_id, relation.other_id)
    if relation.request_id is None:
        return (not_requested(*ids),)
    return end_request_operations(*ids, relation.request_id)
