"""The client's tokens: refreshed once for all who need it, handed out, forgotten."""

import asyncio

import pytest
from aiohttp import web

from rookery.client import (
    Tokens,
    Unauthorized,
)
from tests.integration.client.answering import (
    TOKENS,
    USER,
    Request,
    Server,
    client_of,
    drops,
    refuses,
    says,
)
from tests.integration.client.scripted_server import eventually


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
