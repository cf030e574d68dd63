"""Requests over HTTP: authentication, refreshing of tokens, repetition, errors.

Knows nothing of single endpoints, and nothing of the server's side.

A request is repeated where that is safe: always if the server did not take it up (not connected,
429, or 503 ``overloaded``), and after any other loss of the answer if it is *repeatable*: it has
no effect, the same effect when done twice, or an idempotency key. All attempts of a call and the
waits between them end within `timeout_s`.
"""

import asyncio
import contextlib
import inspect
import os
import platform
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import aiohttp
import msgspec
from yarl import URL

from rookery.client.backoff import Backoff
from rookery.client.errors import (
    ApiError,
    ConnectionFailed,
    InvalidResponse,
    ServerError,
    TooManyRequests,
    Unavailable,
    error_of,
)
from rookery.client.models import Tokens

T = TypeVar("T")
PREFIX = "/api/v1"
OnTokens: TypeAlias = Callable[[Tokens], Awaitable[None] | None]
_USER_AGENT = f"rookery-client/1 ({platform.system()}) Python/{platform.python_version()}"
"""What names the device of whoever logs in without a name for it."""
MAX_ANSWER_BYTES = 16 << 20
"""So much is read of an answer, unpacked; far more than any of this API has."""
MAX_ERROR_BYTES = 64 << 10
"""So much of a refusal, of which a longer one is none of this API."""
_REPEATABLE_METHODS = frozenset({"GET", "PUT", "PATCH", "DELETE"})


class Retries(msgspec.Struct, frozen=True):
    """How often and how soon a failed request is repeated; the waits have full jitter."""

    max_attempts: int = 5
    base_s: float = 0.1
    cap_s: float = 2.0


class Call(msgspec.Struct, frozen=True):
    """One request. `path` is below the API's prefix and already quoted.

    `repeatable` None goes by the method. `done` are the statuses that, answered to a repetition
    only, show that the attempt before took effect. `accepted` are those besides 2xx that carry
    an answer.
    """

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    authenticated: bool = True
    idempotency_key: str | None = None
    repeatable: bool | None = None
    done: frozenset[int] = frozenset()
    accepted: frozenset[int] = frozenset()

    @property
    def may_be_repeated(self) -> bool:
        """Whether doing it twice is the same as once."""
        if self.repeatable is not None:
            return self.repeatable
        return self.method in _REPEATABLE_METHODS or self.idempotency_key is not None


def may_have_acted(error: ApiError | ConnectionFailed) -> bool:
    """Whether the request that failed with `error` may have taken effect all the same."""
    if isinstance(error, ConnectionFailed):
        return error.sent
    return isinstance(error, ServerError) and error.code != "overloaded"


def may_repeat(call: Call, error: ApiError | ConnectionFailed) -> bool:
    """Whether `call`, having failed with `error`, is to be sent again."""
    passing = isinstance(error, ConnectionFailed | TooManyRequests | Unavailable)
    return passing and (call.may_be_repeated or not may_have_acted(error))


class Transport:
    """The requests of one user. Belongs to one event loop; use `open` and `close`.

    `token` and `refresh_token` are what is in use now.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None,
        refresh_token: str | None,
        timeout_s: float,
        retries: Retries,
        on_tokens: OnTokens | None,
        session: aiohttp.ClientSession | None,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        try:
            url = URL(base_url)
            valid = url.scheme in ("http", "https") and bool(url.host) and url.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"not an http:// or https:// address: {base_url!r}")
        self._base = str(url).split("?", 1)[0].rstrip("/").removesuffix(PREFIX) + PREFIX
        self.address = str(url.origin())
        self.encrypted = url.scheme == "https"
        self.ssl_context = ssl_context
        self.token = token
        self.refresh_token = refresh_token
        self._timeout_s = timeout_s
        self._retries = retries
        self._on_tokens = on_tokens
        self._session = session
        self._own_session = session is None
        self._renewal: asyncio.Task[Tokens] | None = None

    async def open(self) -> None:
        """Make ready; must be awaited in the event loop that will be used."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self.ssl_context or True)
            )
            # Or aiohttp itself would repeat a request whose connection was lost, and nobody
            # would know that the first may have taken effect.
            self._session._retry_connection = False

    async def close(self) -> None:
        """Close connections. A refresh under way is completed, so that its tokens are saved."""
        if self._renewal is not None:
            with contextlib.suppress(Exception):
                await asyncio.shield(self._renewal)
        if self._own_session and self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, call: Call, to: type[T], *, max_attempts: int | None = None) -> T:
        """Make a call, and decode its answer as `to`.

        Raises:
            ApiError: the server refuses.
            ConnectionFailed: no answer in time.
            InvalidResponse: the answer is none of this API.
        """
        body = await self.send(call, max_attempts=max_attempts)
        try:
            return msgspec.json.decode(body, type=to)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidResponse(
                f"{call.method} {self._base}{call.path} was answered with something else: {error}"
            ) from error

    async def send(self, call: Call, *, max_attempts: int | None = None) -> bytes:
        """Make a call; the body of its answer, empty if a repetition found it done.

        Raises as `request`.
        """
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        backoff = Backoff(self._retries.base_s, self._retries.cap_s)
        attempts_left = max_attempts or self._retries.max_attempts
        renewed = False
        in_doubt = False  # an attempt may have taken effect
        while True:
            used = self.token if call.authenticated else None
            try:
                return await self._attempt(call, used, deadline_s)
            except (ApiError, ConnectionFailed) as error:
                if isinstance(error, ApiError):
                    if error.code == "token_expired" and call.authenticated and not renewed:
                        renewed = await self._renew_before(deadline_s, used)
                        if renewed:
                            continue
                    elif in_doubt and error.status in call.done:
                        return b""
                attempts_left -= 1
                if not attempts_left or not may_repeat(call, error):
                    raise
                in_doubt = in_doubt or may_have_acted(error)
                named_s = error.retry_after_s if isinstance(error, ApiError) else None
                wait_s = backoff.next_s(named_s or 0.0)
                if asyncio.get_running_loop().time() + wait_s >= deadline_s:
                    raise
                await asyncio.sleep(wait_s)

    async def _renew_before(self, deadline_s: float, used: str | None) -> bool:
        try:
            async with asyncio.timeout_at(deadline_s):
                return await self.renew(used)
        except TimeoutError as error:
            raise self._failure(error) from error

    async def _attempt(self, call: Call, token: str | None, deadline_s: float) -> bytes:
        if self._session is None:
            raise RuntimeError("the client is not open; use it with `async with`")
        headers = {"Accept": "application/json", "User-Agent": _USER_AGENT}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        data = None
        if call.body is not None:
            data = msgspec.json.encode(call.body)
            headers["Content-Type"] = "application/json"
        url = URL(self._base + call.path, encoded=True)
        if call.query:
            url = url.with_query(call.query)
        remaining_s = max(deadline_s - asyncio.get_running_loop().time(), 0.001)
        try:
            async with self._session.request(
                call.method,
                url,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=remaining_s),
                allow_redirects=False,
            ) as response:
                is_answer = 200 <= response.status < 300 or response.status in call.accepted
                body = await _read(response, MAX_ANSWER_BYTES if is_answer else MAX_ERROR_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            raise self._failure(error) from error
        if is_answer:
            if body is None:
                raise InvalidResponse(
                    f"{call.method} {self._base}{call.path} was answered with more than "
                    f"{MAX_ANSWER_BYTES} bytes"
                )
            return body
        raise error_of(
            response.status,
            body or b"",
            retry_after=response.headers.get("Retry-After"),
            request_id=response.headers.get("X-Request-Id"),
        )

    def _failure(self, error: Exception) -> ConnectionFailed:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            reason = _reason(error.certificate_error)
            return ConnectionFailed(f"Cannot trust {self.address}: {reason}", sent=False)
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = _reason(error.os_error)
            return ConnectionFailed(f"Cannot connect to {self.address}: {reason}", sent=False)
        if isinstance(error, aiohttp.InvalidURL | UnicodeError):
            reason = f"{self.address} is not an address that can be looked up"
            return ConnectionFailed(reason, sent=False)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return ConnectionFailed(f"Cannot connect to {self.address} in time", sent=False)
        if isinstance(error, TimeoutError):
            return ConnectionFailed(f"No answer from {self.address} within {self._timeout_s:g} s")
        if isinstance(error, aiohttp.ClientResponseError):
            return ConnectionFailed(f"{self.address} does not answer in HTTP: {error.message}")
        return ConnectionFailed(f"The connection to {self.address} was lost: {_reason(error)}")

    # Tokens

    async def adopt(self, tokens: Tokens) -> None:
        """Use `tokens` from now on, and hand them to the callback."""
        self.token = tokens.token
        self.refresh_token = tokens.refresh_token
        if self._on_tokens is not None:
            done = self._on_tokens(
                Tokens(
                    token=tokens.token,
                    refresh_token=tokens.refresh_token,
                    expires_in_s=tokens.expires_in_s,
                    device_id=tokens.device_id,
                )
            )
            if inspect.isawaitable(done):
                await done

    def forget(self) -> None:
        """Drop the tokens."""
        self.token = self.refresh_token = None

    async def renew(self, used: str | None) -> bool:
        """Replace the token `used`, unless that was done meanwhile; False if it cannot be.

        Raises:
            ApiError: the refresh token is refused.
            ConnectionFailed: no answer in time.
        """
        if self.token != used:
            return self.token is not None
        return await self.renew_now() is not None

    async def renew_now(self) -> Tokens | None:
        """Replace the tokens; None without a refresh token. Raises as `renew`.

        However many call this at once, the server is asked once.
        """
        if self._renewal is None:
            if self.refresh_token is None:
                return None
            self._renewal = asyncio.create_task(self._renew(self.refresh_token))
            self._renewal.add_done_callback(self._renewal_ended)
        # A caller that is cancelled must not take the tokens of the others with it.
        return await asyncio.shield(self._renewal)

    async def _renew(self, refresh_token: str) -> Tokens:
        # The server answers a repetition with the same tokens, so an answer that got lost is no
        # reason to be logged out.
        call = Call(
            "POST",
            "/token/refresh",
            body={"refreshToken": refresh_token},
            authenticated=False,
            repeatable=True,
        )
        tokens = await self.request(call, Tokens)
        await self.adopt(tokens)
        return tokens

    def _renewal_ended(self, task: asyncio.Task[Tokens]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # those who waited have it


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes | None:
    """The body of `response`, unpacked; None if it is longer, and nothing more is read of it then.

    aiohttp unpacks it piece by piece, so what is unpacked ahead is bounded, too.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            response.close()
            return None
    return bytes(body)


def _reason(error: Exception) -> str:
    """What went wrong, in the words of whoever found out; never empty."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({(error.reason or 'unknown').lower().replace('_', ' ')})"
    if isinstance(error, socket.gaierror):
        return error.strerror or "its name is not known"
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return str(error) or type(error).__name__
