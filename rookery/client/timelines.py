"""Timelines. Part of `Client`."""

from typing import Literal, TypeAlias
from urllib.parse import quote

from rookery.client.models import Page
from rookery.client.pages import Pages
from rookery.client.paths import UserId, user_path
from rookery.client.requests import Requests
from rookery.client.transport import Call
from rookery.client.tweet_models import Tweet, Tweets

Filter: TypeAlias = Literal["media", "replies", "retweets"]


class TimelineMethods(Requests):
    """The methods of `Client` that read timelines."""

    def home(self, *, limit: int = 20, filter: Filter | None = None) -> Pages[Tweet]:
        """The tweets of oneself and those one follows, newest first; by `filter` of one kind."""
        return self._pages("/timeline/home", Tweets, limit, filter=filter)

    def user_timeline(self, user_id: UserId, *, limit: int = 20) -> Pages[Tweet]:
        """The tweets of one user, newest first."""
        path = user_path(user_id).replace("/users/", "/timeline/user/", 1)
        return self._pages(path, Tweets, limit)

    async def user_tweets(self, username: str, *, page: int = 1, limit: int = 20) -> Page[Tweet]:
        """The tweets of one user, newest first, by the number of the page.

        What is posted meanwhile moves on from page to page; the cursor of a page does not.
        """
        query = {"page": str(page), "limit": str(limit)}
        call = Call("GET", f"/users/{quote(username, '')}/tweets", query=query)
        found = await self._transport.request(call, Tweets)
        return Page(found.items, found.next_cursor)
