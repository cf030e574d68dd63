"""What a connection server reads of tweets: those that were missed, and those that are watched."""

from collections.abc import Sequence

from rookery.connection.rendering import pushed, referring, unavailable
from rookery.models import TweetCounts
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import Shown, Unavailable
from rookery.store.engine import Reader
from rookery.store.records.tweets import TweetRepository
from rookery.views import PushedTweet, tweet_card


class ReadTweets:
    """`rookery.connection.ports.TweetPort` over the reading room."""

    def __init__(self, reader: Reader, reading: Reading) -> None:
        self._tweets = TweetRepository(reader)
        self._reading = reading

    async def counts(self, tweet_ids: Sequence[int]) -> dict[int, TweetCounts]:
        """See `TweetPort.counts`."""
        counts = await self._tweets.counts(tweet_ids)
        return dict(zip(tweet_ids, counts, strict=True))

    async def missed(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, PushedTweet]:
        """See `TweetPort.missed`."""
        return {
            shown.entry.tweet.id: pushed_shown(shown)
            for shown in await self._reading.tweets(user_id, tweet_ids)
        }

    async def visible(self, user_id: int, tweet_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """See `TweetPort.visible`."""
        return {
            place.entry.tweet.id: _authors_of(place)
            for place in await self._reading.places(user_id, tweet_ids)
            if isinstance(place, Shown)
        }


def pushed_shown(shown: Shown) -> PushedTweet:
    """A tweet for the viewer to whom it is shown."""
    tweet = shown.entry.tweet
    card = tweet_card(tweet, shown.entry.author)
    if isinstance(shown.quoted, Unavailable):
        return pushed(card, quote_of=unavailable(*shown.quoted))
    original = shown.original or shown.quoted
    if original is None:
        return pushed(card)
    return referring(tweet, card, tweet_card(original.entry.tweet, original.entry.author))


def _authors_of(shown: Shown) -> tuple[int, ...]:
    author_id = shown.entry.tweet.author_id
    if shown.original is None:
        return (author_id,)
    return author_id, shown.original.entry.tweet.author_id
