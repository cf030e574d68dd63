"""Whose posts a home timeline takes, and what its user hides: all that a warm row needs to know."""

from typing import TypeAlias

import msgspec

from rookery.store.engine import Collection, Reader, Row, Selection
from rookery.store.records.graph import MAX_FOLLOWEES
from rookery.store.schema import BLOCKED_BY, BLOCKS, FOLLOWEES, MUTED_CONVERSATIONS, MUTES

FIRST_ROWS = 1000
"""Almost nobody follows or hides more; a read of so many is a small one for every engine."""
FURTHER_ROWS = 20_000
_Source: TypeAlias = tuple[Collection, tuple[str, ...]]
_SOURCES: tuple[_Source, ...] = (
    (FOLLOWEES, ("followee_id",)),
    (MUTES, ("muted_id", "expires_ms")),
    (MUTED_CONVERSATIONS, ("conversation_id",)),
    (BLOCKS, ("blocked_id",)),
    (BLOCKED_BY, ("blocker_id",)),
)
"""The first field is what follows the user in the key."""


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

    async def of(self, user_id: int, now_ms: int) -> HomeSources:
        """The sources of a user's home timeline at `now_ms`.

        A block ends follows, but the store may have been loaded with both.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        firsts = await self._reader.select_several(
            [Selection(each, fields, [(user_id,)], FIRST_ROWS) for each, fields in _SOURCES]
        )
        for source, [rows] in zip(_SOURCES, firsts, strict=True):
            if len(rows) == FIRST_ROWS:
                await self._go_on(source, user_id, rows)
        [followees], [mutes], [conversations], [blocked], [blocking] = firsts
        # Loaded data may have users who follow themselves; the API refuses that.
        authors = {user_id, *(followee_id for (followee_id,) in followees)}
        if not (mutes or conversations or blocked or blocking):
            return HomeSources(author_ids=sorted(authors))
        lasting = [(muted, end) for muted, end in mutes if end is None or end > now_ms]
        muted_users = {muted for muted, _ in lasting} - {user_id}
        blocks = frozenset(other for (other,) in (*blocked, *blocking)) - {user_id}
        hidden = blocks | muted_users
        return HomeSources(
            author_ids=sorted(authors - hidden),
            muted=frozenset(muted_users.union(each for (each,) in conversations)),
            blocked=blocks,
            until_ms=min((end for _, end in lasting if end is not None), default=None),
        )

    async def _go_on(self, source: _Source, user_id: int, rows: list[Row]) -> None:
        """Add to `rows`, the first of a user's part of a collection, what is behind them."""
        collection, fields = source
        limit = MAX_FOLLOWEES - FIRST_ROWS if collection is FOLLOWEES else FURTHER_ROWS
        while True:
            key = (rows[-1][0],)
            page = await self._reader.select(collection, fields, (user_id,), after=key, limit=limit)
            rows += page
            if len(page) < limit or collection is FOLLOWEES:
                return
