"""What the hub reads of tweets from the store: counts, and cards to send again."""

from collections.abc import Sequence

import msgspec

from rookery.models import TweetCounts
from rookery.services.reading.authors import Authors
from rookery.store.engine import Reader
from rookery.store.records.tweets import TweetRepository
from rookery.views import tweet_card


class TweetFetch:
    """`FetchCounts` and `FetchCards` over the store."""

    def __init__(self, reader: Reader, authors: Authors) -> None:
        self._tweets = TweetRepository(reader)
        self._authors = authors

    async def counts(self, tweet_ids: Sequence[int]) -> dict[int, TweetCounts]:
        """See `FetchCounts`."""
        counts = await self._tweets.counts(tweet_ids)
        return dict(zip(tweet_ids, counts, strict=True))

    async def cards(self, tweet_ids: Sequence[int]) -> dict[int, bytes]:
        """See `FetchCards`."""
        tweets = [each for each in await self._tweets.get_many(tweet_ids) if each is not None]
        authors = await self._authors.many({each.author_id for each in tweets})
        return {
            each.id: msgspec.msgpack.encode(tweet_card(each, authors[each.author_id]))
            for each in tweets
            if each.author_id in authors
        }
