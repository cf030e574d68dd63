"""After which ends a stream connects again, and which end it."""

import asyncio

import pytest
from aiohttp import web

from rookery.client import (
    Client,
    Connected,
    Disconnected,
    StreamClosed,
    StreamSettings,
)
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.streaming import (
    QUICK,
    client_of,
    closes,
    offsets,
    sends,
    take,
)


@pytest.mark.parametrize("code", [1000, 1001, 4408, 4410, 4500, 4503])
async def test_codes_after_which_it_reconnects(code: int) -> None:
    """A server that restarts or fails is returned to."""
    server = ScriptedServer(sends(1, then=closes(code)), sends(2))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 2)) == [1, 2]


@pytest.mark.parametrize("code", [1003, 4400, 4401, 4403, 4413])
async def test_codes_that_end_the_stream(code: int) -> None:
    """What came before is yielded, then the code is raised, each time."""
    server = ScriptedServer(sends(1, then=closes(code)))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 1)) == [1]
            for _ in range(2):
                with pytest.raises(StreamClosed, match=f"because {code}") as raised:
                    await take(stream, 1)
                assert raised.value.code == code
    assert len(server.peers) == 1


async def test_an_expired_token_is_refreshed() -> None:
    """4402: a new token, and the same position."""
    server = ScriptedServer(sends(1, then=closes(4402)), sends(2))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 2)) == [1, 2]
        assert client.token == "token-1"
    assert server.refreshed == ["refresh-0"]
    assert [peer.token for peer in server.peers] == ["token-0", "token-1"]


async def test_many_streams_refresh_once() -> None:
    """Streams of one client whose token expires together share the new one."""
    together = asyncio.Barrier(3)

    async def play(peer: Peer) -> None:
        if peer.token == "token-0":
            await together.wait()
            await sends(1, then=closes(4402))(peer)
        else:
            await sends(2)(peer)

    server = ScriptedServer(play)
    async with server.running(), client_of(server) as client:
        streams = [client.stream(settings=QUICK) for _ in range(together.parties)]
        for events in await asyncio.gather(*(take(stream, 2) for stream in streams)):
            assert offsets(events) == [1, 2]
    assert server.refreshed == ["refresh-0"]


async def test_an_expired_token_without_a_refresh_token_ends_the_stream() -> None:
    """There is nothing to refresh with."""
    server = ScriptedServer(sends(1, then=closes(4402)))
    async with server.running(), Client(server.url, token="token-0") as client:
        async with client.stream(settings=QUICK) as stream:
            await take(stream, 1)
            with pytest.raises(StreamClosed) as raised:
                await take(stream, 1)
            assert raised.value.code == 4402


async def test_a_silent_server_is_left() -> None:
    """No frame within two heartbeats and the grace: the connection is dead."""

    async def silent(peer: Peer) -> None:
        await peer.welcome(heartbeat_s=0.05)
        await peer.tweets(1)
        await peer.stay()

    server = ScriptedServer(silent, sends(2))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK, connection_events=True) as stream:
            _, tweet, cut, connected, again = await take(stream, 5)
            assert offsets([tweet, again]) == [1, 2]
            assert isinstance(cut, Disconnected)
            assert cut.reason == "the server fell silent"
            assert isinstance(connected, Connected)


async def test_pings_are_a_sign_of_life() -> None:
    """A server with nothing to say is not left as long as it pings."""
    pings = 12

    async def idle(peer: Peer) -> None:
        await peer.welcome(heartbeat_s=0.05)
        for _ in range(pings):  # 12 heartbeats; the limit is at four
            await asyncio.wait_for(await peer.socket.ping(), 1.0)
            await asyncio.sleep(0.05)
        await peer.tweets(1)
        await peer.stay()

    server = ScriptedServer(idle)
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 1)) == [1]
    assert len(server.peers) == 1


async def test_a_server_that_does_not_welcome_is_left() -> None:
    """An open connection without a welcome is no stream."""
    impatient = StreamSettings(base_s=0.005, open_timeout_s=0.3)
    server = ScriptedServer(Peer.stay, sends(1))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=impatient) as stream:
            assert offsets(await take(stream, 1)) == [1]
    assert len(server.peers) == 2


@pytest.mark.parametrize("status", [404, 429, 503])
async def test_refused_handshakes_that_pass(status: int) -> None:
    """A server that is full or going away is not the last."""
    server = ScriptedServer(sends(1))
    server.refusals = [status, status]
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 1)) == [1]
    assert server.discovered == 3


async def test_a_refused_handshake_that_does_not_pass() -> None:
    """HTTP 400 would be answered again."""
    server = ScriptedServer(sends(1))
    server.refusals = [400]
    async with server.running(), client_of(server) as client:
        with pytest.raises(StreamClosed, match="refused") as raised:
            await take(client.stream(settings=QUICK), 1)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(401, "invalid_token", 4401), (401, "device_revoked", 4403), (403, "forbidden", 4404)],
)
async def test_a_refused_discovery_ends_the_stream(status: int, code: str, expected: int) -> None:
    """With the code that the stream would have been closed with."""
    server = ScriptedServer(sends(1))
    server.discovery = [lambda: web.json_response({"error": "No", "code": code}, status=status)]
    async with server.running(), client_of(server) as client:
        with pytest.raises(StreamClosed, match="No") as raised:
            await take(client.stream(settings=QUICK), 1)
    assert raised.value.code == expected


async def test_a_failing_discovery_is_tried_again() -> None:
    """Unavailable, a page of some proxy, an address where nobody listens, nonsense."""
    answers = [
        lambda: web.json_response({"error": "No", "code": "unavailable"}, status=503),
        lambda: web.Response(text="<html>"),
        lambda: web.json_response(
            {"url": "ws://127.0.0.1:1/stream", "protocols": [], "heartbeatS": 1.0}
        ),
        lambda: web.json_response({"url": "nonsense", "protocols": [], "heartbeatS": 1.0}),
    ]
    server = ScriptedServer(sends(1))
    server.discovery = list(answers)
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 1)) == [1]
    assert server.discovered == len(answers) + 1
