"""A stream as an application uses it: watching, waiting, reading late, closing."""

import asyncio

import pytest

from rookery.client import (
    Client,
    Connected,
    ConnectionFailed,
    Counts,
    Disconnected,
    StreamClosed,
    StreamSettings,
)
from tests.integration.client.scripted_server import Peer, ScriptedServer, eventually
from tests.integration.client.streaming import (
    QUICK,
    client_of,
    closes,
    offsets,
    sends,
    take,
)


async def test_watched_tweets_are_told_again_after_a_cut() -> None:
    """From the beginning, when they change, and on each new connection."""
    heard: list[object] = []

    async def first(peer: Peer) -> None:
        await peer.welcome()
        heard.append(await peer.receive())
        heard.append(await peer.receive())
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.welcome(resumed=True)
        heard.append(await peer.receive())
        numbers = {"likeCount": 3, "retweetCount": 0, "replyCount": 0, "quoteCount": 0}
        await peer.send({"type": "counts", "counts": [{"tweetId": "9", **numbers}]})
        await peer.stay()

    server = ScriptedServer(first, second)
    async with server.running(), client_of(server) as client:
        async with client.stream(watch=[7, "8", 7], settings=QUICK) as stream:
            await eventually(lambda: len(heard) == 1)
            await stream.watch([9])
            (event,) = await take(stream, 1)
            assert isinstance(event, Counts)
            assert event.counts[0].like_count == 3
    assert heard == [
        {"type": "watch", "tweetIds": ["7", "8"]},
        {"type": "watch", "tweetIds": ["9"]},
        {"type": "watch", "tweetIds": ["9"]},
    ]


async def test_what_cannot_be_watched_is_refused_at_once() -> None:
    """The server would count it as an error of the client."""
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ValueError, match="at most 200"):
            client.stream(watch=range(1, 202))
        with pytest.raises(ValueError, match="not an id"):
            await client.stream().watch(["x"])


async def test_a_ping_is_answered_without_iterating() -> None:
    """The round trip takes some time, and needs a connection."""

    async def echo(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(2):
            assert await peer.receive() == {"type": "ping"}
            await peer.send({"type": "pong"})
        assert await peer.receive() == {"type": "ping"}
        await peer.cut()

    server = ScriptedServer(echo)
    async with server.running(), client_of(server) as client:
        async with client.stream() as stream:
            with pytest.raises(ConnectionFailed, match="not connected"):
                await stream.ping()
            await eventually(lambda: stream.connected)
            times = await asyncio.gather(stream.ping(), stream.ping())
            assert all(0 < seconds < 5 for seconds in times)
            with pytest.raises(ConnectionFailed, match="was cut"):
                await stream.ping()


async def test_the_connection_is_told_of_if_asked() -> None:
    """Connected and Disconnected stand where they happened."""
    server = ScriptedServer(sends(1, then=closes(4503)), sends(2))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK, connection_events=True) as stream:
            first, _, cut, second, _ = await take(stream, 5)
    assert first == Connected("e", 0, False, 25.0)
    assert isinstance(cut, Disconnected)
    assert (cut.code, cut.reason) == (4503, "because 4503")
    assert 0 <= cut.retry_in_s <= 0.05
    assert second == Connected("e", 1, True, 25.0)


async def test_waiting_until_connected() -> None:
    """From the welcome on; a stream that ends is waited for no longer."""
    server = ScriptedServer(sends(then=closes(4401)))
    async with server.running(), client_of(server) as client:
        stream = client.stream(connection_events=True)
        await asyncio.wait_for(stream.wait_connected(), 5.0)
        assert await take(stream, 1) == [Connected("e", 0, False, 25.0)]
        with pytest.raises(StreamClosed):
            await take(stream, 1)
        with pytest.raises(StreamClosed):
            await asyncio.wait_for(stream.wait_connected(), 5.0)


async def test_a_closed_stream_is_not_waited_for() -> None:
    """Neither by those who wait already nor by those who come later."""
    server = ScriptedServer(Peer.stay)
    async with server.running(), client_of(server) as client:
        stream = client.stream()
        waiting = asyncio.create_task(stream.wait_connected())
        await eventually(lambda: len(server.peers) == 1)
        await stream.aclose()
        for _ in range(2):
            with pytest.raises(ConnectionFailed, match="closed"):
                await asyncio.wait_for(waiting, 5.0)
            waiting = asyncio.create_task(stream.wait_connected())
        waiting.cancel()


async def test_a_reader_that_is_late_gets_everything() -> None:
    """A full buffer stops the reading, and loses nothing."""
    small = StreamSettings(buffer_events=5)
    server = ScriptedServer(sends(*range(1, 501)))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=small) as stream:
            await eventually(lambda: stream.connected)
            assert offsets(await take(stream, 500)) == list(range(1, 501))


async def test_a_reader_that_does_not_read_is_not_cut_as_silent() -> None:
    """While nothing is read, nothing can be heard."""

    async def flood(peer: Peer) -> None:
        await peer.welcome(heartbeat_s=0.05)
        await peer.tweets(*range(1, 2001))
        await peer.stay()

    small = StreamSettings(buffer_events=5, silence_grace_s=0.05)
    server = ScriptedServer(flood)
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=small) as stream:
            await eventually(lambda: stream.connected)
            await asyncio.sleep(0.6)  # four times the limit, in which nothing must happen
            assert stream.connected
            assert offsets(await take(stream, 20)) == list(range(1, 21))
    assert len(server.peers) == 1


async def test_closing_ends_the_iteration() -> None:
    """Also that of a task which is waiting."""
    server = ScriptedServer(sends())
    async with server.running(), client_of(server) as client:
        stream = client.stream()
        reader = asyncio.create_task(take(stream, 1))
        await eventually(lambda: stream.connected)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await reader
        await stream.aclose()
    assert server.peers[0].socket.close_code == 1000


async def test_a_reader_may_stop_waiting() -> None:
    """A cancelled `anext` loses nothing."""
    proceed = asyncio.Event()

    async def later(peer: Peer) -> None:
        await peer.welcome()
        await proceed.wait()
        await peer.tweets(1)
        await peer.stay()

    server = ScriptedServer(later)
    async with server.running(), client_of(server) as client:
        async with client.stream() as stream:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.01)
            proceed.set()
            assert offsets(await take(stream, 1)) == [1]
    assert len(server.peers) == 1


async def test_two_tasks_may_not_iterate() -> None:
    """Their events would be divided at random."""
    server = ScriptedServer(sends())
    async with server.running(), client_of(server) as client:
        async with client.stream() as stream:
            reader = asyncio.create_task(take(stream, 1))
            await eventually(lambda: stream.connected)
            with pytest.raises(RuntimeError, match="one task"):
                await anext(stream)
            reader.cancel()
