"""Looking at another user before changing how one stands to that user."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

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


class People:
    """Users and how one stands to them, as the store has it now; no cache is between."""

    def __init__(self, store: Store) -> None:
        self._users = Users(store.reader)
        self._relations = RelationRepository(store.reader)
        self._blocks = BlockRepository(store.reader)

    async def look(self, user_id: int, other_id: int) -> tuple[User | None, Relation]:
        """Another user as `user_id` may see them, and how the two stand.

        The user is None where there is none, or none for `user_id`: one who blocks them, or whose
        account is suspended. All is read in either case, so that it takes the same time.

        Raises:
            InvalidRequest: both are the same.
        """
        if user_id == other_id:
            raise InvalidRequest("This is not possible with oneself", "id")
        other, relation = await asyncio.gather(
            self._users.get(other_id), self._relations.pair(user_id, other_id)
        )
        if other is None or other.status != ACTIVE or relation.blocked_id is not None:
            return None, relation
        return other, relation

    async def visible(self, user_id: int, other_id: int) -> tuple[User, Relation]:
        """As `look`.

        Raises:
            InvalidRequest: both are the same.
            NotFound: there is no such user for `user_id`.
        """
        other, relation = await self.look(user_id, other_id)
        if other is None:
            raise NotFound("User not found")
        return other, relation

    async def not_blocking(self, user_id: int, other_ids: Sequence[int]) -> set[int]:
        """Those of these users whom `user_id` may see."""
        users, blockers = await asyncio.gather(
            self._users.get_many(other_ids), self._blocks.blockers(user_id, other_ids)
        )
        there = {user.id for user in users if user is not None and user.status == ACTIVE}
        return there - blockers


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
