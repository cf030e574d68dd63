"""Tweets, what stands around them, and likes. Part of `Client`."""

import uuid
from typing import Any

import msgspec

from rookery.client.errors import InvalidResponse
from rookery.client.models import User, Users
from rookery.client.pages import Pages
from rookery.client.paths import Id, UserId, id_in_path, user_path
from rookery.client.requests import GONE, Requests
from rookery.client.transport import Call
from rookery.client.tweet_models import (
    Context,
    ContextPage,
    Engagements,
    LikeState,
    Posted,
    Replies,
    Tweet,
    Tweets,
    TweetVersion,
    Versions,
    Visibility,
)


class TweetMethods(Requests):
    """The methods of `Client` about single tweets."""

    async def post(
        self,
        text: str,
        *,
        reply_to: Id | None = None,
        quote: Id | None = None,
        visibility: Visibility = "public",
        sensitive: bool = False,
        lang: str | None = None,
        idempotency_key: str | None = None,
    ) -> Tweet:
        """Post a tweet; once it returns, the tweet is durable and readable.

        `visibility`: for everybody, for one's followers, or only for whom it mentions.
        A lost answer is no reason for a second tweet: the request is repeated under one key.
        Give your own `idempotency_key` to repeat it safely from another process, too.
        """
        body: dict[str, Any] = {"text": text}
        if reply_to is not None:
            body["replyToTweetId"] = id_in_path(reply_to)
        if quote is not None:
            body["quoteTweetId"] = id_in_path(quote)
        if visibility != "public":
            body["visibility"] = visibility
        if sensitive:
            body["sensitive"] = True
        if lang is not None:
            body["lang"] = lang
        key = idempotency_key or str(uuid.uuid4())
        call = Call("POST", "/tweets", body=body, idempotency_key=key)
        return (await self._transport.request(call, Posted)).tweet

    async def tweet(self, tweet_id: Id) -> Tweet:
        """A tweet."""
        return await self._get(f"/tweets/{id_in_path(tweet_id)}", Tweet)

    async def delete_tweet(self, tweet_id: Id) -> None:
        """Delete a tweet of one's own."""
        await self._transport.send(Call("DELETE", f"/tweets/{id_in_path(tweet_id)}", done=GONE))

    async def edit_tweet(self, tweet_id: Id, text: str) -> Tweet:
        """Give a tweet of one's own another text."""
        call = Call("PATCH", f"/tweets/{id_in_path(tweet_id)}", body={"text": text})
        return await self._transport.request(call, Tweet)

    def history(self, tweet_id: Id, *, limit: int = 100) -> Pages[TweetVersion]:
        """Versions of a tweet, newest first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/history", Versions, limit)

    async def context(
        self, tweet_id: Id, *, cursor: str | None = None, limit: int = 100
    ) -> Context:
        """What stands around a tweet; the next page of what answers it by `cursor`.

        Ancestors are part of the first page only.
        """
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        call = Call("GET", f"/tweets/{id_in_path(tweet_id)}/context", query=query)
        page = await self._transport.request(call, ContextPage)
        try:
            return page.read()
        except msgspec.DecodeError as error:
            raise InvalidResponse(f"GET {call.path} was answered with something else") from error

    def replies(self, tweet_id: Id, *, limit: int = 100) -> Pages[Tweet]:
        """Replies to a tweet, oldest first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/replies", Replies, limit)

    def conversation(self, tweet_id: Id, *, limit: int = 100) -> Pages[Tweet]:
        """All of the conversation that a tweet belongs to, oldest first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/conversation", Tweets, limit)

    async def like(self, tweet_id: Id) -> LikeState:
        """Like a tweet; no error if one does already."""
        call = Call("POST", f"/tweets/{id_in_path(tweet_id)}/like", repeatable=True)
        return await self._transport.request(call, LikeState)

    async def unlike(self, tweet_id: Id) -> LikeState:
        """Take a like back; no error if there is none."""
        call = Call("DELETE", f"/tweets/{id_in_path(tweet_id)}/like")
        return await self._transport.request(call, LikeState)

    def likers(self, tweet_id: Id, *, limit: int = 100) -> Pages[User]:
        """Who likes a tweet, newest like first."""
        return self._pages(f"/tweets/{id_in_path(tweet_id)}/likers", Users, limit)

    def likes(self, user_id: UserId, *, limit: int = 100) -> Pages[Tweet]:
        """What a user likes, newest like first."""
        return self._pages(f"{user_path(user_id)}/likes", Tweets, limit)

    async def engagements(self, tweet_id: Id) -> Engagements:
        """How often a tweet was liked, retweeted, answered and quoted."""
        return await self._get(f"/tweets/{id_in_path(tweet_id)}/engagements", Engagements)
