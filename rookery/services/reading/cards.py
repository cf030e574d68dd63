"""Tweets ready to be sent: the JSON of each, kept as bytes, joined with counts and flags."""

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from rookery.domain.generations import Generations
from rookery.domain.outage import Outage
from rookery.errors import StoreUnavailable
from rookery.models import Tweet, TweetCounts
from rookery.services.batching import Batcher
from rookery.services.ports import Invalidation
from rookery.services.reading.authors import Authors
from rookery.services.reading.liked import LikedTweets
from rookery.store.engine import Store
from rookery.store.records.tweets import NO_COUNTS, TweetRepository
from rookery.views import TweetCard, join_tweet, tweet_card

COUNTS_TTL_MS = 10_000
CARD_TTL_MS = 30_000
_ENCODER = msgspec.json.Encoder()
_NOT_LIKED = b',"liked":false}'


class Entry:
    """One tweet's JSON, whole as most who read it see it: signed in, and without having liked it.

    `counts_until_ms` and `card_until_ms` say how long it may be used. Replaced as a whole when the
    tweet changes, in part when its counts do.
    """

    __slots__ = (
        "_card_length",
        "author_id",
        "card_until_ms",
        "counts_until_ms",
        "tweet_id",
        "unliked",
    )

    def __init__(self, tweet: Tweet, card: TweetCard, card_until_ms: int) -> None:
        self.tweet_id = tweet.id
        self.author_id = tweet.author_id
        self.unliked = _ENCODER.encode(card)
        self._card_length = len(self.unliked)
        self.card_until_ms = card_until_ms
        self.count(NO_COUNTS, 0)

    def count(self, counts: TweetCounts, until_ms: int) -> None:
        """Take in new counts."""
        # The last byte, a brace or what came instead, is not looked at.
        self.unliked = join_tweet(self.unliked[: self._card_length], counts, False)
        self.counts_until_ms = until_ms

    @property
    def liked(self) -> bytes:
        """For a viewer who has liked it."""
        return self.unliked.removesuffix(_NOT_LIKED) + b',"liked":true}'

    @property
    def anonymous(self) -> bytes:
        """For a viewer who is not signed in."""
        return self.unliked.removesuffix(_NOT_LIKED) + b"}"


class Cards:
    """Makes pages of tweets, from a cache of at most `capacity` tweets.

    After `invalidate` (or `add`) returns, no request that begins later gets what was before, even
    if a read was under way. Where an invalidation did not arrive, counts are at most
    `counts_ttl_ms` old and cards `card_ttl_ms`. While the store cannot be asked, what is cached is
    used on, however old; a page of which anything is missing is then `StoreUnavailable`.
    """

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        authors: Authors,
        liked: LikedTweets,
        *,
        capacity: int,
        counts_ttl_ms: int = COUNTS_TTL_MS,
        card_ttl_ms: int = CARD_TTL_MS,
    ) -> None:
        self._tweets = TweetRepository(store.reader)
        self._clock_ms = clock_ms
        self._authors = authors
        self._liked = liked
        self._counts_ttl_ms = counts_ttl_ms
        self._card_ttl_ms = card_ttl_ms
        self._entries: Generations[int, Entry] = Generations(capacity)
        self._batcher: Batcher[int, dict[int, Entry]] = Batcher(self._load)
        self._loading = False
        self._changed: set[int] = set()
        self._changed_counts: set[int] = set()
        self._changed_authors: set[int] = set()
        self._outage = Outage()

    def __len__(self) -> int:
        return len(self._entries)

    async def tweets_json(self, viewer_id: int | None, ids: Sequence[int]) -> list[bytes]:
        """The JSON of each tweet as `viewer_id` sees it, in the order of `ids`.

        Tweets that are deleted, or never were, are left out. The flag `liked` is there only for a
        signed-in viewer.

        Raises:
            StoreUnavailable: something that is not cached cannot be read.
        """
        if not ids:
            return []
        now_ms = self._clock_ms()
        entries = self._fresh(ids, now_ms)
        liked: AbstractSet[int] | None = None
        if viewer_id is not None:
            liked = self._liked.known(viewer_id, min(ids), now_ms)
        if entries is None or (liked is None and viewer_id is not None):
            entries, liked = await self._complete(viewer_id, ids, entries, liked, now_ms)
        if viewer_id is None:
            return [entry.anonymous for entry in entries]
        if not liked:
            return [entry.unliked for entry in entries]
        return [entry.liked if entry.tweet_id in liked else entry.unliked for entry in entries]

    async def _complete(
        self,
        viewer_id: int | None,
        ids: Sequence[int],
        entries: list[Entry] | None,
        liked: AbstractSet[int] | None,
        now_ms: int,
    ) -> tuple[list[Entry], AbstractSet[int] | None]:
        """Read what a page lacks; where the store is away, take what was known last."""
        if not self._outage.may_ask(now_ms):
            last = self._known_last(viewer_id, ids)
            if last is not None:
                return last
        try:
            pending = None
            if viewer_id is not None and liked is None:
                pending = self._liked.request(viewer_id, min(ids))
            if entries is None:
                entries = await self._loaded(ids, now_ms)
            if viewer_id is not None and pending is not None:
                liked = await self._liked.resolve(viewer_id, ids, await pending)
        except StoreUnavailable:
            self._outage.failed(self._clock_ms())
            last = self._known_last(viewer_id, ids)
            if last is None:
                raise
            return last
        self._outage.answered()
        return entries, liked

    def _known_last(
        self, viewer_id: int | None, ids: Sequence[int]
    ) -> tuple[list[Entry], AbstractSet[int] | None] | None:
        """All that a page needs, however old; None if anything of it is not cached."""
        liked = None if viewer_id is None else self._liked.known_last(viewer_id, min(ids))
        entries = [entry for tweet_id in ids if (entry := self._entries.get(tweet_id)) is not None]
        if len(entries) < len(ids) or (viewer_id is not None and liked is None):
            return None
        return entries, liked

    def _fresh(self, ids: Sequence[int], now_ms: int) -> list[Entry] | None:
        """The entries of `ids` if all of them can be used as they are."""
        young = self._entries.young
        entries: list[Entry] = []
        for tweet_id in ids:
            entry = young.get(tweet_id)
            if entry is None or entry.counts_until_ms <= now_ms:
                return None
            entries.append(entry)
        return entries

    async def _loaded(self, ids: Sequence[int], now_ms: int) -> list[Entry]:
        """The entries of those of `ids` that exist; reads what is missing or too old."""
        found: dict[int, Entry] = {}
        wanted: list[int] = []
        for tweet_id in ids:
            entry = self._entries.get(tweet_id)
            if entry is not None and entry.counts_until_ms > now_ms:
                found[tweet_id] = entry
            else:
                wanted.append(tweet_id)
        if wanted:
            loaded = await self._batcher.request(wanted)
            for tweet_id in wanted:
                if (entry := loaded.get(tweet_id)) is not None:
                    found[tweet_id] = entry
        return [found[tweet_id] for tweet_id in ids if tweet_id in found]

    async def present(self, ids: Sequence[int]) -> list[int]:
        """Those of `ids` whose tweets exist, in order; what had to be read is then cached."""
        if all(map(self._entries.young.__contains__, ids)):
            return list(ids)
        missing = [tweet_id for tweet_id in ids if self._entries.get(tweet_id) is None]
        if not missing:
            return list(ids)
        loaded = await self._batcher.request(missing)
        gone = {tweet_id for tweet_id in missing if tweet_id not in loaded}
        return [tweet_id for tweet_id in ids if tweet_id not in gone]

    def add(self, tweet: Tweet, card: TweetCard) -> None:
        """Keep a tweet that was committed just now."""
        now_ms = self._clock_ms()
        entry = Entry(tweet, card, now_ms + self._card_ttl_ms)
        entry.counts_until_ms = now_ms + self._counts_ttl_ms
        self._entries.put(tweet.id, entry)

    async def created_json(self, tweet_id: int) -> bytes | None:
        """The JSON of a tweet for its author, who posted it just now: nothing but the cache is
        asked for the counts and the flag. None if the tweet is gone."""
        entry = self._entries.get(tweet_id)
        if entry is None:
            entry = (await self._batcher.request([tweet_id])).get(tweet_id)
        return None if entry is None else entry.unliked

    def invalidate(self, change: Invalidation) -> None:
        """Forget what `change` names, its users also in the cache of authors."""
        self._authors.invalidate(change)
        if self._loading:
            self._changed.update(change.tweets)
            self._changed_counts.update(change.counts)
            self._changed_authors.update(change.users)
        for tweet_id in change.tweets:
            self._entries.discard(tweet_id)
        for tweet_id in change.counts:
            if (entry := self._entries.peek(tweet_id)) is not None:
                entry.counts_until_ms = 0
        if change.users:
            authors = set(change.users)
            of_them = [key for key, entry in self._entries.items() if entry.author_id in authors]
            for tweet_id in of_them:
                self._entries.discard(tweet_id)

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
            entry = self._entries.peek(tweet_id)
            if entry is not None and entry.card_until_ms > now_ms:
                loaded[tweet_id] = entry
            else:
                missing.append(tweet_id)
        counts, made = await asyncio.gather(
            self._tweets.counts(ids), self._make(missing, now_ms + self._card_ttl_ms)
        )
        loaded.update(made)
        until_ms = now_ms + self._counts_ttl_ms
        for tweet_id, of_tweet in zip(ids, counts, strict=True):
            if (entry := loaded.get(tweet_id)) is not None:
                entry.count(of_tweet, 0 if tweet_id in self._changed_counts else until_ms)
        for tweet_id in missing:
            self._entries.discard(tweet_id)
        self._keep(made)
        return loaded

    async def _make(self, ids: list[int], until_ms: int) -> dict[int, Entry]:
        if not ids:
            return {}
        tweets = [tweet for tweet in await self._tweets.get_many(ids) if tweet is not None]
        users = await self._authors.many(tweet.author_id for tweet in tweets)
        return {
            tweet.id: Entry(tweet, tweet_card(tweet, users[tweet.author_id]), until_ms)
            for tweet in tweets
            if tweet.author_id in users
        }

    def _keep(self, made: dict[int, Entry]) -> None:
        for tweet_id, entry in made.items():
            if tweet_id not in self._changed and entry.author_id not in self._changed_authors:
                self._entries.put(tweet_id, entry)
