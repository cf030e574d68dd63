"""The client: every endpoint of the REST API as a method, and the stream.

Imports nothing of the server's side. The methods stand by nouns in modules of their own; a new one
goes to its noun, or to a new module whose class `Client` takes in.
"""

import ssl
from types import TracebackType
from typing import Self

import aiohttp

from rookery.client.accounts import AccountMethods
from rookery.client.live import LiveMethods
from rookery.client.models import Health, Readiness
from rookery.client.people import PeopleMethods
from rookery.client.retweets import RetweetMethods
from rookery.client.social import SocialMethods
from rookery.client.stream import Stream
from rookery.client.timelines import TimelineMethods
from rookery.client.transport import Call, OnTokens, Retries, Transport
from rookery.client.tweets import TweetMethods


class Client(
    AccountMethods,
    PeopleMethods,
    SocialMethods,
    TweetMethods,
    RetweetMethods,
    TimelineMethods,
    LiveMethods,
):
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

    # The server

    async def health(self) -> Health:
        """Whether the server answers."""
        return await self._transport.request(Call("GET", "/health", authenticated=False), Health)

    async def ready(self) -> Readiness:
        """Whether everything answers that the server needs; that it does not is no error."""
        call = Call("GET", "/ready", authenticated=False, accepted=frozenset({503}))
        return await self._transport.request(call, Readiness)
