"""The client's requests, each by its path and body, and what it makes of wrong answers."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from rookery.client import (
    ApiError,
    Client,
    ConnectionFailed,
    FollowState,
    InvalidResponse,
    NotFound,
    Page,
    Tweet,
)
from tests.integration.client.answering import (
    COUNTS,
    QUICK,
    TOKENS,
    TWEET,
    USER,
    Request,
    Server,
    client_of,
    refuses,
    says,
)


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
    (
        lambda c: c.follow("2"),
        "POST",
        "/users/2/follow",
        None,
        {"following": True, "requested": False},
    ),
    (
        lambda c: c.unfollow(2),
        "DELETE",
        "/users/2/follow",
        None,
        {"following": False, "requested": False},
    ),
    (lambda c: c.tweet(7), "GET", "/tweets/7", None, TWEET),
    (lambda c: c.edit_tweet(7, "new"), "PATCH", "/tweets/7", {"text": "new"}, TWEET),
    (lambda c: c.like(7), "POST", "/tweets/7/like", None, {"liked": True, "likeCount": 1}),
    (lambda c: c.unlike(7), "DELETE", "/tweets/7/like", None, {"liked": False, "likeCount": 0}),
    (lambda c: c.retweet(7), "POST", "/tweets/7/retweet", {}, {"tweet": TWEET}),
    (
        lambda c: c.retweet(7, "look"),
        "POST",
        "/tweets/7/retweet",
        {"comment": "look"},
        {"tweet": TWEET},
    ),
    (
        lambda c: c.undo_retweet(7),
        "DELETE",
        "/tweets/7/retweet",
        None,
        {"retweeted": False, "retweetCount": 0},
    ),
    (lambda c: c.bookmark(7), "POST", "/tweets/7/bookmark", None, {"bookmarked": True}),
    (lambda c: c.remove_bookmark(7), "DELETE", "/tweets/7/bookmark", None, {"bookmarked": False}),
    (lambda c: c.pin(7), "POST", "/tweets/7/pin", None, {"pinned": True}),
    (lambda c: c.unpin(7), "DELETE", "/tweets/7/pin", None, {"pinned": False}),
    (
        lambda c: c.post("x", quote=7, visibility="mentioned"),
        "POST",
        "/tweets",
        {"text": "x", "quoteTweetId": "7", "visibility": "mentioned"},
        {"tweet": TWEET},
    ),
    (lambda c: c.engagements(7), "GET", "/tweets/7/engagements", None, COUNTS),
    (lambda c: c.devices(), "GET", "/devices", None, {"devices": []}),
    (lambda c: c.revoke_device("a b"), "DELETE", "/devices/a%20b", None, {}),
    (lambda c: c.revoke_other_devices(), "DELETE", "/devices", None, {}),
    (
        lambda c: c.stream_ticket(),
        "POST",
        "/stream/ticket",
        None,
        {"ticket": "a.b.c", "expiresIn": 30},
    ),
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
        (lambda c: c.retweeters(1), "/tweets/1/retweeters", "users", USER),
        (lambda c: c.quotes(1), "/tweets/1/quotes", "tweets", TWEET),
        (lambda c: c.bookmarks(), "/bookmarks", "tweets", TWEET),
        (lambda c: c.pinned(1), "/users/1/pinned", "tweets", TWEET),
        (lambda c: c.replies(1), "/tweets/1/replies", "replies", TWEET),
        (lambda c: c.conversation(1), "/tweets/1/conversation", "tweets", TWEET),
        (lambda c: c.home(), "/timeline/home", "tweets", TWEET),
        (lambda c: c.user_timeline(1), "/timeline/user/1", "tweets", TWEET),
        (lambda c: c.user_timeline("@1"), "/timeline/user/by/username/1", "tweets", TWEET),
        (lambda c: c.likes("@1"), "/users/by/username/1/likes", "tweets", TWEET),
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
    async with Server([says({"following": True, "requested": False})]).running() as server:
        async with aiohttp.ClientSession() as session:
            async with client_of(server, http=session) as client:
                assert await client.follow(2) == FollowState(following=True, requested=False)
            assert not session.closed
