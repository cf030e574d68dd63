"""Finds what refers to tweets that are gone, and that nobody is about to clear away."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from rookery.services.checking.findings import Checked, WrongReference
from rookery.services.checking.rows import (
    CHANGED,
    Fields,
    absent,
    all_rows,
    is_written,
    key_of,
    owner_of,
    owners,
    unchanged,
)
from rookery.services.tweets.removals import Removals
from rookery.store.engine import Collection, Delete, Expect, Store
from rookery.store.records.removals import REFERENCES, TO_BE_DELETED, Removal, note_operation
from rookery.store.schema import PINS, QUOTES, RETWEETS, TWEETS

LOOKS = 3
"""So often a fault must be seen before it is one."""
LISTS = (RETWEETS, *(each.listed for each in REFERENCES))
"""Lists of a tweet, which go with it by its removal."""


@dataclass(frozen=True)
class Members:
    """A list of tweets, each of which goes from it in the batch that deletes the tweet.

    `author`: the field that holds the tweet's author.
    """

    listed: Collection
    author: str


MEMBERS = (
    Members(RETWEETS, "author_id"),
    Members(QUOTES, "author_id"),
    Members(PINS, "user_id"),
)


class Orphans:
    """The check of what refers to tweets."""

    def __init__(self, store: Store, removals: Removals) -> None:
        self._store = store
        self._removals = removals

    async def rows(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Check lists of tweets for those that are gone, or of another author.

        With `repair` the rows go; the counts of these lists are to be checked afterwards.
        """
        for members in MEMBERS:
            checked = 0
            async for rows in all_rows(self._store.reader, members.listed):
                checked += len(rows)
                wrong = await self._without_tweet(members, rows, repair)
                yield Checked(stage=members.listed.name, checked=checked, wrong=wrong)

    async def lists(self, *, repair: bool) -> AsyncIterator[Checked]:
        """Check for lists of tweets that are gone; with `repair` their removal is made up for."""
        for listed in LISTS:
            checked = 0
            async for ids in owners(self._store.reader, listed):
                checked += len(ids)
                wrong = await self._of_nothing(listed, ids, repair)
                yield Checked(stage=listed.name, checked=checked, wrong=wrong)

    async def _without_tweet(
        self, members: Members, rows: Sequence[Fields], repair: bool
    ) -> list[WrongReference]:
        authors = await self._authors([row["tweet_id"] for row in rows])
        listed = members.listed
        wrong = []
        for row in rows:
            if not _stands(
                authors.get(row["tweet_id"]), row[members.author]
            ) and await self._has_none(members, row, repair):
                (id_, other) = map(int, key_of(listed, row))
                wrong.append(
                    WrongReference(
                        owner=owner_of(listed),
                        id=id_,
                        what=f"{listed.name} without the tweet",
                        other=other,
                    )
                )
        return wrong

    async def _has_none(self, members: Members, row: Fields, repair: bool) -> bool:
        """Whether a row stands for no tweet of that author; with `repair` it goes."""
        listed, tweet_id = members.listed, row["tweet_id"]
        author_id = None
        for _ in range(LOOKS):
            author_id = (await self._authors([tweet_id])).get(tweet_id)
            found = await self._store.reader.get(listed, key_of(listed, row))
            if found is None or _stands(author_id, row[members.author]):
                return False
        if not repair:
            return True
        gone = (
            absent(TWEETS, (tweet_id,))
            if author_id is None
            else Expect(TWEETS.name, (tweet_id,), True, {"author_id": author_id}, CHANGED)
        )
        delete = Delete(listed.name, key_of(listed, row))
        return await is_written(self._store.writer, (unchanged(listed, row), gone, delete))

    async def _authors(self, tweet_ids: Sequence[int]) -> dict[int, int]:
        """The authors of those tweets that are there."""
        found = await self._store.reader.select_many(
            TWEETS, ("id", "author_id"), [(each,) for each in tweet_ids], limit=1
        )
        return {tweet_id: author_id for rows in found for tweet_id, author_id in rows}

    async def _of_nothing(
        self, listed: Collection, ids: Sequence[int], repair: bool
    ) -> list[WrongReference]:
        authors = await self._authors(ids)
        found = []
        for tweet_id in ids:
            if tweet_id in authors or await self._removals.is_noted(tweet_id):
                continue
            length = await self._length(listed, tweet_id)
            if not length:
                continue  # cleared away since its id was read
            found.append(
                WrongReference(owner="tweet", id=tweet_id, what=listed.name, listed=length)
            )
            note = note_operation(Removal(tweet_id=tweet_id, token=TO_BE_DELETED))
            if repair and await is_written(self._store.writer, (note,)):
                await self._removals.finish(tweet_id)
        return found

    async def _length(self, listed: Collection, tweet_id: int) -> int:
        (field, *_) = list(listed.key)[1:]
        length, after = 0, None
        while rows := await self._store.reader.select(
            listed, (field,), (tweet_id,), after=after, limit=5_000
        ):
            length += len(rows)
            after = rows[-1]
        return length


def _stands(author_id: int | None, named: int | None) -> bool:
    """Whether a row that names this author (None: nobody) stands for a tweet of `author_id`."""
    return author_id is not None and named in (author_id, None)
