"""The cache of tweets that every page is made from."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from rookery.domain.generations import Generations
from rookery.models import Tweet, User
from rookery.services.batching import Batcher
from rookery.services.ports import Invalidation
from rookery.services.reading.authors import Authors
from rookery.services.reading.common import joined, single
from rookery.services.reading.shown import Common, Entry, Shown, Unavailable
from rookery.store.engine import Store
from rookery.store.records.tweets import TweetRepository

COUNTS_TTL_MS = 10_000
CARD_TTL_MS = 30_000
MAX_GONE = 20_000
LEAST_CAPACITY = 8
"""So that all parts of a tweet are still there when it is joined."""


class Entries:
    """Reads tweets by id, and keeps at most `capacity` of them.

    A request that begins after `invalidate` or `add` returned does not get the former value, even
    if a read was under way. Where an invalidation did not arrive, counts are at most
    `counts_ttl_ms` old and everything else `card_ttl_ms`.
    """

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        authors: Authors,
        *,
        capacity: int,
        counts_ttl_ms: int = COUNTS_TTL_MS,
        card_ttl_ms: int = CARD_TTL_MS,
    ) -> None:
        self._tweets = TweetRepository(store.reader)
        self._clock_ms = clock_ms
        self._authors = authors
        self._counts_ttl_ms = counts_ttl_ms
        self._card_ttl_ms = card_ttl_ms
        self._cache: Generations[int, Common] = Generations(max(capacity, LEAST_CAPACITY), _leave)
        self._gone: Generations[int, bool] = Generations(MAX_GONE)
        self._batcher: Batcher[int, dict[int, Entry]] = Batcher(self._load)
        self._loading = False
        self._changed: set[int] = set()
        self._changed_counts: set[int] = set()
        self._changed_authors: set[int] = set()

    def __len__(self) -> int:
        return len(self._cache)

    def plain(self, ids: Sequence[int], now_ms: int) -> list[Shown] | None:
        """As `common`, where all of it is for everybody."""
        young = self._cache.young
        found: list[Shown] = []
        for tweet_id in ids:
            common = young.get(tweet_id)
            if common is None or common.plain_until_ms <= now_ms:
                common = self._common(tweet_id, now_ms)
                if common is None or common.narrow:
                    return None
            found.append(common)
        return found

    def common(self, ids: Sequence[int], now_ms: int) -> list[Common] | None:
        """Each of `ids` as most people see it; None unless all of them are here and fresh, with all
        that they show."""
        young = self._cache.young
        found: list[Common] = []
        for tweet_id in ids:
            common = young.get(tweet_id)
            if common is None or common.until_ms <= now_ms:
                common = self._common(tweet_id, now_ms)
                if common is None:
                    return None
            found.append(common)
        return found

    def whole(self, ids: Sequence[int], now_ms: int) -> dict[int, Entry] | None:
        """The entries of `ids` and of all that they show, by id; None as `common`."""
        tweets = self.common(ids, now_ms)
        if tweets is None:
            return None
        return {part.tweet.id: part for tweet in tweets for part in tweet.parts}

    def _common(self, tweet_id: int, now_ms: int) -> Common | None:
        common = self._cache.get(tweet_id)
        if common is None:
            return None
        if common.until_ms > now_ms:
            return common
        entry = common.entry
        if not entry.refers_to or entry.counts_until_ms <= now_ms:
            return None
        original = None
        quoted: Entry | Unavailable | None = None
        if (original_id := entry.tweet.retweet_of_id) is not None:
            original = self._common(original_id, now_ms)
            if original is None:
                return None
        if (quoted_id := entry.tweet.quote_of_id) is not None:
            quoted = self.get(quoted_id, now_ms)
            if quoted is None and self.is_gone(quoted_id):
                quoted = Unavailable(quoted_id, "deleted")
            if quoted is None:
                return None
        common = entry.common = joined(entry, original, quoted)
        self._cache.put(tweet_id, common)
        return common

    def get(self, tweet_id: int, now_ms: int) -> Entry | None:
        """An entry that need not be read again by `now_ms` (a negative one: however old)."""
        shown = self._cache.get(tweet_id)
        if shown is None or shown.entry.counts_until_ms <= now_ms:
            return None
        return shown.entry

    def is_gone(self, tweet_id: int) -> bool:
        """Whether a tweet that another one refers to is known to be deleted."""
        return self._gone.get(tweet_id) is not None

    async def read(
        self, ids: Iterable[int], now_ms: int, *, is_referred: bool = False
    ) -> dict[int, Entry]:
        """The entries of those of `ids` that exist; reads what is missing or too old.

        `is_referred`: other tweets refer to these, so that those which are missing were deleted.

        Raises:
            StoreUnavailable: something that is not cached cannot be read.
        """
        found: dict[int, Entry] = {}
        wanted: list[int] = []
        young = self._cache.young
        for tweet_id in ids:
            common = young.get(tweet_id) or self._cache.get(tweet_id)
            if common is not None and common.entry.counts_until_ms > now_ms:
                found[tweet_id] = common.entry
            elif not (is_referred and self.is_gone(tweet_id)):
                wanted.append(tweet_id)
        if wanted:
            loaded = await self._batcher.request(wanted)
            for tweet_id in wanted:
                if (entry := loaded.get(tweet_id)) is not None:
                    found[tweet_id] = entry
                elif is_referred:
                    self._gone.put(tweet_id, True)
        return found

    async def ask_again(self, tweet_id: int) -> None:
        """Ask the store for a tweet even if it is cached, as for one that is not there.

        For a viewer who may not know that it is there: an answer from the cache would come sooner,
        and so tell of it.
        """
        await self._batcher.request([tweet_id])

    def add(self, tweet: Tweet, author: User) -> Shown:
        """Keep a tweet that was committed just now. If it is plain, the result is as of `plain`."""
        now_ms = self._clock_ms()
        entry = Entry(tweet, author, now_ms + self._card_ttl_ms)
        entry.expire_counts(now_ms + self._counts_ttl_ms)
        return self._put(entry)

    def invalidate(self, change: Invalidation) -> None:
        """Forget what `change` names, its users also in the cache of authors."""
        self._authors.invalidate(change)
        if self._loading:
            self._changed.update(change.tweets)
            self._changed_counts.update(change.counts)
            self._changed_authors.update(change.users)
        for tweet_id in change.tweets:
            self._forget(tweet_id)
        for tweet_id in change.counts:
            if (common := self._cache.peek(tweet_id)) is not None:
                common.entry.expire_counts()
        if change.users:
            authors = set(change.users)
            of_them = [
                key for key, common in self._cache.items() if common.entry.author.id in authors
            ]
            for tweet_id in of_them:
                self._forget(tweet_id)

    async def _load(self, ids: list[int]) -> dict[int, Entry]:
        self._changed.clear()
        self._changed_counts.clear()
        self._changed_authors.clear()
        self._loading = True
        try:
            return await self._refresh(ids)
        finally:
            self._loading = False

    async def _refresh(self, ids: list[int]) -> dict[int, Entry]:
        """Bring the entries of `ids` up to date; what changes meanwhile is not kept."""
        now_ms = self._clock_ms()
        loaded: dict[int, Entry] = {}
        missing: list[int] = []
        for tweet_id in ids:
            shown = self._cache.peek(tweet_id)
            if shown is not None and shown.entry.card_until_ms > now_ms:
                loaded[tweet_id] = shown.entry
            else:
                missing.append(tweet_id)
        made: dict[int, Entry] = {}
        if missing:
            counts, made = await asyncio.gather(
                self._tweets.counts(ids), self._make(missing, now_ms + self._card_ttl_ms)
            )
            loaded.update(made)
        else:
            counts = await self._tweets.counts(ids)
        until_ms = now_ms + self._counts_ttl_ms
        for tweet_id, of_tweet in zip(ids, counts, strict=True):
            if (entry := loaded.get(tweet_id)) is not None:
                entry.count(of_tweet, 0 if tweet_id in self._changed_counts else until_ms)
        for tweet_id in missing:
            self._forget(tweet_id)
        self._keep(made)
        return loaded

    async def _make(self, ids: list[int], until_ms: int) -> dict[int, Entry]:
        tweets = [tweet for tweet in await self._tweets.get_many(ids) if tweet is not None]
        users = await self._authors.many(tweet.author_id for tweet in tweets)
        return {
            tweet.id: Entry(tweet, author, until_ms)
            for tweet in tweets
            if (author := users.get(tweet.author_id)) is not None
        }

    def _keep(self, made: dict[int, Entry]) -> None:
        for tweet_id, entry in made.items():
            if tweet_id not in self._changed and entry.author.id not in self._changed_authors:
                self._put(entry)

    def _put(self, entry: Entry) -> Common:
        self._forget(entry.tweet.id)
        common = entry.common = single(entry)
        self._cache.put(entry.tweet.id, common)
        return common

    def _forget(self, tweet_id: int) -> None:
        if (common := self._cache.peek(tweet_id)) is not None:
            common.entry.leave()
            self._cache.discard(tweet_id)


def _leave(dropped: Iterable[Common]) -> None:
    for common in dropped:
        common.entry.leave()
