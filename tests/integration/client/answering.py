"""A server that answers requests by a script, and what it answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from rookery.client import (
    Client,
    Retries,
)

USER: dict[str, Any] = {
    "id": "1",
    "username": "ann",
    "name": "Ann",
    "bio": "",
    "location": "",
    "website": "",
    "avatarUrl": "",
    "bannerUrl": "",
    "isPrivate": False,
    "createdAt": "2026-01-31T12:00:00.000Z",
    "followersCount": 0,
    "followingCount": 0,
    "tweetsCount": 0,
    "likesCount": 0,
    "pinnedCount": 0,
}
COUNTS = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
TWEET: dict[str, Any] = {
    "id": "7",
    "text": "hello",
    "createdAt": "2026-01-31T12:00:00.000Z",
    "editedAt": None,
    "version": 1,
    "author": {"id": "1", "username": "ann", "name": "Ann", "avatarUrl": ""},
    "entities": {"mentions": [], "hashtags": [], "cashtags": [], "urls": []},
    "inReplyToId": None,
    "inReplyToUserId": None,
    "conversationId": "7",
    "retweetOfId": None,
    "quoteOfId": None,
    "media": [],
    "sensitive": False,
    "lang": None,
    "visibility": "public",
    **COUNTS,
}
TOKENS = {"token": "t1", "refreshToken": "r1", "expiresIn": 900, "deviceId": "d"}


@dataclass
class Request:
    """What the server was sent."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str | None
    key: str | None


Answer = Callable[[Request], Awaitable[web.StreamResponse | None]]


@dataclass
class Server:
    """Answers each request by the next of `answers`, the last one again and again.

    An answer of None drops the connection.
    """

    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        listening = TestServer(app)
        await listening.start_server()
        self.url = str(listening.make_url("/"))
        try:
            yield self
        finally:
            await listening.close()

    async def _answer(self, raw: web.Request) -> web.StreamResponse:
        body = await raw.read()
        request = Request(
            raw.method,
            raw.raw_path.partition("?")[0].removeprefix("/api/v1"),
            dict(raw.query),
            json.loads(body) if body else None,
            raw.headers.get("Authorization", "").removeprefix("Bearer ") or None,
            raw.headers.get("Idempotency-Key"),
        )
        self.requests.append(request)
        answer = await self.answers[min(len(self.requests), len(self.answers)) - 1](request)
        if answer is None:
            assert raw.transport is not None
            raw.transport.abort()
            return web.Response()
        return answer


def says(value: Any, status: int = 200) -> Answer:
    async def answer(request: Request) -> web.StreamResponse:
        return web.json_response(value, status=status)

    return answer


def refuses(status: int, code: str, retry_after: str | None = None) -> Answer:
    async def answer(request: Request) -> web.StreamResponse:
        headers = {"X-Request-Id": "r-1"}
        if retry_after is not None:
            headers["Retry-After"] = retry_after
        body = {"error": f"It is {code}", "code": code}
        return web.json_response(body, status=status, headers=headers)

    return answer


async def drops(request: Request) -> None:
    return None


POSTED = says({"tweetId": "7", "createdAt": TWEET["createdAt"], "tweet": TWEET}, 201)
QUICK = Retries(base_s=0.001, cap_s=0.005)


def client_of(server: Server, **options: Any) -> Client:
    return Client(server.url, **{"token": "t0", "timeout_s": 5.0, "retries": QUICK, **options})
