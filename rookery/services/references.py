"""Compares counts with the lists they count, and finds what refers to tweets that are gone.

The lists are the truth. Users go on writing meanwhile, so a count is only called wrong when it
stood still while its list was counted, and it is put right only on condition that it still does.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from rookery.services.removals import Removals
from rookery.store.engine import (
    Collection,
    ConditionFailed,
    Expect,
    Increment,
    Operation,
    Reader,
    Store,
    WriteBatch,
)
from rookery.store.removals import Removal, noting
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
CHANGED = "count changed"


@dataclass(frozen=True)
class Counted:
    """A column of counts, and the list whose length it is: that of the owner's rows."""

    counts: Collection
    column: str
    listed: Collection


OF_USERS = (
    Counted(USER_COUNTS, "likes", FAVOURITES),
    Counted(USER_COUNTS, "tweets", POSTS),
    Counted(USER_COUNTS, "followers", FOLLOWERS),
    Counted(USER_COUNTS, "followees", FOLLOWEES),
)
OF_TWEETS = (
    Counted(TWEET_COUNTS, "likes", FAVOURITERS),
    Counted(TWEET_COUNTS, "retweets", RETWEETS),
)
REFERRING = (FAVOURITERS, RETWEETS)
"""Lists of a tweet, which go with it."""


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
            (before,) = await _counts(self._store.reader, counted, [owner_id])
            listed = await self._length(counted.listed, owner_id)
            (count,) = await _counts(self._store.reader, counted, [owner_id])
            if count != before:
                continue
            if listed == count:
                return None
            if not repair or await self._put_right(counted, owner_id, count, listed):
                return WrongReference(
                    owner=owner, id=owner_id, what=counted.column, counted=count, listed=listed
                )
        return None  # it changes all the time, so it is right or is found the next time

    async def _put_right(self, counted: Counted, owner_id: int, count: int, listed: int) -> bool:
        key = (owner_id,)
        row = await self._store.reader.get(counted.counts, key)
        expected = (
            Expect(counted.counts.name, key, False, label=CHANGED)
            if row is None
            else Expect(
                counted.counts.name, key, True, {counted.column: row[counted.column]}, CHANGED
            )
        )
        if (0 if row is None else row[counted.column] or 0) != count:
            return False
        change = Increment(counted.counts.name, key, {counted.column: listed - count})
        return await self._written((expected, change))

    async def _written(self, operations: tuple[Operation, ...]) -> bool:
        try:
            await self._store.writer.write(WriteBatch(operations))
        except ConditionFailed:
            return False
        return True

    async def _length(self, listed: Collection, owner_id: int) -> int:
        (_, field, *_) = listed.key
        length = after = 0
        while True:
            rows = await self._store.reader.select(
                listed, (field,), (owner_id,), after=(after,), limit=ROWS
            )
            length += len(rows)
            if len(rows) < ROWS:
                return length
            ((after,), *_) = rows[::-1]

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
            length = await self._length(listed, tweet_id)
            found.append(
                WrongReference(
                    owner="tweet", id=tweet_id, what=listed.name, counted=0, listed=length
                )
            )
            if repair and await self._written((noting(Removal(tweet_id=tweet_id, token=1)),)):
                await self._removals.finish(tweet_id)
        return found


async def _counts(reader: Reader, counted: Counted, ids: Sequence[int]) -> list[int]:
    rows = await reader.get_many(counted.counts, [(each,) for each in ids])
    return [0 if row is None else row[counted.column] or 0 for row in rows]
