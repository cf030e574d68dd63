"""Retweets, quotes, bookmarks and pins. Part of `Client`."""

import uuid

from rookery.client.models import User, Users
from rookery.client.pages import Pages
from rookery.client.paths import Id, UserId, id_in_path, user_path
from rookery.client.requests import Requests
from rookery.client.transport import Call
from rookery.client.tweet_models import (
    BookmarkState,
    PinState,
    Retweet,
    RetweetState,
    Tweet,
    Tweets,
)


class RetweetMethods(Requests):
    """The methods of `Client` that pass tweets on, or keep them."""

    async def retweet(
        self, tweet_id: Id, comment: str | None = None, *, idempotency_key: str | None = None
    ) -> Tweet:
        """Retweet a tweet; with a `comment`, quote it.

        The retweet of what one has retweeted before is the former one. A quote is a new one each
        time, and a lost answer is no reason for a second: see `post`.
        """
        call = Call(
            "POST",
            f"/tweets/{id_in_path(tweet_id)}/retweet",
            body={} if comment is None else {"comment": comment},
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )
        return (await self._transport.request(call, Retweet)).tweet

    async def undo_retweet(self, tweet_id: Id) -> RetweetState:
        """Take one's retweet of a tweet back; no error if there is none."""
        call = Call("DELETE", f"/tweets/{id_in_path(tweet_id)}/retweet")
        return await self._transport.request(call, RetweetState)

    def retweeters(self, tweet_id: Id, *, limit: int = 100) -> Pages[User]:
        """Who retweeted a tweet, newest retweet first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/retweeters", Users, limit)

    def quotes(self, tweet_id: Id, *, limit: int = 100) -> Pages[Tweet]:
        """Quotes of a tweet, newest first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/quotes", Tweets, limit)

    async def bookmark(self, tweet_id: Id) -> BookmarkState:
        """Bookmark a tweet, which nobody else sees; no error if one has already."""
        call = Call("POST", f"/tweets/{id_in_path(tweet_id)}/bookmark", repeatable=True)
        return await self._transport.request(call, BookmarkState)

    async def remove_bookmark(self, tweet_id: Id) -> BookmarkState:
        """Remove a bookmark; no error if there is none."""
        call = Call("DELETE", f"/tweets/{id_in_path(tweet_id)}/bookmark")
        return await self._transport.request(call, BookmarkState)

    def bookmarks(self, *, limit: int = 100) -> Pages[Tweet]:
        """One's own bookmarks, newest first."""
        return self._pages("/bookmarks", Tweets, limit)

    async def pin(self, tweet_id: Id) -> PinState:
        """Pin a tweet of one's own to the profile; `Conflict` where five are pinned."""
        call = Call("POST", f"/tweets/{id_in_path(tweet_id)}/pin", repeatable=True)
        return await self._transport.request(call, PinState)

    async def unpin(self, tweet_id: Id) -> PinState:
        """Take a pin away; no error if there is none."""
        call = Call("DELETE", f"/tweets/{id_in_path(tweet_id)}/pin")
        return await self._transport.request(call, PinState)

    def pinned(self, user_id: UserId, *, limit: int = 100) -> Pages[Tweet]:
        """What a user pinned to the profile, newest pin first."""
        return self._pages(f"{user_path(user_id)}/pinned", Tweets, limit)
