"""The client repeats what may be repeated, for a bounded time, and nothing twice."""

import asyncio

import pytest
from aiohttp import web

from rookery.client import (
    ConnectionFailed,
    NotFound,
    Retries,
    TooManyRequests,
    Unavailable,
)
from tests.integration.client.answering import (
    POSTED,
    TOKENS,
    USER,
    Answer,
    Request,
    Server,
    client_of,
    drops,
    refuses,
    says,
)


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
