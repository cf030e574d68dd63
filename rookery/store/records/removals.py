"""What a deleted tweet leaves to be cleared away, and the operations that do it, step by step.

A tweet may have a hundred thousand likes, which no single batch can carry. So its deletion only
notes that there is something to remove, and each step removes a bounded part together with its
effect on the counts. A step is conditional on what it removes being there, so it counts once,
whoever does it and however often it is tried.
"""

from collections.abc import Iterable, Sequence

import msgspec

from rookery.domain.visibility import PUBLIC
from rookery.models import Tombstone, Tweet
from rookery.store.engine import Delete, Expect, Operation, Put, Reader
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

    `token` is new each time that there is a reason to look at it again. The rest says whom the
    tweet was for, to whom the end of its retweets is told; without an author it is not known.
    """

    tweet_id: int
    token: int = 0
    reply_to_id: int | None = None
    author_id: int | None = None
    conversation_id: int = 0
    visibility: str = PUBLIC
    mentioned: list[int] = []


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What still refers to a deleted tweet: a part of each kind, at most as much as asked for."""

    likers: list[int]
    bookmarkers: list[int]
    versions: list[int]
    retweets: list[int]
    quotes: list[int]
    has_replies: bool
    parent: Tombstone | None
    """Of the tweet that it replied to, where that is deleted as well."""

    def is_less_than(self, limit: int) -> bool:
        """Whether this is all, where `limit` of each kind was asked for."""
        parts = (self.likers, self.bookmarkers, self.versions, self.quotes)
        return not self.retweets and max(map(len, parts)) < limit


def beginning(tweet: Tweet, token: int, mentioned: Iterable[int] = ()) -> Operation:
    """The note that goes with the deletion of `tweet`; `token` is an id made for it, `mentioned`
    are the users whom it mentions."""
    return noting(
        Removal(
            tweet_id=tweet.id,
            token=token,
            reply_to_id=tweet.reply_to_id,
            author_id=tweet.author_id,
            conversation_id=tweet.conversation_id,
            visibility=tweet.visibility,
            mentioned=sorted(mentioned),
        )
    )


def noting(removal: Removal) -> Operation:
    """The note itself, in place of a former one."""
    return Put(REMOVALS.name, msgspec.structs.asdict(removal))


def clearing(removal: Removal, remains: Remains) -> list[Operation]:
    """Operations that remove what refers to the tweet, on the condition `OVERTAKEN`.

    Retweets must be deleted before. Quotes stay; only their rows among the tweet's quotes go.
    """
    tweet_id = removal.tweet_id
    operations: list[Operation] = []
    for user_id in remains.likers:
        key = (tweet_id, user_id)
        operations.append(Expect(FAVOURITERS.name, key, True, label=OVERTAKEN))
        operations += forgetting(user_id, tweet_id)
    for user_id in remains.bookmarkers:
        operations += forgetting_bookmark(user_id, tweet_id)
    operations += [Delete(TWEET_EDITS.name, (tweet_id, version)) for version in remains.versions]
    operations += [Delete(RETWEETS.name, (tweet_id, each)) for each in remains.retweets]
    operations += [Delete(QUOTES.name, (tweet_id, each)) for each in remains.quotes]
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
            operations.append(noting(again))
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
        likers = await select(FAVOURITERS, ("user_id",), prefix, limit=limit)
        bookmarkers = await select(BOOKMARKERS, ("user_id",), prefix, limit=limit)
        quotes = await select(QUOTES, ("tweet_id",), prefix, limit=limit)
        versions = await select(TWEET_EDITS, ("version",), prefix, limit=limit)
        retweets = await select(RETWEETS, ("tweet_id",), prefix, limit=limit)
        replies = await select(REPLIES, ("tweet_id",), prefix, limit=1)
        parent = None
        if removal.reply_to_id is not None:
            parent = await self._reader.get(TOMBSTONES, (removal.reply_to_id,))
        return Remains(
            likers=_ids(likers),
            bookmarkers=_ids(bookmarkers),
            quotes=_ids(quotes),
            versions=_ids(versions),
            retweets=_ids(retweets),
            has_replies=bool(replies),
            parent=None if parent is None else msgspec.convert(parent, Tombstone),
        )


def _ids(rows: Sequence[tuple[int]]) -> list[int]:
    return [each for (each,) in rows]
