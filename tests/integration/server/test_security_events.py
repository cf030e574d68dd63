"""The security log of a whole server: every event is there, and no secret is."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rookery import security_log
from rookery.client import ApiError
from tests.integration.server.world import PASSWORD, ServerThread, World

WRONG = "a wrong password"


async def _attack(world: World, secrets: set[str]) -> None:
    """Everything that is to be logged, from sign-up to the theft of a token."""
    ada = await world.person("ada")
    secrets |= {PASSWORD, WRONG, f"{ada.username}@example.org"}
    first = ada.client.refresh_token
    stream = (await ada.client.discover_stream()).url
    with pytest.raises(ApiError):
        await (await world.client()).log_in(WRONG, username=ada.username)
    with pytest.raises(ApiError):
        await (await world.client()).log_in(WRONG, email="nobody-at-all@example.org")
    secrets.add("nobody-at-all@example.org")
    with pytest.raises(ApiError):
        await ada.client.sign_up(
            email="else@example.org", username=ada.username, password=WRONG, name="Ada"
        )
    other, third = await ada.another_device(), await ada.another_device()
    secrets |= {third.session.token, third.session.refresh_token}
    await ada.client.revoke_device(other.session.device_id)
    with pytest.raises(ApiError):
        await other.client.me()
    await (await world.client()).log_in(
        PASSWORD, username=ada.username, device_id=ada.session.device_id
    )
    await third.client.log_out()
    bob = await world.person("bob")
    stolen = bob.client.refresh_token
    secrets |= {bob.session.token, str(stolen), str(first)}
    for _ in range(2):
        secrets.add((await bob.client.refresh()).token)  # type: ignore[union-attr]
    async with aiohttp.ClientSession() as http:
        url = f"{world.url}/api/v1"
        async with http.post(f"{url}/token/refresh", json={"refreshToken": stolen}) as answer:
            assert answer.status == 401
        ticket = (await (await world.person("cyd")).client.stream_ticket()).ticket
        secrets.add(ticket)
        for token in (ticket, "not.a.token"):
            headers = {"Authorization": f"Bearer {token}", "User-Agent": f"x{token}"}
            async with http.get(f"{url}/users/me", headers=headers) as answer:
                assert answer.status == 401
    async with connect(f"{stream}?ticket={ticket[:-3]}xyz") as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
    secrets.add((await world.control("token", username=ada.username))["refreshToken"])
    await world.control("rotate-keys", revoke=True)
    await world.control("retry-events")


async def test_each_event_is_there_and_no_secret(
    start_inline: Callable[..., Awaitable[ServerThread]], tmp_path: Path
) -> None:
    """Who, what, from where and the outcome; never a password, token, ticket or e-mail."""
    file = tmp_path / "security.log"
    security_log.configure(str(file))  # as `rookery serve` does
    secrets: set[str] = set()
    try:
        server = await start_inline(limits={"signups_per_address": 1_000})
        async with World(server) as world:
            await _attack(world, secrets)
        await asyncio.to_thread(server.stop)
    finally:
        security_log.configure("")
    text = file.read_text()
    assert [secret for secret in secrets if secret in text] == []
    events = [json.loads(line) for line in text.splitlines()]
    seen = {(each["event"], each["outcome"], each.get("reason", "")) for each in events}
    assert seen >= {
        ("server_started", "success", ""),
        ("sign_up", "success", ""),
        ("sign_up", "failure", "conflict"),
        ("log_in", "success", ""),
        ("log_in", "failure", "bad_credentials"),
        ("log_out", "success", ""),
        ("device_revoked", "success", "by_user"),
        ("sign_in_ended", "success", "signed_in_again"),
        ("refresh_token_reused", "refused", "device_logged_out"),
        ("refused", "refused", "device_revoked"),
        ("refused", "refused", "invalid_token"),
        ("operator_act", "success", ""),
    }
    assert {each["endpoint"] for each in events if each["event"] == "refused"} >= {"stream"}
    for each in events:
        if each["event"] == "operator_act":
            assert each["operator"] == security_log.operator() and each["act"]
        elif each["event"] != "server_started":
            assert each["address"] == "127.0.0.1"
            is_of_request = each["event"] != "refused_many" and each.get("endpoint") != "stream"
            assert ("request_id" in each) == is_of_request


async def test_the_start_tells_settings_without_secrets(
    start_inline: Callable[..., Awaitable[ServerThread]], tmp_path: Path
) -> None:
    """Those that differ from the defaults, by name; texts that may hold passwords as set."""
    file = tmp_path / "security.log"
    security_log.configure(str(file))
    try:
        await start_inline(live={"public_url": "ws://user:hunter22@x:{port}/stream"})
    finally:
        security_log.configure("")
    (started,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert started["settings"]["live.public_url"] == "(set)"
    assert started["settings"]["limits.logins_per_account"] == 0
    assert "hunter22" not in file.read_text()
