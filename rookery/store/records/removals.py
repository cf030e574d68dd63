"""What a deleted tweet leaves to be cleared away, and the operations that do it, step by step.

A tweet may have a hundred thousand likes, which no single batch can carry. So its deletion only
notes that there is something to remove, and each step removes a bounded part together with its
effect on the counts. A step is conditional on what it removes being there, so it counts once,
whoever does it and however often it is tried.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from rookery.models import Tombstone, Tweet
from rookery.store.engine import Collection, Delete, Expect, Operation, Put, Reader
from rookery.store.records.bookmarks import forgetting_bookmark
from rookery.store.records.engagement import forgetting
from rookery.store.schema import (
    BOOKMARKERS,
    FAVOURITERS,
    QUOTES,
    REMOVALS,
    REPLIES,
    RETWEETS,
    TOMBSTONES,
    TWEET_EDITS,
)

OVERTAKEN = "removal"
"""The label of the `ConditionFailed` when someone else did a step meanwhile: look again."""

TO_BE_DELETED = 1
"""The token of a removal that was noted by an upgrade or a check of the store. Where the tweet is
still there, it is deleted first: it is one of several retweets of a tweet by the same user."""


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted tweet that something may still refer to.

    `token` is new each time that there is a reason to look at it again. The rest says who might
    see the tweet, and so its retweets, which are still to be told of; nothing where that is not
    known.
    """

    tweet_id: int
    token: int = 0
    reply_to_id: int | None = None
    author_id: int | None = None
    conversation_id: int = 0
    visibility: str = "public"
    mentioned: list[int] = []


Forgetting: TypeAlias = Callable[[int, int], Iterable[Operation]]


@dataclass(frozen=True)
class Reference:
    """A list of a tweet that goes with it; its key is the tweet, then what is listed.

    `forgetting` makes the operations that take away what a deleted tweet lists, of both ids.
    """

    listed: Collection
    forgetting: Forgetting

    @property
    def field(self) -> str:
        """What is listed."""
        return tuple(self.listed.key)[1]


def _forgetting_like(tweet_id: int, user_id: int) -> Iterator[Operation]:
    yield Expect(FAVOURITERS.name, (tweet_id, user_id), True, label=OVERTAKEN)
    yield from forgetting(user_id, tweet_id)


def _forgetting_row(collection: Collection) -> Forgetting:
    return lambda tweet_id, listed: (Delete(collection.name, (tweet_id, listed)),)


REFERENCES = (
    Reference(FAVOURITERS, _forgetting_like),
    Reference(BOOKMARKERS, lambda tweet_id, user_id: forgetting_bookmark(user_id, tweet_id)),
    Reference(TWEET_EDITS, _forgetting_row(TWEET_EDITS)),
    Reference(QUOTES, _forgetting_row(QUOTES)),
)
"""All of them but retweets, which are tweets themselves and are deleted."""


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What still refers to a deleted tweet: a part of each kind, at most as much as asked for.

    `listed` is in the order of `REFERENCES`.
    """

    listed: list[list[int]]
    retweets: list[int]
    has_replies: bool
    parent: Tombstone | None
    """Of the tweet that it replied to, where that is deleted as well."""

    def is_less_than(self, limit: int) -> bool:
        """Whether this is all, where `limit` of each kind was asked for."""
        return not self.retweets and max(map(len, self.listed)) < limit


def beginning(tweet: Tweet, token: int) -> Operation:
    """The note that goes with the deletion of `tweet`; `token` is an id made for it."""
    return note_operation(
        Removal(
            tweet_id=tweet.id,
            token=token,
            reply_to_id=tweet.reply_to_id,
            author_id=tweet.author_id,
            conversation_id=tweet.conversation_id,
            visibility=tweet.visibility,
            mentioned=sorted(tweet.mentioned_ids),
        )
    )


def note_operation(removal: Removal) -> Operation:
    """What notes that there is something to remove, in place of a former note."""
    return Put(REMOVALS.name, msgspec.structs.asdict(removal))


def clearing(removal: Removal, remains: Remains) -> list[Operation]:
    """Operations that remove what refers to the tweet, on the condition `OVERTAKEN`.

    Retweets must be deleted before. Quotes stay; only their rows among the tweet's quotes go.
    """
    tweet_id = removal.tweet_id
    operations: list[Operation] = []
    for reference, listed in zip(REFERENCES, remains.listed, strict=True):
        for each in listed:
            operations += reference.forgetting(tweet_id, each)
    operations += [Delete(RETWEETS.name, (tweet_id, each)) for each in remains.retweets]
    return operations


def ending(removal: Removal, remains: Remains, token: int) -> list[Operation]:
    """Operations that end a removal, on the condition `OVERTAKEN`.

    The tweet's place among the replies goes, unless it has replies, to which it leads. Then a
    deleted parent may have lost its last one, and is looked at again, by the new `token`.
    """
    operations: list[Operation] = [
        Expect(REMOVALS.name, (removal.tweet_id,), True, {"token": removal.token}, label=OVERTAKEN),
        Delete(REMOVALS.name, (removal.tweet_id,)),
    ]
    if removal.reply_to_id is not None and not remains.has_replies:
        operations.append(Delete(REPLIES.name, (removal.reply_to_id, removal.tweet_id)))
        if (parent := remains.parent) is not None:
            again = Removal(tweet_id=parent.id, token=token, reply_to_id=parent.reply_to_id)
            operations.append(note_operation(again))
        else:
            # Whoever deletes the parent meanwhile may still see this reply, and leave it its place.
            key = (removal.reply_to_id,)
            operations.append(Expect(TOMBSTONES.name, key, False, label=OVERTAKEN))
    return operations


class RemovalRepository:
    """Reads what is left to remove."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, tweet_id: int) -> Removal | None:
        document = await self._reader.get(REMOVALS, (tweet_id,))
        return None if document is None else msgspec.convert(document, Removal)

    async def after(self, tweet_id: int, limit: int) -> list[Removal]:
        """Removals that are not done, in the order of the tweets' ids, above `tweet_id`."""
        documents = await self._reader.range(REMOVALS, after=(tweet_id,), limit=limit)
        return [msgspec.convert(document, Removal) for document in documents]

    async def remains(self, removal: Removal, limit: int) -> Remains:
        """What still refers to the tweet: at most `limit` of each kind."""
        prefix = (removal.tweet_id,)
        select = self._reader.select
        listed = [
            _ids(await select(each.listed, (each.field,), prefix, limit=limit))
            for each in REFERENCES
        ]
        retweets = await select(RETWEETS, ("tweet_id",), prefix, limit=limit)
        replies = await select(REPLIES, ("tweet_id",), prefix, limit=1)
        parent = None
        if removal.reply_to_id is not None:
            parent = await self._reader.get(TOMBSTONES, (removal.reply_to_id,))
        return Remains(
            listed=listed,
            retweets=_ids(retweets),
            has_replies=bool(replies),
            parent=None if parent is None else msgspec.convert(parent, Tombstone),
        )


def _ids(rows: Sequence[tuple[int]]) -> list[int]:
    return [each for (each,) in rows]
