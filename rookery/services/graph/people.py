"""Looking at another user before changing how one stands to that user."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from rookery.domain.visibility import ACTIVE
from rookery.errors import InvalidRequest, NotFound
from rookery.models import User
from rookery.services.reading.pages import Page, Scan, chunk_of_rows
from rookery.store.engine import Store
from rookery.store.records.blocks import BlockRepository
from rookery.store.records.relations import Relation, RelationRepository
from rookery.store.records.users import Users

TOO_OFTEN = "This is being changed too often; try again"

ReadRows = Callable[[int, int], Awaitable[Sequence[tuple[int, int]]]]
"""(Below this position, at most so many) to rows of (user id, position)."""
Keep = Callable[[Sequence[int]], Awaitable[set[int]]]
"""Which of these users a list may show."""


class Other(NamedTuple):
    """Another user, seen by one who wants to do something to them.

    `user` is None where there is none, `is_visible` False as well where the user blocks the one who
    looks, or is suspended. What is answered must be the same in all these cases, and take as long.
    """

    user: User | None
    is_visible: bool
    relation: Relation


class People:
    """Users and how one stands to them, as the store has it now; no cache is between."""

    def __init__(self, store: Store) -> None:
        self._users = Users(store.reader)
        self._relations = RelationRepository(store.reader)
        self._blocks = BlockRepository(store.reader)

    async def relation(self, user_id: int, other_id: int) -> Relation:
        """How a user stands to another one, be there such a user or not.

        Raises:
            InvalidRequest: both are the same.
        """
        _check_others(user_id, other_id)
        return await self._relations.pair(user_id, other_id)

    async def look(self, user_id: int, other_id: int) -> Other:
        """Another user, and how the two stand.

        Raises:
            InvalidRequest: both are the same.
        """
        _check_others(user_id, other_id)
        other, relation = await asyncio.gather(
            self._users.get(other_id), self._relations.pair(user_id, other_id)
        )
        is_there = other is not None and other.status == ACTIVE
        return Other(other, is_there and relation.blocked_id is None, relation)

    async def visible(self, user_id: int, other_id: int) -> tuple[User, Relation]:
        """Another user as `user_id` sees them, and how the two stand.

        Raises:
            InvalidRequest: both are the same.
            NotFound: there is no such user for `user_id`.
        """
        other, is_visible, relation = await self.look(user_id, other_id)
        if other is None or not is_visible:
            raise NotFound("User not found")
        return other, relation

    async def has_room(self, user_id: int, listed: Sequence[int], most: int) -> bool:
        """Whether a list of `user_id` may have one more, where `most` are allowed.

        Who is not to be seen does not count: that the list is full would tell of them.
        """
        return len(listed) < most or len(await self.not_blocking(user_id, listed)) < most

    async def not_blocking(self, user_id: int, other_ids: Sequence[int]) -> set[int]:
        """Those of these users whom `user_id` may see."""
        users, blockers = await asyncio.gather(
            self._users.get_many(other_ids), self._blocks.blockers(user_id, other_ids)
        )
        there = {user.id for user in users if user is not None and user.status == ACTIVE}
        return there - blockers


def _check_others(user_id: int, other_id: int) -> None:
    if user_id == other_id:
        raise InvalidRequest("This is not possible with oneself", "id")


async def filled_page(read: ReadRows, keep: Keep, before: int, limit: int) -> Page:
    """A page of those whom `keep` leaves of a list; see `Scan` for how full it is.

    Raises:
        InvalidRequest: `limit` is out of bounds.
    """
    scan = Scan[int](before, limit)
    while scan.is_on:
        chunk = chunk_of_rows(await read(scan.position, scan.chunk), scan.chunk)
        kept = await keep(chunk.ids)
        shown = [user_id for user_id in chunk.ids if user_id in kept]
        scan.take(chunk, shown, shown)
    return Page(scan.found, scan.next_id)
