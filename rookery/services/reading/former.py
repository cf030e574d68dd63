"""A reading that keeps the former cache of cards up to date, for as long as lists come from it."""

from collections.abc import Callable

from rookery.models import Tweet, User
from rookery.services.ports import Invalidation
from rookery.services.reading.cards import Cards
from rookery.services.reading.liked import LikedTweets
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import Entry
from rookery.store.engine import Store
from rookery.views import tweet_card


class ReadingWithCards(Reading):
    """`Reading`, and `Cards` with the same content."""

    def __init__(
        self,
        store: Store,
        shown: Store,
        steady_ms: Callable[[], int],
        clock_ms: Callable[[], int],
        *,
        capacity: int,
    ) -> None:
        super().__init__(store, shown, steady_ms, clock_ms, capacity=capacity)
        self.liked = LikedTweets(store, steady_ms)
        self.cards = Cards(shown, steady_ms, self.authors, self.liked, capacity=capacity)

    def invalidate(self, change: Invalidation) -> None:
        super().invalidate(change)
        self.cards.invalidate(change)
        for user_id in change.viewers:
            self.liked.changed(user_id)

    def add(self, tweet: Tweet, author: User) -> Entry:
        self.cards.add(tweet, tweet_card(tweet, author))
        return super().add(tweet, author)
