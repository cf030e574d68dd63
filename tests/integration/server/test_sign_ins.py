"""Sign-ins, keys and tickets of a whole server, where several processes must agree at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rookery.client import Unauthorized
from rookery.messages import Invalidation
from rookery.models import Identity
from rookery.store.engine import WriteBatch
from rookery.store.records.devices import Devices
from tests.integration.server.world import PASSWORD, Person, ServerThread, World, until
from tests.servers.machine import free_port

JSON = ["rookery.v1.json"]


async def _address(person: Person, parameters: str) -> str:
    return f"{(await person.client.discover_stream()).url}?{parameters}"


async def _close_code(url: str) -> int | None:
    """With which code a stream is closed that is opened so; None if it is open."""
    async with connect(url, subprotocols=JSON) as socket:  # type: ignore[arg-type]
        try:
            await asyncio.wait_for(socket.recv(), 10)
        except ConnectionClosed as closed:
            return None if closed.rcvd is None else closed.rcvd.code
    return None


async def test_another_log_in_with_a_device_ends_the_former_one(world: World) -> None:
    """Its access token is refused by all processes and its stream closed, when it is answered."""
    ada = await world.person("ada")
    listener = await ada.listen()
    assert await world.statuses("/users/me", ada.session.token) == {200}
    again = await (await world.client()).log_in(
        PASSWORD, username=ada.username, device_id=ada.session.device_id
    )
    assert await world.statuses("/users/me", ada.session.token) == {401}
    assert await world.statuses("/users/me", again.token) == {200}
    await listener.until(lambda: listener.closed)
    assert listener.closed is not None and listener.closed.code == 4403


async def test_a_stream_of_the_new_sign_in_stays_open(inline_world: World) -> None:
    """What ends is the former sign-in, and not the device."""
    ada = await inline_world.person("ada")
    listener = await ada.listen()
    await ada.client.log_in(PASSWORD, username=ada.username, device_id=ada.session.device_id)
    await listener.until(lambda: listener.closed)
    newer = await ada.listen()
    posted = await ada.post("still here")
    await newer.until(lambda: newer.tweet_ids == [posted])


async def test_a_revoked_key_is_refused_when_the_command_returns(world: World) -> None:
    """By every process; clients renew their tokens, streams resume, nobody is logged out."""
    ada = await world.person("ada")
    token = ada.session.token
    listener = await ada.listen()
    assert await world.statuses("/users/me", token) == {200}
    done = await world.control("rotate-keys", revoke=True)
    assert done["missed"] == [] and done["processes"] >= 2
    assert await world.statuses("/users/me", token) == {401}
    posted = await ada.post("renewed")
    await listener.until(lambda: posted in listener.tweet_ids)


async def test_a_process_that_does_not_answer_is_named(
    start_inline: Callable[..., Awaitable[ServerThread]],
) -> None:
    """And the command does not say that it uses the new key."""
    server = await start_inline()
    gateway = server.instance("Gateway-0")

    async def fail() -> None:
        raise TimeoutError

    gateway.reload_keys = fail
    async with World(server) as world:
        done = await world.control("rotate-keys")
    assert (done["missed"], done["processes"]) == (["Gateway-0"], 1)


async def test_a_ticket_opens_one_stream(world: World) -> None:
    """With no token beside it; a second time it is refused."""
    ada = await world.person("ada")
    ticket = (await ada.client.stream_ticket()).ticket
    url = await _address(ada, f"ticket={ticket}")
    assert await _close_code(url) is None
    assert await _close_code(url) == 4401


async def test_a_ticket_is_no_use_after_a_log_out(inline_world: World) -> None:
    """Of the device that asked for it."""
    ada = await inline_world.person("ada")
    url = await _address(ada, f"ticket={(await ada.client.stream_ticket()).ticket}")
    await ada.client.log_out()
    assert await _close_code(url) == 4403
    with pytest.raises(Unauthorized):
        await ada.client.stream_ticket()


async def test_forty_five_sign_ups_at_once_succeed_by_default(
    start_inline: Callable[..., Awaitable[ServerThread]],
) -> None:
    """From one address, under the limits that a server has by itself."""
    server = await start_inline(limits={"signups_per_address": 60, "logins_per_address": 60})
    async with World(server) as world:
        people = await world.people(45)
        assert len({person.id for person in people}) == 45


async def _login(http: aiohttp.ClientSession, url: str, username: str) -> int:
    body = {"username": username, "password": PASSWORD}
    async with http.post(f"{url}/api/v1/login", json=body) as answer:
        return answer.status


async def test_an_address_that_floods_log_ins_delays_itself(
    start_inline: Callable[..., Awaitable[ServerThread]],
) -> None:
    """Somebody elsewhere logs in while 34 log-ins of the flood are under way, and none fails."""
    server = await start_inline(
        http={"port": free_port()}, auth={"argon2_time_cost": 3, "argon2_memory_kib": 8192}
    )
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with World(server) as world:
        ada, bob = await world.people(2)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as flood,
            aiohttp.ClientSession(connector=elsewhere) as other,
        ):
            done: list[float] = []
            flooding = [
                asyncio.ensure_future(_login(flood, world.url, ada.username)) for _ in range(34)
            ]
            for task in flooding:
                task.add_done_callback(lambda _: done.append(time.monotonic()))
            await until(_some(done), what="a log-in of the flood")
            before = len(done)
            assert await _login(other, world.url, bob.username) == 200
            overtaken = 34 - len(done)
            assert set(await asyncio.gather(*flooding)) == {200}
    assert overtaken > 0 or before == 34


def _some(items: list[float]) -> Callable[[], Awaitable[object]]:
    async def asked() -> object:
        return items

    return asked


async def test_a_stream_that_is_being_opened_while_its_device_logs_out_is_refused(
    start_inline: Callable[..., Awaitable[ServerThread]],
) -> None:
    """It is not among those that the log-out closes."""
    server = await start_inline()
    surface = server.instance("ConnectionServer-0")._surface
    original = surface._use_cases.authenticator.identify

    async def identify(token: str) -> Identity:
        identity: Identity = await original(token)
        device = (identity.user_id, identity.device_id)
        await surface._backend.writer.write(WriteBatch((Devices.remove(*device),)))
        surface.invalidate(Invalidation(devices=[device]))
        return identity

    surface._use_cases.authenticator.identify = identify
    async with World(server) as world:
        ada = await world.person("ada")
        assert await _close_code(await _address(ada, f"access_token={ada.session.token}")) == 4403
