"""Which tweets a viewer likes: asked for every page that is shown to a signed-in viewer.

What is known of a viewer is all likes of tweets from some id up, so one short read covers the
newest pages, and mostly finds nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from rookery.domain.generations import Generations
from rookery.services.batching import Batcher
from rookery.store.engine import Store
from rookery.store.records.engagement import EngagementRepository

TTL_MS = 30_000
CAPACITY = 100_000
MAX_LIKES = 200


class Known(NamedTuple):
    """All likes of one viewer of tweets with ids from `lowest` up."""

    lowest: int
    tweet_ids: AbstractSet[int]
    until_ms: int


class LikedTweets:
    """The viewers' likes, cached for `ttl_ms`.

    A like is seen by the next read that begins after `changed`, which is called in every gateway;
    where that call was lost, at most `ttl_ms` later. At most `max_likes` are kept of a viewer;
    likes of older tweets are then looked up one by one. While the store cannot be asked, what was
    known last is used on, except of users whose likes have changed since.
    """

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        *,
        ttl_ms: int = TTL_MS,
        capacity: int = CAPACITY,
        max_likes: int = MAX_LIKES,
    ) -> None:
        self._repository = EngagementRepository(store.reader)
        self._clock_ms = clock_ms
        self._ttl_ms = ttl_ms
        self._max_likes = max_likes
        self._cache: Generations[int, Known] = Generations(capacity)
        self._batcher: Batcher[tuple[int, int], dict[int, Known]] = Batcher(self._load)
        self._loading = False
        self._changed: set[int] = set()

    def known(self, user_id: int, lowest: int, now_ms: int) -> AbstractSet[int] | None:
        """A set with all likes of tweets from `lowest` up, if that is known without a read."""
        known = self._cache.young.get(user_id) or self._cache.get(user_id)
        if known is None or known.lowest > lowest or known.until_ms <= now_ms:
            return None
        return known.tweet_ids

    def known_last(self, user_id: int, lowest: int) -> AbstractSet[int] | None:
        """As `known`, however old; for when the store cannot be asked."""
        known = self._cache.get(user_id)
        return None if known is None or known.lowest > lowest else known.tweet_ids

    def request(self, user_id: int, lowest: int) -> Awaitable[dict[int, Known]]:
        """Begin to read; the result is for `resolve`."""
        return self._batcher.request([(user_id, lowest)])

    async def resolve(
        self, user_id: int, tweet_ids: Sequence[int], loaded: dict[int, Known]
    ) -> AbstractSet[int]:
        """A set that holds those of `tweet_ids` that the user likes, and maybe others."""
        known = loaded[user_id]
        if known.lowest <= min(tweet_ids):
            return known.tweet_ids
        return await self._repository.likes(user_id, tweet_ids)

    async def among(self, user_id: int, tweet_ids: Sequence[int]) -> set[int]:
        """Those of `tweet_ids` that the user likes."""
        if not tweet_ids:
            return set()
        lowest = min(tweet_ids)
        liked = self.known(user_id, lowest, self._clock_ms())
        if liked is None:
            liked = await self.resolve(user_id, tweet_ids, await self.request(user_id, lowest))
        return set(tweet_ids) & liked

    def changed(self, user_id: int) -> None:
        """Forget what is known of a user; call after each write of a like, whatever came of it."""
        self._cache.discard(user_id)
        if self._loading:
            self._changed.add(user_id)

    async def _load(self, keys: list[tuple[int, int]]) -> dict[int, Known]:
        self._changed.clear()
        self._loading = True
        try:
            user_ids = list({user_id for user_id, _ in keys})
            lowest = min(tweet_id for _, tweet_id in keys)
            until_ms = self._clock_ms() + self._ttl_ms
            lists = await self._repository.newest_liked(user_ids, lowest, self._max_likes)
        finally:
            self._loading = False
        loaded: dict[int, Known] = {}
        for user_id, liked in zip(user_ids, lists, strict=True):
            complete_from = lowest if len(liked) < self._max_likes else liked[-1]
            known = loaded[user_id] = Known(complete_from, frozenset(liked), until_ms)
            # What was read before a change of the user's likes may lack it.
            if user_id not in self._changed:
                self._cache.put(user_id, known)
        return loaded
