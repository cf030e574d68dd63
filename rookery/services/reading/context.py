"""What stands around a tweet in its conversation: what it answers, and what answers it.

Ancestors come from the root down. Descendants come as people read a discussion: each reply is
followed by all that was replied to it, replies to the same tweet by age. A tweet that is deleted,
or not for the viewer, keeps its place among them only where something that is shown leads on from
it.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rookery.errors import InvalidCursor
from rookery.models import Tombstone, Tweet
from rookery.services.reading.pages import MAX_SCANNED, check_limit
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import Place, Shown, Unavailable, id_of
from rookery.store.engine import Store
from rookery.store.records.tweets import TweetRepository

MAX_ANCESTORS = 100
"""The nearest ones; those above are the ancestors of the first of them."""
MAX_DEPTH = 100
"""So many levels below a tweet are shown; what is below that is the context of those."""
NEIGHBOUR_READS = 2
"""So often tweets are read together in the hope that ancestors are among them."""


class Context(NamedTuple):
    """The ancestors, root first, and a page of the descendants."""

    ancestors: list[Place]
    descendants: list[Place]
    next_id: int


class Contexts:
    """Reads what stands around tweets."""

    def __init__(self, store: Store, reading: Reading) -> None:
        self._tweets = TweetRepository(store.reader)
        self._reading = reading

    async def of(self, viewer_id: int | None, tweet_id: int, after: int, limit: int) -> Context:
        """The context of a tweet; descendants behind `after` (0: from the first).

        Ancestors are part of the first page only.

        Raises:
            InvalidRequest: `limit` is out of bounds.
            InvalidCursor: `after` is no descendant of the tweet.
            NotFound: no such tweet, or not for this viewer.
        """
        check_limit(limit)
        tweet = await self._reading.seen_tweet(viewer_id, tweet_id)
        ancestor_ids = [] if after else await self._ancestors(tweet)
        ancestors = await self._reading.places(viewer_id, ancestor_ids)
        walk = _Descent(self._tweets, self._reading, viewer_id, tweet.conversation_id, limit + 1)
        path = await self._path(tweet_id, after) if after else [tweet_id]
        places = await walk.collect(path)
        shown = places[:limit]
        goes_on = bool(shown) and (len(places) > limit or walk.is_cut)
        return Context(ancestors, shown, id_of(shown[-1]) if goes_on else 0)

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


class _Level:
    """The replies to one tweet that are still to be walked; more may follow them in the store.

    `waiting` stands in the place of the tweet itself, and is shown once something below it is.
    """

    def __init__(
        self, parent_id: int, reply_ids: list[int], may_go_on: bool, waiting: Place | None = None
    ) -> None:
        self.parent_id = parent_id
        self.reply_ids = reply_ids
        self.last_id = reply_ids[-1] if reply_ids else 0
        self.may_go_on = may_go_on
        self.waiting = waiting


class _Descent:
    """One walk through the replies below a tweet, depth first, until `wanted` places are found.

    Reads the replies of all siblings together, so leaves cost no read of their own. `is_cut`: it
    has looked at `MAX_SCANNED` tweets, and gave up.
    """

    def __init__(
        self,
        tweets: TweetRepository,
        reading: Reading,
        viewer_id: int | None,
        conversation_id: int,
        wanted: int,
    ) -> None:
        self._tweets = tweets
        self._reading = reading
        self._viewer_id = viewer_id
        self._asked_for = (conversation_id,)
        self._wanted = wanted
        self._replies: dict[int, list[int]] = {}
        self._shown: dict[int, Shown] = {}
        self._graves: dict[int, Unavailable] = {}
        self._scanned = 0
        self.is_cut = False

    async def collect(self, path: Sequence[int]) -> list[Place]:
        """What stands behind the last of `path`, which leads down from the tweet that is asked
        about.

        The position is the path itself: below each of its tweets, what comes behind the next.
        """
        levels = [await self._after(parent_id, child_id) for parent_id, child_id in pairwise(path)]
        if len(path) <= MAX_DEPTH:
            levels.append(await self._after(path[-1], 0))
        found: list[Place] = []
        while levels and len(found) < self._wanted and not self.is_cut:
            level = levels[-1]
            if level.reply_ids:
                await self._step(levels, level.reply_ids.pop(0), found)
            elif level.may_go_on:
                levels[-1] = await self._after(level.parent_id, level.last_id, level.waiting)
            else:
                levels.pop()
        return found

    async def _step(self, levels: list[_Level], reply_id: int, found: list[Place]) -> None:
        """Walk over one reply, and into what is below it."""
        self._scanned += 1
        self.is_cut = self._scanned >= MAX_SCANNED
        shown = self._shown.pop(reply_id, None)
        if shown is not None:
            for level in levels:
                if level.waiting is not None:
                    found.append(level.waiting)
                    level.waiting = None
            found.append(shown)
        if len(levels) < MAX_DEPTH:
            replies = self._replies.pop(reply_id)
            await self._look_below(replies)
            waiting = self._graves.pop(reply_id, None)
            levels.append(_Level(reply_id, replies, len(replies) >= self._wanted, waiting))

    async def _after(self, tweet_id: int, after: int, waiting: Place | None = None) -> _Level:
        replies = await self._tweets.replies(tweet_id, after, self._wanted)
        await self._look_below(replies)
        return _Level(tweet_id, replies, len(replies) >= self._wanted, waiting)

    async def _look_below(self, tweet_ids: Sequence[int]) -> None:
        """Read what is shown of these tweets, and the ids of what was replied to them."""
        if not tweet_ids:
            return
        self._replies |= await self._tweets.replies_to_many(tweet_ids, self._wanted)
        listed = await self._reading.tweets(self._viewer_id, tweet_ids, asked_for=self._asked_for)
        self._shown |= {each.id: each for each in listed}
        missing = [tweet_id for tweet_id in tweet_ids if tweet_id not in self._shown]
        for tweet_id, place in zip(
            missing, await self._reading.places(self._viewer_id, missing), strict=True
        ):
            # What the viewer muted is here as if it were hidden.
            self._graves[tweet_id] = (
                place if isinstance(place, Unavailable) else Unavailable(tweet_id, "hidden")
            )
