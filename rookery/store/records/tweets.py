"""Tweets: the tweets themselves, their former versions and counts, and the lists they stand in.

The functions give the operations of a change, to be written as one batch together with its event;
the class reads.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from rookery.domain.merging import Post
from rookery.models import PostKind, Tombstone, Tweet, TweetCounts, TweetEdit
from rookery.store.engine import Delete, Expect, Increment, Insert, Operation, Put, Reader
from rookery.store.records.pins import PinRepository, pin_going_with_tweet
from rookery.store.records.retweets import RetweetRepository, no_longer_referring, referring
from rookery.store.schema import (
    CONVERSATIONS,
    POSTS,
    REPLIES,
    TOMBSTONES,
    TWEET_COUNTS,
    TWEET_EDITS,
    TWEETS,
    USER_COUNTS,
)

UNCHANGED = "tweet"
NO_COUNTS = TweetCounts()


def target_label(target_id: int) -> str:
    """Label of the condition that the tweet which another one refers to exists."""
    return f"target {target_id}"


def creating(tweet: Tweet) -> list[Operation]:
    """Operations that add a tweet, on the condition that those it refers to exist.

    A retweet fails with `retweets.ALREADY_RETWEETED` where its author has retweeted that before.
    """
    operations: list[Operation] = [
        Insert(TWEETS.name, msgspec.structs.asdict(tweet)),
        Insert(
            POSTS.name, {"author_id": tweet.author_id, "tweet_id": tweet.id, "kind": tweet.kind}
        ),
        *_counting(tweet, 1),
    ]
    targets = _targets(tweet)
    if targets:
        operations += referring(tweet)
    if tweet.retweet_of_id is None or tweet.reply_to_id is not None:
        row = {"conversation_id": tweet.conversation_id, "tweet_id": tweet.id}
        operations.append(Insert(CONVERSATIONS.name, row))
    if tweet.reply_to_id is not None:
        operations.append(
            Insert(
                REPLIES.name,
                {
                    "parent_id": tweet.reply_to_id,
                    "tweet_id": tweet.id,
                    "author_id": tweet.author_id,
                },
            )
        )
    for target_id, count in targets:
        operations.append(_exists(target_id))
        if tweet.is_counted:
            operations.append(Increment(TWEET_COUNTS.name, (target_id,), {count: 1}))
    return operations


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a deletion must know of a tweet's surroundings.

    `authors`: the author of each of the tweets it refers to, as far as these still exist.
    `retweeted_as`: the retweet by which its author retweets the same original. `is_pinned`:
    whether its author has pinned it.
    """

    authors: Mapping[int, int] = MappingProxyType({})
    retweeted_as: int | None = None
    is_pinned: bool = False


def deleting(tweet: Tweet, standing: Standing) -> list[Operation]:
    """Operations that remove a tweet, on the condition that it still has this version.

    The counts of the tweets that it refers to are lowered where these still exist; that they do,
    and that the pin is as it was read, are conditions too. Replies to the tweet stay, and a
    tombstone with them. What else refers to the tweet is left to a removal
    (`rookery.store.records.removals`), which must be begun in the same batch: likes, former
    versions, retweets, rows of quotes, bookmarks, and its row among the replies.
    """
    grave = Tombstone(
        id=tweet.id, reply_to_id=tweet.reply_to_id, conversation_id=tweet.conversation_id
    )
    operations: list[Operation] = [
        Expect(TWEETS.name, (tweet.id,), True, {"version": tweet.version}, label=UNCHANGED),
        Delete(TWEETS.name, (tweet.id,)),
        Delete(TWEET_COUNTS.name, (tweet.id,)),
        Delete(POSTS.name, (tweet.author_id, tweet.id)),
        Delete(CONVERSATIONS.name, (tweet.conversation_id, tweet.id)),
        *_counting(tweet, -1),
        Put(TOMBSTONES.name, msgspec.structs.asdict(grave)),
        *no_longer_referring(tweet, standing.retweeted_as),
        *pin_going_with_tweet(tweet.author_id, tweet.id, standing.is_pinned, UNCHANGED),
    ]
    if tweet.is_counted:
        for target_id, count in _targets(tweet):
            if target_id in standing.authors:
                # The condition keeps counts of a deleted tweet from coming back as a row.
                operations.append(_exists(target_id))
                operations.append(Increment(TWEET_COUNTS.name, (target_id,), {count: -1}))
    return operations


def replacing(former: Tweet, tweet: Tweet, now_ms: int) -> list[Operation]:
    """Operations that put `tweet` in the place of `former`, if that is still the version there."""
    edit = TweetEdit(
        tweet_id=former.id,
        version=former.version,
        text=former.text,
        entities=former.entities,
        replaced_ms=now_ms,
    )
    return [
        Expect(TWEETS.name, (former.id,), True, {"version": former.version}, label=UNCHANGED),
        Put(TWEETS.name, msgspec.structs.asdict(tweet)),
        Insert(TWEET_EDITS.name, msgspec.structs.asdict(edit)),
    ]


def targets_of(tweet: Tweet) -> list[int]:
    """Ids of the tweets that `tweet` replies to, retweets or quotes."""
    return [target_id for target_id, _ in _targets(tweet)]


def _targets(tweet: Tweet) -> list[tuple[int, str]]:
    """(tweet id, name of the count) of each tweet that `tweet` refers to."""
    targets = []
    if tweet.reply_to_id is not None:
        targets.append((tweet.reply_to_id, "replies"))
    if tweet.retweet_of_id is not None:
        targets.append((tweet.retweet_of_id, "retweets"))
    if tweet.quote_of_id is not None:
        targets.append((tweet.quote_of_id, "quotes"))
    return targets


def _counting(tweet: Tweet, number: int) -> list[Operation]:
    """What a tweet adds to its author's counts."""
    if tweet.kind & PostKind.MENTIONED:
        return []
    return [Increment(USER_COUNTS.name, (tweet.author_id,), {"tweets": number})]


def _exists(target_id: int) -> Operation:
    return Expect(TWEETS.name, (target_id,), True, label=target_label(target_id))


class TweetRepository:
    """Reads of tweets and their lists."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._retweets = RetweetRepository(reader)
        self._pins = PinRepository(reader)

    async def get(self, tweet_id: int) -> Tweet | None:
        document = await self._reader.get(TWEETS, (tweet_id,))
        return None if document is None else msgspec.convert(document, Tweet)

    async def get_many(self, tweet_ids: Sequence[int]) -> list[Tweet | None]:
        """The tweets with these ids, in their order; None where there is none."""
        documents = await self._reader.get_many(TWEETS, [(tweet_id,) for tweet_id in tweet_ids])
        return [
            None if document is None else msgspec.convert(document, Tweet) for document in documents
        ]

    async def conversation_of(self, tweet_id: int) -> int | None:
        """The conversation that a tweet belongs to, or did before it was deleted; of a retweet
        that of its original. None where nothing is known of it."""
        tweet = await self.get(tweet_id)
        if tweet is not None and tweet.retweet_of_id is not None and tweet.reply_to_id is None:
            tweet = await self.get(tweet.retweet_of_id)
        if tweet is not None:
            return tweet.conversation_id
        grave = (await self.tombstones([tweet_id])).get(tweet_id)
        return None if grave is None else grave.conversation_id

    async def existing(self, tweet_ids: Sequence[int]) -> set[int]:
        """Those of `tweet_ids` that exist; reads no bodies."""
        return set(await self.authors(tweet_ids))

    async def authors(self, tweet_ids: Sequence[int]) -> dict[int, int]:
        """The author ids of those of the tweets that exist, by tweet id; reads no bodies."""
        if not tweet_ids:
            return {}
        lists = await self._reader.select_many(
            TWEETS, ("id", "author_id"), [(tweet_id,) for tweet_id in tweet_ids], limit=1
        )
        return {tweet_id: author_id for rows in lists for tweet_id, author_id in rows}

    async def standing(self, tweet: Tweet) -> Standing:
        """What the deletion of a tweet must know."""
        retweeted_as = None
        if tweet.retweet_of_id is not None:
            retweeted_as = await self._retweets.retweet_of(tweet.author_id, tweet.retweet_of_id)
        return Standing(
            authors=await self.authors(targets_of(tweet)),
            retweeted_as=retweeted_as,
            is_pinned=await self._pins.is_pinned(tweet.author_id, tweet.id),
        )

    async def tombstones(self, tweet_ids: Sequence[int]) -> dict[int, Tombstone]:
        """What is left of those of the tweets that were deleted, by id."""
        if not tweet_ids:
            return {}
        keys = [(tweet_id,) for tweet_id in tweet_ids]
        documents = await self._reader.get_many(TOMBSTONES, keys)
        graves = [msgspec.convert(each, Tombstone) for each in documents if each is not None]
        return {grave.id: grave for grave in graves}

    async def counts(self, tweet_ids: Sequence[int]) -> list[TweetCounts]:
        """Counts of these tweets, in their order; zeros where there are none."""
        keys = [(tweet_id,) for tweet_id in tweet_ids]
        documents = await self._reader.get_many(TWEET_COUNTS, keys)
        return [
            NO_COUNTS if document is None else msgspec.convert(document, TweetCounts)
            for document in documents
        ]

    async def edits(self, tweet_id: int, below: int, limit: int) -> list[TweetEdit]:
        """Versions before version `below`, newest first."""
        documents = await self._reader.range(
            TWEET_EDITS, (tweet_id,), before=(below,), limit=limit, reverse=True
        )
        return [msgspec.convert(document, TweetEdit) for document in documents]

    async def posts(self, author_id: int, before: int, limit: int) -> list[Post]:
        """An author's posts, newest first, below `before` (0: from the newest)."""
        [posts] = await self.posts_of_many([author_id], before, 0, limit)
        return posts

    async def posts_of_many(
        self, author_ids: Sequence[int], before: int, above: int, limit: int
    ) -> list[list[Post]]:
        """For each author at most `limit` posts, newest first, between two ids (0: no bound)."""
        lists = await self._reader.select_many(
            POSTS,
            ("tweet_id", "kind"),
            [(author_id,) for author_id in author_ids],
            after=(above,) if above else None,
            before=(before,) if before else None,
            limit=limit,
            reverse=True,
        )
        return lists

    async def replies(self, tweet_id: int, after: int, limit: int) -> list[int]:
        """Ids of direct replies, oldest first, above `after`."""
        rows = await self._reader.select(
            REPLIES, ("tweet_id",), (tweet_id,), after=(after,), limit=limit
        )
        return [reply_id for (reply_id,) in rows]

    async def replies_to_many(self, tweet_ids: Sequence[int], limit: int) -> dict[int, list[int]]:
        """Ids of at most `limit` direct replies to each tweet, oldest first.

        Here, and in `replies`, a deleted reply stays for as long as it has replies of its own.
        """
        prefixes = [(tweet_id,) for tweet_id in tweet_ids]
        lists = await self._reader.select_many(REPLIES, ("tweet_id",), prefixes, limit=limit)
        return {
            tweet_id: [reply_id for (reply_id,) in rows]
            for tweet_id, rows in zip(tweet_ids, lists, strict=True)
        }

    async def conversation_before(self, conversation_id: int, before: int, limit: int) -> list[int]:
        """Ids of the tweets of a conversation below `before`, newest first."""
        rows = await self._reader.select(
            CONVERSATIONS,
            ("tweet_id",),
            (conversation_id,),
            before=(before,),
            limit=limit,
            reverse=True,
        )
        return [tweet_id for (tweet_id,) in rows]

    async def conversation(self, conversation_id: int, after: int, limit: int) -> list[int]:
        """Ids of all tweets of a conversation, oldest first, above `after`."""
        rows = await self._reader.select(
            CONVERSATIONS, ("tweet_id",), (conversation_id,), after=(after,), limit=limit
        )
        return [tweet_id for (tweet_id,) in rows]
