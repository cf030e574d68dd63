"""The client's requests against a server that follows a script: refreshing, repeating, errors."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rookery.client import (
    ApiError,
    Client,
    ConnectionFailed,
    FollowState,
    InvalidResponse,
    NotFound,
    Page,
    Retries,
    Tokens,
    TooManyRequests,
    Tweet,
    Unauthorized,
    Unavailable,
)
from tests.integration.scripted_server import eventually

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
}
COUNTS = {"likeCount": 1, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
TWEET: dict[str, Any] = {
    "id": "7",
    "text": "hello",
    "createdAt": "2026-01-31T12:00:00.000Z",
    "editedAt": None,
    "version": 1,
    "author": {"id": "1", "username": "ann", "name": "Ann", "avatarUrl": ""},
    "entities": {},
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


# Tokens


async def expires_t0(request: Request) -> web.StreamResponse:
    """A server on which the token t0 has expired and r0 refreshes it, after a while."""
    if request.path == "/token/refresh":
        await asyncio.sleep(0.02)
        assert request.body == {"refreshToken": "r0"}
        return web.json_response(TOKENS)
    if request.token == "t0":
        return await refuses(401, "token_expired")(request) or web.Response()
    return web.json_response(USER)


def refreshes(server: Server) -> int:
    return sum(request.path == "/token/refresh" for request in server.requests)


async def test_an_expired_token_is_refreshed_once_for_all() -> None:
    """Of twenty requests at once one refreshes, all are repeated, and the tokens are handed out."""
    saved: list[Tokens] = []
    async with Server([expires_t0]).running() as server:
        async with client_of(server, refresh_token="r0", on_tokens=saved.append) as client:
            users = await asyncio.gather(*(client.me() for _ in range(20)))
            assert {user.username for user in users} == {"ann"}
            assert (client.token, client.refresh_token) == ("t1", "r1")
    assert refreshes(server) == 1
    assert saved == [Tokens(token="t1", refresh_token="r1", expires_in_s=900, device_id="d")]


async def test_the_callback_may_be_a_coroutine_function() -> None:
    """It is done before the request is repeated."""
    saved: list[str] = []

    async def save(tokens: Tokens) -> None:
        await asyncio.sleep(0)
        saved.append(tokens.refresh_token)

    async with Server([expires_t0]).running() as server:
        async with client_of(server, refresh_token="r0", on_tokens=save) as client:
            await client.me()
            assert saved == ["r1"]


async def test_a_caller_that_gives_up_does_not_lose_the_tokens() -> None:
    """The refresh goes on, since the old refresh token may be spent."""
    saved: list[Tokens] = []
    async with Server([expires_t0]).running() as server:
        async with client_of(server, refresh_token="r0", on_tokens=saved.append) as client:
            task = asyncio.create_task(client.me())
            await eventually(lambda: refreshes(server) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert len(saved) == 1


async def test_a_refused_refresh_is_raised() -> None:
    """To all who wait for it; and it is not tried again and again."""

    async def answer(request: Request) -> web.StreamResponse | None:
        code = "device_revoked" if request.path == "/token/refresh" else "token_expired"
        return await refuses(401, code)(request)

    async with Server([answer]).running() as server:
        async with client_of(server, refresh_token="r0") as client:
            results = await asyncio.gather(*(client.me() for _ in range(3)), return_exceptions=True)
    assert [getattr(result, "code", None) for result in results] == ["device_revoked"] * 3
    assert refreshes(server) == 1


async def test_without_a_refresh_token_the_expiry_is_raised() -> None:
    """There is nothing else to do."""
    async with Server([refuses(401, "token_expired")]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(Unauthorized) as raised:
                await client.me()
    assert raised.value.code == "token_expired"
    assert len(server.requests) == 1


async def test_a_token_that_expires_again_at_once_is_raised() -> None:
    """A server whose new tokens are expired must not keep the client busy."""

    async def answer(request: Request) -> web.StreamResponse | None:
        if request.path == "/token/refresh":
            return web.json_response(TOKENS)
        return await refuses(401, "token_expired")(request)

    async with Server([answer]).running() as server:
        async with client_of(server, refresh_token="r0") as client:
            with pytest.raises(Unauthorized):
                await client.me()
    assert refreshes(server) == 1


async def test_logging_in_hands_the_tokens_out_and_out_forgets_them() -> None:
    """The client goes on as the user."""
    saved: list[Tokens] = []
    answers = [says({**TOKENS, "user": USER}), says({"message": "Logged out"})]
    async with Server(answers).running() as server:
        async with client_of(server, token=None, on_tokens=saved.append) as client:
            session = await client.log_in("secret", username="ann", device_name="desk")
            assert session.user.username == "ann"
            assert client.token == "t1"
            await client.log_out()
            assert client.token is None
            assert client.refresh_token is None
    login, logout = server.requests
    assert login.body == {"password": "secret", "username": "ann", "deviceName": "desk"}
    assert login.token is None
    assert logout.token == "t1"
    assert [tokens.token for tokens in saved] == ["t1"]


async def test_signing_up_goes_on_as_the_new_user() -> None:
    """Under a key, so that a lost answer makes no second attempt fail."""
    answers = [drops, says({**TOKENS, "userId": "1", "profile": USER}, 201), says(USER)]
    async with Server(answers).running() as server:
        async with client_of(server, token=None) as client:
            session = await client.sign_up(
                email="a@example.org", username="ann", password="secret123", name="Ann"
            )
            assert session.user.id == "1"
            await client.update_profile(bio="", is_private=True)
    first, second, update = server.requests
    assert first.key == second.key is not None
    assert (update.method, update.path, update.token) == ("PATCH", "/users/1", "t1")
    assert update.body == {"bio": "", "isPrivate": True}


# Repeating


@pytest.mark.parametrize("trouble", [drops, refuses(503, "unavailable"), refuses(429, "limited")])
async def test_a_post_is_repeated_under_one_key(trouble: Answer) -> None:
    """However the answer was lost; another post has another key."""
    async with Server([trouble, trouble, POSTED]).running() as server:
        async with client_of(server) as client:
            tweet = await client.post("hello")
            assert tweet.id == "7"
            await client.post("again")
    first, second, third, other = server.requests
    assert first.key == second.key == third.key is not None
    assert other.key != first.key
    assert first.body == {"text": "hello"}


async def test_a_key_of_ones_own_is_used() -> None:
    """For those who repeat from another process."""
    async with Server([POSTED]).running() as server:
        async with client_of(server) as client:
            await client.post("hello", reply_to=5, lang="en", sensitive=True, idempotency_key="k")
    (request,) = server.requests
    assert request.key == "k"
    assert request.body == {
        "text": "hello",
        "replyToTweetId": "5",
        "lang": "en",
        "sensitive": True,
    }


async def test_logging_in_is_not_repeated_in_doubt() -> None:
    """It may have added a device."""
    async with Server([drops]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(ConnectionFailed):
                await client.log_in("secret", username="ann")
    assert len(server.requests) == 1


async def test_what_was_not_begun_is_repeated() -> None:
    """An overloaded server has done nothing."""
    answers = [refuses(503, "overloaded"), says({**TOKENS, "user": USER})]
    async with Server(answers).running() as server:
        async with client_of(server) as client:
            await client.log_in("secret", email="a@example.org", device_id="d")
    assert server.requests[1].body["deviceId"] == "d"


async def test_the_number_of_attempts_is_bounded() -> None:
    """Then the last refusal is raised."""
    async with Server([refuses(503, "unavailable")]).running() as server:
        async with client_of(server, retries=Retries(3, 0.001, 0.002)) as client:
            with pytest.raises(Unavailable):
                await client.me()
    assert len(server.requests) == 3


async def test_retry_after_is_waited_for() -> None:
    """Not less than the server says."""
    async with Server([refuses(429, "limited", "1"), says(USER)]).running() as server:
        async with client_of(server) as client:
            start_s = asyncio.get_running_loop().time()
            await client.me()
            assert asyncio.get_running_loop().time() - start_s >= 1.0


async def test_a_wait_beyond_the_time_limit_is_not_begun() -> None:
    """The refusal is raised at once."""
    async with Server([refuses(429, "limited", "60")]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(TooManyRequests) as raised:
                await client.me()
    assert raised.value.retry_after_s == 60.0
    assert len(server.requests) == 1


async def test_the_total_time_is_bounded() -> None:
    """A server that does not answer is given up."""
    ended = asyncio.Event()

    async def hangs(request: Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    async with Server([hangs]).running() as server:
        async with client_of(server, timeout_s=0.1) as client:
            with pytest.raises(ConnectionFailed, match=r"No answer from http://127.* within 0.1 s"):
                await client.me()
        ended.set()


async def test_a_deletion_that_was_done_is_no_error() -> None:
    """If its answer was lost, its repetition finds nothing."""
    async with Server([drops, refuses(404, "not_found")]).running() as server:
        async with client_of(server) as client:
            await client.delete_tweet(7)
    assert len(server.requests) == 2


async def test_a_deletion_of_nothing_is_an_error() -> None:
    """Also after a refusal that left no doubt, and after a refreshed token."""
    answers = [refuses(503, "overloaded"), refuses(404, "not_found")]
    async with Server(answers).running() as server:
        async with client_of(server) as client:
            with pytest.raises(NotFound):
                await client.delete_tweet(7)

    async def answer(request: Request) -> web.StreamResponse | None:
        if request.path == "/token/refresh":
            return web.json_response(TOKENS)
        if request.token == "t0":
            return await refuses(401, "token_expired")(request)
        return await refuses(404, "not_found")(request)

    async with Server([answer]).running() as server:
        async with client_of(server, refresh_token="r0") as client:
            with pytest.raises(NotFound):
                await client.delete_tweet(7)


# Errors


async def test_a_refusal_names_its_parts() -> None:
    """Code, text and request id are those of the server."""
    async with Server([refuses(404, "not_found")]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(NotFound, match=r"It is not_found \(404 not_found\)") as raised:
                await client.tweet(1)
    assert raised.value.request_id == "r-1"


async def test_an_unreachable_server_is_named() -> None:
    """The text says which address, and why."""
    async with Client("http://127.0.0.1:1", retries=QUICK) as client:
        with pytest.raises(ConnectionFailed) as raised:
            await client.health()
    assert str(raised.value) == "Cannot connect to http://127.0.0.1:1: Connection refused"
    assert not raised.value.sent


@pytest.mark.parametrize("body", ["<html>", "{}", '{"status": 1, "version": ""}'])
async def test_another_server_is_noticed(body: str) -> None:
    """An answer of another shape is no answer."""

    async def answer(request: Request) -> web.StreamResponse:
        return web.Response(text=body)

    async with Server([answer]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(InvalidResponse, match="/api/v1/health"):
                await client.health()


async def test_redirects_are_not_followed() -> None:
    """The token would go along."""

    async def answer(request: Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with Server([answer]).running() as server:
        async with client_of(server) as client:
            with pytest.raises(ApiError) as raised:
                await client.me()
    assert raised.value.status == 302
    assert len(server.requests) == 1


async def test_that_the_server_is_not_ready_is_an_answer() -> None:
    """With the parts that are missing."""
    body = {"status": "not_ready", "checks": {"store": False}}
    async with Server([says(body, 503)]).running() as server:
        async with client_of(server) as client:
            readiness = await client.ready()
    assert not readiness.ready
    assert readiness.checks == {"store": False}


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://x", "http://", ""])
def test_an_address_must_be_one(address: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ValueError, match="not an http"):
        Client(address)


@pytest.mark.parametrize("value", ["", "x", "1/../2", "-1"])
async def test_an_id_must_be_one(value: str) -> None:
    """Nothing else may get into a path."""
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ValueError, match="not an id"):
            await client.user(value)


# Endpoints

CALLS: list[tuple[Callable[[Client], Awaitable[Any]], str, str, Any, Any]] = [
    (lambda c: c.user(1), "GET", "/users/1", None, USER),
    (lambda c: c.user_by_name("a/n?n"), "GET", "/users/by/username/a%2Fn%3Fn", None, USER),
    (lambda c: c.follow("2"), "POST", "/users/2/follow", None, {"following": True}),
    (lambda c: c.unfollow(2), "DELETE", "/users/2/follow", None, {"following": False}),
    (lambda c: c.tweet(7), "GET", "/tweets/7", None, TWEET),
    (lambda c: c.edit_tweet(7, "new"), "PATCH", "/tweets/7", {"text": "new"}, TWEET),
    (lambda c: c.history(7), "GET", "/tweets/7/history", None, {"versions": []}),
    (lambda c: c.like(7), "POST", "/tweets/7/like", None, {"liked": True, "likeCount": 1}),
    (lambda c: c.unlike(7), "DELETE", "/tweets/7/like", None, {"liked": False, "likeCount": 0}),
    (lambda c: c.engagements(7), "GET", "/tweets/7/engagements", None, COUNTS),
    (lambda c: c.devices(), "GET", "/devices", None, {"devices": []}),
    (lambda c: c.revoke_device("a b"), "DELETE", "/devices/a%20b", None, {}),
    (lambda c: c.revoke_other_devices(), "DELETE", "/devices", None, {}),
    (lambda c: c.refresh(), "POST", "/token/refresh", {"refreshToken": "r0"}, TOKENS),
    (
        lambda c: c.discover_stream(),
        "GET",
        "/stream",
        None,
        {"url": "ws://x/stream", "protocols": [], "heartbeatS": 25},
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body", "answer"), CALLS)
async def test_endpoints(
    call: Callable[[Client], Awaitable[Any]], method: str, path: str, body: Any, answer: Any
) -> None:
    """Each method makes its one request, and takes its answer."""
    async with Server([says(answer)]).running() as server:
        async with client_of(server, refresh_token="r0") as client:
            await call(client)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == (method, path, body)


@pytest.mark.parametrize(
    ("call", "path", "name", "item"),
    [
        (lambda c: c.followers(1), "/users/1/followers", "followers", USER),
        (lambda c: c.following(1), "/users/1/following", "following", USER),
        (lambda c: c.likers(1), "/tweets/1/likers", "users", USER),
        (lambda c: c.likes(1), "/users/1/likes", "tweets", TWEET),
        (lambda c: c.replies(1), "/tweets/1/replies", "replies", TWEET),
        (lambda c: c.conversation(1), "/tweets/1/conversation", "tweets", TWEET),
        (lambda c: c.home(), "/timeline/home", "tweets", TWEET),
        (lambda c: c.user_timeline(1), "/timeline/user/1", "tweets", TWEET),
    ],
)
async def test_lists(call: Any, path: str, name: str, item: dict[str, Any]) -> None:
    """Iterating goes from page to page by the server's cursors."""
    answers = [
        says({name: [{**item, "id": "9"}, {**item, "id": "8"}], "nextCursor": "c1"}),
        says({name: [], "nextCursor": "c2"}),
        says({name: [{**item, "id": "7"}], "nextCursor": None}),
    ]
    async with Server(answers).running() as server:
        async with client_of(server) as client:
            assert [entry.id async for entry in call(client)] == ["9", "8", "7"]
    assert [request.query.get("cursor") for request in server.requests] == [None, "c1", "c2"]
    assert {request.path for request in server.requests} == {path}


async def test_a_page_of_home() -> None:
    """Limit, filter and cursor are passed on."""
    async with Server([says({"tweets": [TWEET], "nextCursor": "c1"})]).running() as server:
        async with client_of(server) as client:
            page: Page[Tweet] = await client.home(limit=50, filter="media").page("c0")
    assert page.next_cursor == "c1"
    assert page.items[0].like_count == 1
    assert server.requests[0].query == {"limit": "50", "filter": "media", "cursor": "c0"}


async def test_clients_may_share_connections() -> None:
    """A session that was given is left open."""
    async with Server([says({"following": True})]).running() as server:
        async with aiohttp.ClientSession() as session:
            async with client_of(server, http=session) as client:
                assert await client.follow(2) == FollowState(following=True)
            assert not session.closed
