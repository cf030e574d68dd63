"""Whose posts a home timeline takes, and what its user hides: all that a warm row needs to know."""

import asyncio

import msgspec

from rookery.store.engine import Collection, Key, Reader, Row
from rookery.store.records.graph import GraphRepository
from rookery.store.schema import BLOCKED_BY, BLOCKS, MUTED_CONVERSATIONS, MUTES

PAGE = 1000
"""Almost nobody hides more; a read of so many rows is a small one for every engine."""


class HomeSources(msgspec.Struct, frozen=True, kw_only=True):
    """What the home timeline of a user is made of, at one time.

    `author_ids`: whom the user follows and does not hide, and the user, ascending. `muted`: users
    and conversations; `blocked`: users, whichever of the two blocks the other one. The mutes are as
    they stand until `until_ms`, when the first of them ends (None: they stay).
    """

    author_ids: list[int]
    muted: frozenset[int] = frozenset()
    blocked: frozenset[int] = frozenset()
    until_ms: int | None = None


class HomeSourceRepository:
    """Reads of what home timelines are made of."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._graph = GraphRepository(reader)

    async def of(self, user_id: int, now_ms: int) -> HomeSources:
        """The sources of a user's home timeline at `now_ms`.

        A block ends follows, but the store may have been loaded with both.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        followees, mutes, conversations, blocked, blocking = await asyncio.gather(
            self._graph.home_authors(user_id),
            self._all(MUTES, ("muted_id", "expires_ms"), user_id),
            self._all(MUTED_CONVERSATIONS, ("conversation_id",), user_id),
            self._all(BLOCKS, ("blocked_id",), user_id),
            self._all(BLOCKED_BY, ("blocker_id",), user_id),
        )
        if not (mutes or conversations or blocked or blocking):
            return HomeSources(author_ids=followees)
        lasting = [(muted, end) for muted, end in mutes if end is None or end > now_ms]
        muted_users = {muted for muted, _ in lasting} - {user_id}
        blocks = frozenset(other for (other,) in (*blocked, *blocking)) - {user_id}
        hidden = blocks | muted_users
        return HomeSources(
            author_ids=[each for each in followees if each not in hidden],
            muted=frozenset(muted_users.union(each for (each,) in conversations)),
            blocked=blocks,
            until_ms=min((end for _, end in lasting if end is not None), default=None),
        )

    async def _all(
        self, collection: Collection, fields: tuple[str, ...], user_id: int
    ) -> list[Row]:
        """Everything that a user's part of a collection holds; the first field is its key."""
        rows: list[Row] = []
        after: Key | None = None
        while True:
            page = await self._reader.select(
                collection, fields, (user_id,), after=after, limit=PAGE
            )
            rows += page
            if len(page) < PAGE:
                return rows
            after = (page[-1][0],)
