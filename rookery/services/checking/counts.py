"""Compares counts with the lists they count.

The lists are the truth. Users go on writing meanwhile, so a count is only called wrong when it and
its list stood still while they were compared, over and over, and it is put right only on condition
that it still does.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from rookery.models import PostKind
from rookery.services.checking.findings import Checked, WrongReference
from rookery.services.checking.rows import CHANGED, is_written, owners
from rookery.store.engine import Collection, Expect, Increment, Key, Operation, Row, Store
from rookery.store.schema import (
    FAVOURITERS,
    FAVOURITES,
    FOLLOWEES,
    FOLLOWERS,
    PINS,
    POSTS,
    QUOTES,
    RETWEETS,
    TWEET_COUNTS,
    TWEETS,
    USER_COUNTS,
    USERS,
)

ROWS = 5_000
ATTEMPTS = 5
AGREEING = 3
"""So often a count and its list must be seen alike before the count is called wrong."""
EXPECTED_ROWS = 100
"""So much of a list is a condition of a repair; a batch is bounded."""


@dataclass(frozen=True)
class Counted:
    """A column of counts, and the list whose length it is: that of the owner's rows.

    `where`: what the columns of the rows hold that count; `without`: bits of the `kind` that rows
    do not have which count. `of_author`: the rows are those of the author of the tweet that is the
    owner, and of the tweet.
    """

    owners: Collection
    counts: Collection
    column: str
    listed: Collection
    where: Mapping[str, int] = field(default_factory=dict)
    without: int = 0
    of_author: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields of the rows of one owner, the key's first."""
        return (*list(self.listed.key)[1:], *self.listed.columns)

    @property
    def deciding(self) -> tuple[str, ...]:
        """The columns that say whether a row counts."""
        return (*self.where, "kind") if self.without else tuple(self.where)

    def counts_row(self, values: Row) -> bool:
        """Whether a row counts that has these values of what is `deciding`."""
        given = dict(zip(self.deciding, values, strict=True))
        is_without = not self.without or not given["kind"] & self.without
        return is_without and all(given[name] == value for name, value in self.where.items())


OF_USERS = (
    Counted(USERS, USER_COUNTS, "likes", FAVOURITES),
    Counted(USERS, USER_COUNTS, "tweets", POSTS, without=int(PostKind.MENTIONED)),
    Counted(USERS, USER_COUNTS, "followers", FOLLOWERS),
    Counted(USERS, USER_COUNTS, "followees", FOLLOWEES),
    Counted(USERS, USER_COUNTS, "pins", PINS),
)
OF_TWEETS = (
    Counted(TWEETS, TWEET_COUNTS, "likes", FAVOURITERS),
    Counted(TWEETS, TWEET_COUNTS, "retweets", RETWEETS),
    Counted(TWEETS, TWEET_COUNTS, "quotes", QUOTES, {"counted": 1}),
    Counted(TWEETS, TWEET_COUNTS, "pins", PINS, of_author=True),
)


@dataclass(frozen=True)
class Listed:
    """A list as it was read: `length` of what counts, `digest` of all its rows, the `first` ones.

    Rows have ids of the time at which they were made, so a list that was changed and changed back
    has another digest.
    """

    length: int
    digest: bytes
    first: tuple[Row, ...]


class Counts:
    """The check of all counts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Check the counts of all users and all tweets, telling of each batch."""
        for owner, collection, counted in (
            ("user", USERS, OF_USERS),
            ("tweet", TWEETS, OF_TWEETS),
        ):
            checked = 0
            async for ids in owners(self._store.reader, collection):
                checked += len(ids)
                wrong = [
                    each
                    for column in counted
                    for each in await self._wrong_counts(owner, column, ids, repair)
                ]
                yield Checked(stage=f"{owner}s", checked=checked, wrong=wrong)

    async def _wrong_counts(
        self, owner: str, counted: Counted, ids: Sequence[int], repair: bool
    ) -> list[WrongReference]:
        before = await self._counts(counted, ids)
        prefixes = await self._prefixes(counted, ids)
        (field_name, *_) = counted.fields
        lists = await self._store.reader.select_many(
            counted.listed, (field_name, *counted.deciding), list(prefixes.values()), limit=ROWS
        )
        found = []
        counts = dict(zip(ids, before, strict=True))
        for (owner_id, prefix), rows in zip(prefixes.items(), lists, strict=True):
            length = sum(counted.counts_row(tuple(row)[1:]) for row in rows)
            if len(rows) < ROWS and length == counts[owner_id]:
                continue
            wrong = await self._look_closer(owner, counted, owner_id, prefix, repair)
            if wrong is not None:
                found.append(wrong)
        return found

    async def _prefixes(self, counted: Counted, ids: Sequence[int]) -> dict[int, Key]:
        """What the rows of each owner begin with; without the owners that are gone meanwhile."""
        if not counted.of_author:
            return {each: (each,) for each in ids}
        found = await self._store.reader.select_many(
            TWEETS, ("id", "author_id"), [(each,) for each in ids], limit=1
        )
        return {each: (author_id, each) for rows in found for each, author_id in rows}

    async def _look_closer(
        self, owner: str, counted: Counted, owner_id: int, prefix: Key, repair: bool
    ) -> WrongReference | None:
        """What is wrong with one count, if it is; put right where that is wanted."""
        for _ in range(ATTEMPTS):
            listed = await self._list(counted, prefix)
            (count,) = await self._counts(counted, [owner_id])
            if listed.length == count:
                return None
            if not await self._stand_still(counted, owner_id, prefix, listed, count):
                continue
            if await self._store.reader.get(counted.owners, (owner_id,)) is None:
                return None  # deleted meanwhile: the count is gone, and the list goes
            if not repair or await self._put_right(counted, owner_id, prefix, count, listed):
                return WrongReference(
                    owner=owner,
                    id=owner_id,
                    what=counted.column,
                    counted=count,
                    listed=listed.length,
                )
        return None  # it changes all the time, so it is right or is found the next time

    async def _stand_still(
        self, counted: Counted, owner_id: int, prefix: Key, listed: Listed, count: int
    ) -> bool:
        """Whether a list and its count are seen again and again as they were."""
        for _ in range(AGREEING - 1):
            if await self._list(counted, prefix) != listed:
                return False
            if await self._counts(counted, [owner_id]) != [count]:
                return False
        return await self._list(counted, prefix) == listed

    async def _put_right(
        self, counted: Counted, owner_id: int, prefix: Key, count: int, listed: Listed
    ) -> bool:
        """Whether it was done: the owner, the count and the beginning of the list are conditions.

        That nothing was added to the list cannot be one; the count would have moved with it.
        """
        key = (owner_id,)
        row = await self._store.reader.get(counted.counts, key)
        if (0 if row is None else row[counted.column] or 0) != count:
            return False
        operations: list[Operation] = [
            Expect(counted.owners.name, key, True, label=CHANGED),
            Expect(counted.counts.name, key, False, label=CHANGED)
            if row is None
            else Expect(
                counted.counts.name, key, True, {counted.column: row[counted.column]}, CHANGED
            ),
        ]
        for each in listed.first:
            values = dict(zip(counted.fields, each, strict=True))
            rest = tuple(values.pop(name) for name in list(counted.listed.key)[1:])
            operations.append(
                Expect(counted.listed.name, (prefix[0], *rest), True, values, label=CHANGED)
            )
        change = {counted.column: listed.length - count}
        operations.append(Increment(counted.counts.name, key, change))
        return await is_written(self._store.writer, operations)

    async def _list(self, counted: Counted, prefix: Key) -> Listed:
        length = 0
        digest = hashlib.blake2b(digest_size=16)
        first: tuple[Row, ...] = ()
        after: Key | None = None
        deciding = [counted.fields.index(name) for name in counted.deciding]
        while True:
            rows = await self._store.reader.select(
                counted.listed, counted.fields, prefix, after=after, limit=ROWS
            )
            first = first or tuple(map(tuple, rows[:EXPECTED_ROWS]))
            digest.update(msgspec.msgpack.encode(rows))
            length += sum(counted.counts_row(tuple(row[at] for at in deciding)) for row in rows)
            if len(rows) < ROWS:
                return Listed(length, digest.digest(), first)
            after = rows[-1][:1]

    async def _counts(self, counted: Counted, ids: Sequence[int]) -> list[int]:
        rows = await self._store.reader.get_many(counted.counts, [(each,) for each in ids])
        return [0 if row is None else row[counted.column] or 0 for row in rows]
