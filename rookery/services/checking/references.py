"""Compares counts with the lists they count, and finds what refers to tweets that are gone.

The lists are the truth. Users go on writing meanwhile, so a count is only called wrong when it and
its list stood still while they were compared, over and over, and it is put right only on condition
that it still does.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from rookery.services.tweets.removals import Removals
from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Expect,
    Increment,
    Operation,
    Reader,
    Row,
    Store,
    WriteBatch,
)
from rookery.store.records.removals import Removal, noting
from rookery.store.schema import (
    FAVOURITERS,
    FAVOURITES,
    FOLLOWEES,
    FOLLOWERS,
    POSTS,
    RETWEETS,
    TWEET_COUNTS,
    TWEETS,
    USER_COUNTS,
    USERS,
)

BATCH = 200
ROWS = 5_000
ATTEMPTS = 5
AGREEING = 3
"""So often a count and its list must be seen alike before the count is called wrong."""
EXPECTED_ROWS = 100
"""So much of a list is a condition of a repair; a batch is bounded."""
CHANGED = "count changed"


@dataclass(frozen=True)
class Counted:
    """A column of counts, and the list whose length it is: that of the owner's rows."""

    owners: Collection
    counts: Collection
    column: str
    listed: Collection


OF_USERS = (
    Counted(USERS, USER_COUNTS, "likes", FAVOURITES),
    Counted(USERS, USER_COUNTS, "tweets", POSTS),
    Counted(USERS, USER_COUNTS, "followers", FOLLOWERS),
    Counted(USERS, USER_COUNTS, "followees", FOLLOWEES),
)
OF_TWEETS = (
    Counted(TWEETS, TWEET_COUNTS, "likes", FAVOURITERS),
    Counted(TWEETS, TWEET_COUNTS, "retweets", RETWEETS),
)
REFERRING = (FAVOURITERS, RETWEETS)
"""Lists of a tweet, which go with it."""


@dataclass(frozen=True)
class Listed:
    """A list as it was read: `digest` is of all its rows, `first` are some of them.

    Rows have ids of the time at which they were made, so a list that was changed and changed back
    has another digest.
    """

    length: int
    digest: bytes
    first: tuple[Row, ...]


class WrongReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A count that is not the length of its list, or a list of a tweet that is gone (found 0)."""

    owner: str
    """`user` or `tweet`."""
    id: int
    what: str
    counted: int
    listed: int


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many users or tweets were looked at, and what was found since the last one."""

    stage: str
    checked: int
    wrong: list[WrongReference] = []


class References:
    """`fsck` for counts and references, over the whole store."""

    def __init__(self, store: Store, removals: Removals) -> None:
        self._store = store
        self._removals = removals

    async def run(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Check all users, all tweets, and all lists of tweets, telling of each batch."""
        for owner, collection, counted in (
            ("user", USERS, OF_USERS),
            ("tweet", TWEETS, OF_TWEETS),
        ):
            checked = 0
            async for ids in self._ids(collection):
                checked += len(ids)
                wrong = [
                    each
                    for column in counted
                    for each in await self._wrong_counts(owner, column, ids, repair)
                ]
                yield Checked(stage=f"{owner}s", checked=checked, wrong=wrong)
        for listed in REFERRING:
            checked = 0
            async for ids in self._ids(listed):
                checked += len(ids)
                wrong = await self._orphans(listed, ids, repair)
                yield Checked(stage=listed.name, checked=checked, wrong=wrong)

    async def _ids(self, collection: Collection) -> AsyncIterator[list[int]]:
        """The different first key fields of a collection, some at a time, ascending."""
        (name, *others) = collection.key
        after = 0
        while True:
            if others:  # a list of one owner may be long: skip from owner to owner
                ids: list[int] = []
                while len(ids) < BATCH and (
                    rows := await self._store.reader.select(
                        collection, (name,), after=(after,), limit=1
                    )
                ):
                    ((after,),) = rows
                    ids.append(after)
            else:
                rows = await self._store.reader.select(
                    collection, (name,), after=(after,), limit=BATCH
                )
                ids = [each for (each,) in rows]
            if not ids:
                return
            after = ids[-1]
            yield ids

    async def _wrong_counts(
        self, owner: str, counted: Counted, ids: Sequence[int], repair: bool
    ) -> list[WrongReference]:
        reader = self._store.reader
        before = await _counts(reader, counted, ids)
        (_, field, *_) = counted.listed.key
        lists = await reader.select_many(
            counted.listed, (field,), [(each,) for each in ids], limit=ROWS
        )
        found = []
        for each, count, rows in zip(ids, before, lists, strict=True):
            if len(rows) < ROWS and len(rows) == count:
                continue
            wrong = await self._look_closer(owner, counted, each, repair)
            if wrong is not None:
                found.append(wrong)
        return found

    async def _look_closer(
        self, owner: str, counted: Counted, owner_id: int, repair: bool
    ) -> WrongReference | None:
        """What is wrong with one count, if it is; put right where that is wanted."""
        for _ in range(ATTEMPTS):
            listed = await self._list(counted.listed, owner_id)
            (count,) = await _counts(self._store.reader, counted, [owner_id])
            if listed.length == count:
                return None
            if not await self._stand_still(counted, owner_id, listed, count):
                continue
            if await self._store.reader.get(counted.owners, (owner_id,)) is None:
                return None  # deleted meanwhile: the count is gone, and the list goes
            if not repair or await self._put_right(counted, owner_id, count, listed):
                return WrongReference(
                    owner=owner,
                    id=owner_id,
                    what=counted.column,
                    counted=count,
                    listed=listed.length,
                )
        return None  # it changes all the time, so it is right or is found the next time

    async def _stand_still(
        self, counted: Counted, owner_id: int, listed: Listed, count: int
    ) -> bool:
        """Whether a list and its count are seen again and again as they were."""
        for _ in range(AGREEING - 1):
            if await self._list(counted.listed, owner_id) != listed:
                return False
            if await _counts(self._store.reader, counted, [owner_id]) != [count]:
                return False
        return await self._list(counted.listed, owner_id) == listed

    async def _put_right(self, counted: Counted, owner_id: int, count: int, listed: Listed) -> bool:
        """Whether it was done: the owner, the count and the beginning of the list are conditions.

        That nothing was added to the list cannot be one; the count would have moved with it.
        """
        key = (owner_id,)
        row = await self._store.reader.get(counted.counts, key)
        if (0 if row is None else row[counted.column] or 0) != count:
            return False
        fields = _fields(counted.listed)
        operations: list[Operation] = [
            Expect(counted.owners.name, key, True, label=CHANGED),
            Expect(counted.counts.name, key, False, label=CHANGED)
            if row is None
            else Expect(
                counted.counts.name, key, True, {counted.column: row[counted.column]}, CHANGED
            ),
        ]
        for each in listed.first:
            values = dict(zip(fields, each, strict=True))
            rest = tuple(values.pop(name) for name in list(counted.listed.key)[1:])
            operations.append(
                Expect(counted.listed.name, (owner_id, *rest), True, values, label=CHANGED)
            )
        change = {counted.column: listed.length - count}
        operations.append(Increment(counted.counts.name, key, change))
        return await self._written(tuple(operations))

    async def _written(self, operations: tuple[Operation, ...]) -> bool:
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed:
            return False
        return True

    async def _list(self, listed: Collection, owner_id: int) -> Listed:
        length = after = 0
        digest = hashlib.blake2b(digest_size=16)
        first: tuple[Row, ...] = ()
        while True:
            rows = await self._store.reader.select(
                listed, _fields(listed), (owner_id,), after=(after,), limit=ROWS
            )
            first = first or tuple(map(tuple, rows[:EXPECTED_ROWS]))
            digest.update(msgspec.msgpack.encode(rows))
            length += len(rows)
            if len(rows) < ROWS:
                return Listed(length, digest.digest(), first)
            after = rows[-1][0]

    async def _orphans(
        self, listed: Collection, ids: Sequence[int], repair: bool
    ) -> list[WrongReference]:
        """Lists of tweets that are gone and that nobody is about to clear away."""
        reader = self._store.reader
        tweets = await reader.get_many(TWEETS, [(each,) for each in ids])
        found = []
        for tweet_id, tweet in zip(ids, tweets, strict=True):
            if tweet is not None or await self._removals.is_noted(tweet_id):
                continue
            length = (await self._list(listed, tweet_id)).length
            if not length:
                continue  # cleared away since its id was read
            found.append(
                WrongReference(
                    owner="tweet", id=tweet_id, what=listed.name, counted=0, listed=length
                )
            )
            if repair and await self._written((noting(Removal(tweet_id=tweet_id, token=1)),)):
                await self._removals.finish(tweet_id)
        return found


def _fields(listed: Collection) -> tuple[str, ...]:
    """All fields of the rows of one owner, the key's first."""
    return (*list(listed.key)[1:], *listed.columns)


async def _counts(reader: Reader, counted: Counted, ids: Sequence[int]) -> list[int]:
    rows = await reader.get_many(counted.counts, [(each,) for each in ids])
    return [0 if row is None else row[counted.column] or 0 for row in rows]
