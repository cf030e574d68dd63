"""What stands around a tweet in its conversation: what it answers, and what answers it.

Ancestors come from the root down. Descendants come as people read a discussion: each reply is
followed by all that was replied to it, replies to the same tweet by age. A deleted tweet keeps its
place among them for as long as something living leads on from it (see `store.tweets.deleting`);
it is for the caller to see which of the ids are still tweets.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rookery.errors import InvalidCursor, NotFound
from rookery.models import Tombstone, Tweet
from rookery.services.reading.pages import Page, check_limit, page_of_ids
from rookery.store.engine import Store
from rookery.store.records.tweets import TweetRepository

MAX_ANCESTORS = 100
"""The nearest ones; those above are the ancestors of the first of them."""
MAX_DEPTH = 100
"""So many levels below a tweet are shown; what is below that is the context of those."""
NEIGHBOUR_READS = 2
"""So often tweets are read together in the hope that ancestors are among them."""


class Context(NamedTuple):
    """Ids of the ancestors, root first, and a page of ids of the descendants."""

    ancestors: list[int]
    descendants: Page


class Contexts:
    """Reads what stands around tweets."""

    def __init__(self, store: Store) -> None:
        self._tweets = TweetRepository(store.reader)

    async def of(self, tweet_id: int, after: int, limit: int) -> Context:
        """The context of a tweet; descendants behind `after` (0: from the first).

        Ancestors are part of the first page only.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            InvalidCursor: `after` is no descendant of the tweet.
            NotFound: no such tweet.
        """
        check_limit(limit)
        tweet = await self._tweets.get(tweet_id)
        if tweet is None:
            raise NotFound("Tweet not found")
        ancestors = [] if after else await self._ancestors(tweet)
        walk = _Descent(self._tweets, limit + 1)
        path = await self._path(tweet_id, after) if after else [tweet_id]
        return Context(ancestors, page_of_ids(await walk.collect(path), limit))

    async def _ancestors(self, tweet: Tweet) -> list[int]:
        """Ids from the root down, or from the `MAX_ANCESTORS`th one up; `tweet` excluded.

        Where a tweet was deleted without leaving a tombstone, it is the first.
        """
        found: list[int] = []
        known: dict[int, Tweet] = {}
        parent_id = tweet.reply_to_id
        reads = 0
        while parent_id is not None and len(found) < MAX_ANCESTORS:
            found.append(parent_id)
            is_beyond = not known or parent_id < min(known)
            if is_beyond and reads < NEIGHBOUR_READS:
                # Who writes a thread mostly answers a neighbour: one read for many steps.
                known |= await self._neighbours(tweet.conversation_id, parent_id)
                reads += 1
            parent = known.get(parent_id)
            parent_id = await self._parent_of(parent_id) if parent is None else parent.reply_to_id
        return found[::-1]

    async def _neighbours(self, conversation_id: int, tweet_id: int) -> dict[int, Tweet]:
        """A tweet, where it is there, and those before it in its conversation."""
        ids = await self._tweets.conversation_before(conversation_id, tweet_id, MAX_ANCESTORS)
        return {
            tweet.id: tweet
            for tweet in await self._tweets.get_many([tweet_id, *ids])
            if tweet is not None
        }

    async def _path(self, root_id: int, tweet_id: int) -> list[int]:
        """Ids from `root_id` down to `tweet_id`, both included.

        Raises:
            InvalidCursor: it does not stand below.
        """
        path = [tweet_id]
        while path[-1] != root_id:
            parent_id = await self._parent_of(path[-1])
            if parent_id is None or len(path) > MAX_DEPTH:
                raise InvalidCursor
            path.append(parent_id)
        return path[::-1]

    async def _parent_of(self, tweet_id: int) -> int | None:
        found: Tweet | Tombstone | None = await self._tweets.get(tweet_id)
        if found is None:
            found = (await self._tweets.tombstones([tweet_id])).get(tweet_id)
        return None if found is None else found.reply_to_id


class _Descent:
    """One walk through the replies below a tweet, depth first, for at most `wanted` ids.

    Reads the replies of all siblings together, so leaves cost no read of their own.
    """

    def __init__(self, tweets: TweetRepository, wanted: int) -> None:
        self._tweets = tweets
        self._wanted = wanted
        self._replies: dict[int, list[int]] = {}

    async def collect(self, path: Sequence[int]) -> list[int]:
        """The ids behind the last of `path`, which leads down from the tweet that is asked about.

        The position is the path itself: below each of its tweets, what comes behind the next.
        """
        levels = [await self._after(parent_id, child_id) for parent_id, child_id in pairwise(path)]
        if len(path) <= MAX_DEPTH:
            levels.append(await self._after(path[-1], 0))
        found: list[int] = []
        while levels and len(found) < self._wanted:
            if not levels[-1]:
                levels.pop()
                continue
            reply_id = levels[-1].pop(0)
            found.append(reply_id)
            if len(levels) < MAX_DEPTH:
                levels.append(await self._below(reply_id))
        return found

    async def _after(self, tweet_id: int, after: int) -> list[int]:
        replies = await self._tweets.replies(tweet_id, after, self._wanted)
        await self._look_below(replies)
        return replies

    async def _below(self, tweet_id: int) -> list[int]:
        replies = self._replies.pop(tweet_id)
        await self._look_below(replies)
        return replies

    async def _look_below(self, tweet_ids: Sequence[int]) -> None:
        if tweet_ids:
            self._replies |= await self._tweets.replies_to_many(tweet_ids, self._wanted)
