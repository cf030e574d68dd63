"""Pinning tweets to one's profile."""

from collections.abc import Callable

from rookery.errors import Conflict, Forbidden, InvalidRequest
from rookery.models import Identity
from rookery.services.reading.pages import Chunk, check_limit, chunk_of_rows
from rookery.services.reading.reading import Reading
from rookery.services.reading.shown import ShownPage
from rookery.services.tweets.counts import CountChanges
from rookery.services.tweets.marking import Marking
from rookery.store.engine import Store
from rookery.store.records.pins import (
    NOT_PINNED,
    PINNED,
    TOO_MANY,
    PinRepository,
    pinning,
    unpinning,
)

MAX_PINS = 5


class Pins:
    """Users' pins. When a change returns, every read shows it, through whichever process."""

    def __init__(
        self, store: Store, ids: Callable[[], int], reading: Reading, changes: CountChanges
    ) -> None:
        self._ids = ids
        self._reading = reading
        self._marking = Marking(store, changes)
        self._pins = PinRepository(store.reader)

    async def pin(self, identity: Identity, tweet_id: int) -> bool:
        """Pin a tweet of the user's own; False if that was so already.

        Raises:
            NotFound: no such tweet, or not for this user.
            Forbidden: it is someone else's.
            InvalidRequest: it is a retweet.
            Conflict: as many as may be are pinned.
        """
        tweet = await self._reading.seen_tweet(identity.user_id, tweet_id)
        if tweet.author_id != identity.user_id:
            raise Forbidden("You may only pin your own tweets")
        if tweet.retweet_of_id is not None:
            raise InvalidRequest("A retweet cannot be pinned", "id")
        operations = pinning(identity.user_id, tweet_id, self._ids(), MAX_PINS)
        failed = await self._marking.commit(operations, NOT_PINNED, TOO_MANY, counts=[tweet_id])
        if failed == TOO_MANY:
            raise Conflict(f"At most {MAX_PINS} tweets can be pinned; unpin another one first")
        return failed is None

    async def unpin(self, identity: Identity, tweet_id: int) -> bool:
        """Take a pin away; False if there was none, also where there is no such tweet."""
        operations = unpinning(identity.user_id, tweet_id)
        return await self._marking.commit(operations, PINNED, counts=[tweet_id]) is None

    async def of_user(
        self, viewer_id: int | None, user_id: int, before: int, limit: int
    ) -> ShownPage:
        """What a user pinned, newest pin first, below pin id `before` (0: all).

        Raises:
            InvalidRequest: `limit` is out of bounds.
            NotFound: no such user, or not for this viewer.
            Protected: they are only for those whom the user approved.
        """
        check_limit(limit)
        await self._reading.check_lists(viewer_id, user_id)

        async def read(before: int, limit: int) -> Chunk:
            return chunk_of_rows(await self._pins.of_user(user_id, before, limit), limit)

        return await self._reading.page(viewer_id, read, before, limit, asked_for=[user_id])
