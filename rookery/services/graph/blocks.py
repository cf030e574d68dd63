"""Blocking: two users see nothing of each other, on any path."""

from collections.abc import Callable, Sequence
from functools import partial

from rookery.errors import Forbidden, Unavailable
from rookery.models import Identity
from rookery.services.graph.changes import FollowChange, GraphChanges
from rookery.services.graph.people import TOO_OFTEN, People, filled_page
from rookery.services.graph.replacing import Replacement, for_all, replacement_of
from rookery.services.reading.pages import Page
from rookery.services.turns import ATTEMPTS
from rookery.store.engine import Operation, Store
from rookery.store.records.blocks import (
    BlockRepository,
    block_operations,
    unblock_operations,
)
from rookery.store.records.graph import not_following, unfollow_operations
from rookery.store.records.relations import Relation
from rookery.store.records.requests import end_request_operations, not_requested

MAX_BLOCKS = 5_000
"""So many users one may block: what a viewer hides is held in memory and looked up by everything
that is shown. Several requests at once may go a little beyond."""


class Blocks:
    """Who blocks whom.

    One may block whomever one cannot see: somebody who blocks oneself, or is suspended. To block
    somebody who is not there does the same but for the block itself, and cannot be told from it.
    """

    def __init__(self, store: Store, ids: Callable[[], int], changes: GraphChanges) -> None:
        self._ids = ids
        self._changes = changes
        self._people = People(store)
        self._blocks = BlockRepository(store.reader)

    async def block(self, identity: Identity, user_id: int) -> bool:
        """Make `identity` block a user; False if that was so already.

        Ends follows and requests in both directions. When this returns, no process shows the one
        to the other any more.

        Raises:
            InvalidRequest: one cannot block oneself.
            Forbidden: one blocks `MAX_BLOCKS` users already.
            Unavailable: others change it all the time.
        """
        blocked = await self._blocks.blocked_ids(identity.user_id, 2 * MAX_BLOCKS)
        has_room = await self._people.has_room(identity.user_id, blocked, MAX_BLOCKS)
        return await self._block(identity.user_id, user_id, has_room=has_room)

    async def _block(self, blocker_id: int, user_id: int, *, has_room: bool = True) -> bool:
        for _ in range(ATTEMPTS):
            other, is_visible, relation = await self._people.look(blocker_id, user_id)
            is_new = relation.block_id is None
            if not is_new and is_visible:
                return False
            if is_new and not has_room:
                raise Forbidden(f"Nobody can block more than {MAX_BLOCKS} users")
            operations: list[Operation] = []
            follows: list[FollowChange] = []
            if is_new and other is not None:
                operations, follows = self._blocking(relation)
            if await self._changes.commit(
                operations, follows=follows, hidden=[blocker_id, user_id]
            ):
                return is_new
        raise Unavailable(TOO_OFTEN)

    def _blocking(self, relation: Relation) -> tuple[list[Operation], list[FollowChange]]:
        """What makes a block, and the follows that end with it.

        That there is no follow and no request is a condition like that there is one: one that
        came to be meanwhile would else outlast the block.
        """
        one, other = relation.user_id, relation.other_id
        operations = [*block_operations(one, other, self._ids())]
        follows: list[FollowChange] = []
        for follower, followee, follow_id, request_id in (
            (one, other, relation.follow_id, relation.request_id),
            (other, one, relation.followed_id, relation.asked_id),
        ):
            if follow_id is None:
                operations.append(not_following(follower, followee))
            else:
                operations += unfollow_operations(follower, followee, follow_id)
                follows.append((follower, followee, False))
            if request_id is None:
                operations.append(not_requested(follower, followee))
            else:
                operations += end_request_operations(follower, followee, request_id)
        return operations, follows

    async def unblock(self, identity: Identity, user_id: int) -> bool:
        """End that `identity` blocks a user; False if that was so already.

        What the block ended does not come back. Possible whatever became of the user.

        Raises:
            InvalidRequest: one does not block oneself.
            Unavailable: others change it all the time.
        """
        blocker_id = identity.user_id
        for _ in range(ATTEMPTS):
            relation = await self._people.relation(blocker_id, user_id)
            if relation.block_id is None:
                return False
            operations = unblock_operations(blocker_id, user_id, relation.block_id)
            if await self._changes.commit(operations, hidden=[blocker_id, user_id]):
                return True
        raise Unavailable(TOO_OFTEN)

    async def blocked(self, identity: Identity, before: int, limit: int) -> Page:
        """Whom `identity` blocks, newest first, below block id `before` (0: from the newest).

        Without those who are not to be seen, because they block `identity` as well: that an entry
        without a profile stays would tell of it.

        Raises:
            InvalidRequest: `limit` is out of bounds.
        """
        user_id = identity.user_id
        read = partial(self._blocks.blocked, user_id)
        return await filled_page(read, partial(self._people.not_blocking, user_id), before, limit)

    async def replacement(self, identity: Identity, wanted: Sequence[int]) -> Replacement:
        """What it takes that `identity` blocks just these users.

        Raises:
            InvalidRequest: one of them is oneself, or there are too many.
        """
        present = await self._blocks.blocked_ids(identity.user_id, 2 * MAX_BLOCKS)
        return replacement_of(identity.user_id, present, wanted, "blockedUsers")

    async def replace(self, identity: Identity, replacement: Replacement) -> None:
        """Do what `replacement` found; those who are not there are passed over."""
        await for_all(partial(self.unblock, identity), replacement.removed)
        await for_all(partial(self._block, identity.user_id), replacement.added)
