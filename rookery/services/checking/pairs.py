"""Checks lists that hold the same pairs, and pairs that contradict each other.

Users go on writing meanwhile: what is reported was seen so again and again, and a repair is made on
condition that it still is. Counts of lists that are made to agree do not follow: they are to be
checked afterwards.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from rookery.services.checking.findings import Checked, WrongReference
from rookery.services.checking.rows import (
    Fields,
    absent,
    all_rows,
    fields_of,
    is_written,
    key_of,
    owner_of,
    unchanged,
)
from rookery.services.tweets.removals import Removals
from rookery.store.engine import Collection, Delete, Document, Increment, Key, Operation, Put, Store
from rookery.store.records.removals import TO_BE_DELETED, Removal, note_operation
from rookery.store.schema import (
    BLOCKED_BY,
    BLOCKS,
    BOOKMARKERS,
    BOOKMARKS,
    FAVOURITERS,
    FAVOURITES,
    FOLLOW_REQUESTS,
    FOLLOWEES,
    FOLLOWERS,
    RETWEETED,
    RETWEETS,
    SENT_REQUESTS,
    USER_COUNTS,
)

LOOKS = 3
"""So often a fault must be seen before it is one."""


@dataclass(frozen=True)
class Mirror:
    """Two lists of the same pairs, whose fields have the same names. Where they differ, `kept` is
    believed: that of the user who acted, since it says what the user wanted."""

    kept: Collection
    other: Collection


MIRRORS = (
    Mirror(FOLLOWEES, FOLLOWERS),
    Mirror(SENT_REQUESTS, FOLLOW_REQUESTS),
    Mirror(BLOCKS, BLOCKED_BY),
    Mirror(FAVOURITES, FAVOURITERS),
    Mirror(BOOKMARKS, BOOKMARKERS),
    Mirror(RETWEETS, RETWEETED),
)


@dataclass(frozen=True)
class Contradiction:
    """Pairs of `of` that cannot be together with those of `wrong`, which then have to go.

    `first`, `second`: the fields of `of` that are follower and followee in `wrong`.
    """

    what: str
    of: Collection
    first: str
    second: str
    wrong: Mirror


FOLLOWS, REQUESTS = MIRRORS[:2]
CONTRADICTIONS = (
    Contradiction("follows somebody blocked", BLOCKS, "blocker_id", "blocked_id", FOLLOWS),
    Contradiction("follows the one who blocks", BLOCKS, "blocked_id", "blocker_id", FOLLOWS),
    Contradiction("asks to follow somebody blocked", BLOCKS, "blocker_id", "blocked_id", REQUESTS),
    Contradiction("asks the one who blocks", BLOCKS, "blocked_id", "blocker_id", REQUESTS),
    Contradiction("asks but follows", FOLLOWEES, "follower_id", "followee_id", REQUESTS),
)


class Pairs:
    """The check of all lists of pairs."""

    def __init__(self, store: Store, removals: Removals) -> None:
        self._store = store
        self._removals = removals

    async def run(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Compare all lists in both directions, then look for contradictions."""
        for mirror in MIRRORS:
            # What stands in the other list alone goes first: then nothing is in its place.
            for of, to in ((mirror.other, mirror.kept), (mirror.kept, mirror.other)):
                checked = 0
                async for rows in all_rows(self._store.reader, of):
                    checked += len(rows)
                    wrong = await self._unmatched(mirror, of, to, rows, repair)
                    yield Checked(stage=of.name, checked=checked, wrong=wrong)
        for rule in CONTRADICTIONS:
            checked = 0
            async for rows in all_rows(self._store.reader, rule.wrong.kept):
                checked += len(rows)
                wrong = await self._contradicting(rule, rows, repair)
                yield Checked(stage=rule.wrong.kept.name, checked=checked, wrong=wrong)

    async def _unmatched(
        self, mirror: Mirror, of: Collection, to: Collection, rows: list[Fields], repair: bool
    ) -> list[WrongReference]:
        rows = [row for row in rows if None not in (row[name] for name in to.key)]
        found = await self._store.reader.get_many(to, [key_of(to, row) for row in rows])
        wrong = []
        for row, twin in zip(rows, found, strict=True):
            if _agree(to, row, twin) or not await self._stays_unmatched(of, to, row):
                continue
            if of is RETWEETS and twin is not None:
                fault = await self._retweeted_twice(row, repair)
            else:
                fault = await self._without_twin(mirror, of, to, row, repair)
            if fault is not None:
                wrong.append(fault)
        return wrong

    async def _stays_unmatched(self, of: Collection, to: Collection, row: Fields) -> bool:
        """Whether a row is seen there, and nothing that agrees with it, again and again."""
        reader = self._store.reader
        for _ in range(LOOKS):
            if _agree(to, row, await reader.get(to, key_of(to, row))):
                return False
            if not _agree(of, row, await reader.get(of, key_of(of, row))):
                return False
        return True

    async def _without_twin(
        self, mirror: Mirror, of: Collection, to: Collection, row: Fields, repair: bool
    ) -> WrongReference | None:
        twin = await self._store.reader.get(to, key_of(to, row))
        operations: list[Operation] = [
            unchanged(of, row),
            absent(to, key_of(to, row)) if twin is None else unchanged(to, twin),
        ]
        if of is mirror.kept:
            operations.append(Put(to.name, {name: row[name] for name in fields_of(to)}))
        elif twin is None:
            operations.append(Delete(of.name, key_of(of, row)))
        else:
            return None  # they hold the pair both: the other direction puts it right
        if repair and not await is_written(self._store.writer, operations):
            return None
        return _fault(of, key_of(of, row), f"{of.name} without {to.name}")

    async def _retweeted_twice(self, row: Fields, repair: bool) -> WrongReference | None:
        """One of several retweets of a tweet by the same user; it is deleted as by its author."""
        tweet_id = row["tweet_id"]
        if await self._removals.is_noted(tweet_id):
            return None
        if repair:
            note = note_operation(Removal(tweet_id=tweet_id, token=TO_BE_DELETED))
            if not await is_written(self._store.writer, (unchanged(RETWEETS, row), note)):
                return None
            await self._removals.finish(tweet_id)
        return _fault(RETWEETS, key_of(RETWEETS, row), "retweeted again")

    async def _contradicting(
        self, rule: Contradiction, rows: list[Fields], repair: bool
    ) -> list[WrongReference]:
        names = {"follower_id": rule.first, "followee_id": rule.second}
        keys = [key_of(rule.of, {names[name]: row[name] for name in names}) for row in rows]
        found = await self._store.reader.get_many(rule.of, keys)
        wrong = []
        for row, key, other in zip(rows, keys, found, strict=True):
            if other is not None and await self._contradicts(rule, row, key, repair):
                wrong.append(_fault(rule.wrong.kept, key_of(rule.wrong.kept, row), rule.what))
        return wrong

    async def _contradicts(self, rule: Contradiction, row: Fields, key: Key, repair: bool) -> bool:
        """Whether both pairs are there together; with `repair`, the wrong one goes."""
        reader, kept = self._store.reader, rule.wrong.kept
        other: Document | None = None
        for _ in range(LOOKS):
            other = await reader.get(rule.of, key)
            if other is None or not _agree(kept, row, await reader.get(kept, key_of(kept, row))):
                return False
        if not repair or other is None:
            return True
        operations: list[Operation] = [unchanged(rule.of, other), unchanged(kept, row)]
        operations += [Delete(each.name, key_of(each, row)) for each in (kept, rule.wrong.other)]
        if kept is FOLLOWEES:
            operations += [
                Increment(USER_COUNTS.name, (row["follower_id"],), {"followees": -1}),
                Increment(USER_COUNTS.name, (row["followee_id"],), {"followers": -1}),
            ]
        return await is_written(self._store.writer, operations)


def _agree(collection: Collection, row: Fields, twin: Document | None) -> bool:
    """Whether `twin`, of `collection`, holds what `row` says of the fields that both have."""
    if twin is None:
        return False
    return all(twin[name] == row[name] for name in fields_of(collection) if name in row)


def _fault(collection: Collection, key: Key, what: str) -> WrongReference:
    (id_, other) = map(int, key)
    return WrongReference(owner=owner_of(collection), id=id_, what=what, other=other)
