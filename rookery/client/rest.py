"""The client: every endpoint of the REST API as a method, and the stream.

Imports nothing of the server's side.
"""

import ssl
import uuid
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from rookery.client.dialing import StreamSettings
from rookery.client.errors import InvalidResponse
from rookery.client.models import (
    Context,
    ContextPage,
    Device,
    Devices,
    Engagements,
    Health,
    LikeState,
    Listing,
    Page,
    Posted,
    Readiness,
    Replies,
    Session,
    SignedUp,
    StreamAddress,
    StreamTicket,
    Tokens,
    Tweet,
    Tweets,
    TweetVersion,
    User,
    Users,
    Versions,
)
from rookery.client.pages import Pages
from rookery.client.paths import Id, UserId, id_in_path, user_path
from rookery.client.position import Position
from rookery.client.social import SocialMethods
from rookery.client.stream import Stream
from rookery.client.transport import Call, OnTokens, Retries, Transport
from rookery.client.wire import Encoding

T = TypeVar("T")
Filter: TypeAlias = Literal["media", "replies", "retweets"]
_GONE = frozenset({404})


class Client(SocialMethods):
    """A user's (or, without a token, anyone's) access to a server.

    Use it with ``async with``; leaving that closes its streams. One client serves any number of
    tasks of one event loop. All methods raise `ApiError` for a refusal (see
    `rookery.client.errors`), `ConnectionFailed` if there is no answer within `timeout_s`, all
    repetitions included, and `InvalidResponse` for an answer that is none of this API.

    An access token that has expired is refreshed and the request repeated; `on_tokens` is then
    called (and awaited, if it is a coroutine function) with the new tokens, also after signing
    up or logging in.
    `http` shares a session between clients, and is left open; otherwise the client has its own.
    `ssl_context` is for certificates that the system does not know.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        refresh_token: str | None = None,
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        on_tokens: OnTokens | None = None,
        http: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._transport = Transport(
            base_url,
            token=token,
            refresh_token=refresh_token,
            timeout_s=timeout_s,
            retries=retries or Retries(),
            on_tokens=on_tokens,
            session=http,
            ssl_context=ssl_context,
        )
        self._streams: set[Stream] = set()
        self._user_id: str | None = None

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the streams and the connections."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._transport.close()

    @property
    def token(self) -> str | None:
        """The access token in use."""
        return self._transport.token

    @property
    def refresh_token(self) -> str | None:
        """The refresh token for the next access token."""
        return self._transport.refresh_token

    # Accounts and devices

    async def sign_up(
        self,
        *,
        email: str,
        username: str,
        password: str,
        name: str,
        device_name: str = "",
        idempotency_key: str | None = None,
    ) -> Session:
        """Make an account and go on as its user."""
        body = {
            "email": email,
            "username": username,
            "password": password,
            "name": name,
            "deviceName": device_name,
        }
        call = Call(
            "POST",
            "/signup",
            body=body,
            authenticated=False,
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )
        answer = await self._transport.request(call, SignedUp)
        return await self._signed_in(answer, answer.profile)

    async def log_in(
        self,
        password: str,
        *,
        username: str | None = None,
        email: str | None = None,
        device_id: str | None = None,
        device_name: str = "",
    ) -> Session:
        """Log in by `username` or `email`, and go on as that user.

        With the `device_id` of an earlier session the same device gets new tokens; without, a
        new device is added, which is why a lost answer is then an error and not repeated.
        """
        body: dict[str, Any] = {"password": password, "deviceName": device_name}
        given = {"username": username, "email": email, "deviceId": device_id}
        body |= {name: value for name, value in given.items() if value is not None}
        repeatable = device_id is not None
        call = Call("POST", "/login", body=body, authenticated=False, repeatable=repeatable)
        answer = await self._transport.request(call, Session)
        return await self._signed_in(answer, answer.user)

    async def _signed_in(self, tokens: Tokens, user: User) -> Session:
        self._user_id = user.id
        await self._transport.adopt(tokens)
        return Session(
            token=tokens.token,
            refresh_token=tokens.refresh_token,
            expires_in_s=tokens.expires_in_s,
            device_id=tokens.device_id,
            user=user,
        )

    async def refresh(self) -> Tokens | None:
        """Replace the access token now; None if there is no refresh token.

        Not needed in general: an expired token is refreshed by itself.
        """
        return await self._transport.renew_now()

    async def log_out(self) -> None:
        """Log this device out, and forget its tokens."""
        call = Call("POST", "/logout", repeatable=True, done=frozenset({401}))
        await self._transport.send(call)
        self._transport.forget()
        self._user_id = None

    async def devices(self) -> list[Device]:
        """All of one's own devices, the one seen last first."""
        return [device async for device in self.device_pages()]

    def device_pages(self, *, limit: int = 100) -> Pages[Device]:
        """One's own devices, the one seen last first, page by page."""
        return self._pages("/devices", Devices, limit)

    async def revoke_device(self, device_id: str) -> None:
        """Log one of one's devices out."""
        await self._transport.send(Call("DELETE", f"/devices/{quote(device_id, '')}", done=_GONE))

    async def revoke_other_devices(self) -> None:
        """Log all of one's other devices out."""
        await self._transport.send(Call("DELETE", "/devices"))

    # Users

    async def me(self) -> User:
        """One's own profile."""
        user = await self._get("/users/me", User)
        self._user_id = user.id
        return user

    async def user(self, user_id: UserId) -> User:
        """A profile."""
        return await self._get(user_path(user_id), User)

    async def user_by_name(self, username: str) -> User:
        """A profile, by its username in any case."""
        return await self._get(f"/users/by/username/{quote(username, '')}", User)

    async def update_profile(
        self,
        *,
        name: str | None = None,
        bio: str | None = None,
        location: str | None = None,
        website: str | None = None,
        avatar_url: str | None = None,
        banner_url: str | None = None,
        is_private: bool | None = None,
    ) -> User:
        """Change those parts of one's own profile that are given; an empty text clears one."""
        given = {
            "name": name,
            "bio": bio,
            "location": location,
            "website": website,
            "avatarUrl": avatar_url,
            "bannerUrl": banner_url,
            "isPrivate": is_private,
        }
        body = {name: value for name, value in given.items() if value is not None}
        user_id = self._user_id or (await self.me()).id
        return await self._transport.request(Call("PATCH", f"/users/{user_id}", body=body), User)

    # Tweets

    async def post(
        self,
        text: str,
        *,
        reply_to: Id | None = None,
        sensitive: bool = False,
        lang: str | None = None,
        idempotency_key: str | None = None,
    ) -> Tweet:
        """Post a tweet; once it returns, the tweet is durable and readable.

        A lost answer is no reason for a second tweet: the request is repeated under one key.
        Give your own `idempotency_key` to repeat it safely from another process, too.
        """
        body: dict[str, Any] = {"text": text}
        if reply_to is not None:
            body["replyToTweetId"] = id_in_path(reply_to)
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
        await self._transport.send(Call("DELETE", f"/tweets/{id_in_path(tweet_id)}", done=_GONE))

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

    # Engagement

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

    # Timelines

    def home(self, *, limit: int = 20, filter: Filter | None = None) -> Pages[Tweet]:
        """The tweets of oneself and those one follows, newest first; by `filter` of one kind."""
        return self._pages("/timeline/home", Tweets, limit, filter)

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

    # Live

    async def discover_stream(self) -> StreamAddress:
        """Where to open a WebSocket now. `stream` does this by itself."""
        return await self._get("/stream", StreamAddress)

    async def stream_ticket(self) -> StreamTicket:
        """A ticket to hand to a program that opens a stream and can send no header (a browser).

        `stream` needs none: it sends the token in a header.
        """
        call = Call("POST", "/stream/ticket", repeatable=True)
        return await self._transport.request(call, StreamTicket)

    def stream(
        self,
        *,
        encoding: Encoding = "msgpack",
        watch: Iterable[Id] = (),
        position: Position | None = None,
        connection_events: bool = False,
        settings: StreamSettings | None = None,
    ) -> Stream:
        """Live events, from now on or from `position`; see `Stream`.

        With `connection_events` it also yields `Connected` and `Disconnected`. `watch` names
        tweets whose counts are wanted.
        """
        stream = Stream(
            self._transport,
            encoding=encoding,
            position=position,
            connection_events=connection_events,
            settings=settings or StreamSettings(),
            ended=self._streams.discard,
        )
        stream.set_watched(watch)
        self._streams.add(stream)
        return stream

    # The server

    async def health(self) -> Health:
        """Whether the server answers."""
        return await self._transport.request(Call("GET", "/health", authenticated=False), Health)

    async def ready(self) -> Readiness:
        """Whether everything answers that the server needs; that it does not is no error."""
        call = Call("GET", "/ready", authenticated=False, accepted=frozenset({503}))
        return await self._transport.request(call, Readiness)

    async def _get(self, path: str, to: type[T]) -> T:
        return await self._transport.request(Call("GET", path), to)

    def _pages(
        self, path: str, listing: type[Listing[T]], limit: int, filter: str | None = None
    ) -> Pages[T]:
        query = {"limit": str(limit)}
        if filter is not None:
            query["filter"] = filter

        async def fetch(cursor: str | None) -> Page[T]:
            asked = query if cursor is None else {**query, "cursor": cursor}
            page = await self._transport.request(Call("GET", path, query=asked), listing)
            return Page(page.items, page.next_cursor)

        return Pages(fetch)
