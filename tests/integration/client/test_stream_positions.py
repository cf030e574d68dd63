"""A stream yields every event once and in order, however often it is cut."""

import asyncio
import itertools

import msgpack  # type: ignore[import-untyped]
import pytest

from rookery.client import (
    More,
    Position,
    Reset,
    TweetEvent,
)
from rookery.client.wire import Encoding
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.streaming import (
    ENCODINGS,
    QUICK,
    client_of,
    offsets,
    sends,
    take,
)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_events_come_in_order(encoding: Encoding) -> None:
    """Whatever the encoding, an event is what the server sent."""
    server = ScriptedServer(sends(1, 2, 3))
    async with server.running(), client_of(server) as client:
        async with client.stream(encoding=encoding) as stream:
            events = await take(stream, 3)
            assert events == [TweetEvent(n, {"id": str(n)}) for n in (1, 2, 3)]
            assert stream.position == Position("e", 3)
    assert server.peers[0].token == "token-0"
    assert server.peers[0].query == {}


async def test_iterating_without_a_context_connects() -> None:
    """The client closes such a stream."""
    server = ScriptedServer(sends(1))
    async with server.running():
        async with client_of(server) as client:
            stream = client.stream()
            async for event in stream:
                assert offsets([event]) == [1]
                break
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_cut_stream_resumes_where_it_was(encoding: Encoding) -> None:
    """The server is given the last position, and is looked for again."""
    server = ScriptedServer(sends(1, 2, then=Peer.cut), sends(3, then=Peer.cut), sends(4))
    async with server.running(), client_of(server) as client:
        async with client.stream(encoding=encoding, settings=QUICK) as stream:
            assert offsets(await take(stream, 4)) == [1, 2, 3, 4]
    queries = [peer.query for peer in server.peers]
    assert queries == [{}, {"epoch": "e", "offset": "2"}, {"epoch": "e", "offset": "3"}]
    assert server.discovered == 3


async def test_repeated_events_are_yielded_once() -> None:
    """A server that resumes too far back repeats itself; the application does not see it."""
    server = ScriptedServer(sends(1, 2, 3, then=Peer.cut), sends(2, 3, 4))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 4)) == [1, 2, 3, 4]


async def test_a_gap_leads_to_a_resumption() -> None:
    """Rather than yield an event after a hole, the stream fetches what is missing."""
    server = ScriptedServer(sends(1, 2, 4, 5), sends(3, 4, 5))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 5)) == [1, 2, 3, 4, 5]
    assert server.peers[1].query["offset"] == "2"
    assert server.peers[0].socket.close_code == 1002


async def test_rubbish_leads_to_a_resumption() -> None:
    """A frame that cannot be decoded ends the connection, not the stream."""

    async def rubbish(peer: Peer) -> None:
        await peer.socket.send(b"\xc1")

    server = ScriptedServer(sends(1, then=rubbish), sends(2))
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            assert offsets(await take(stream, 2)) == [1, 2]


async def test_fragmented_messages_are_put_together() -> None:
    """The server does not fragment; something on the way may."""

    async def fragments(peer: Peer) -> None:
        data = msgpack.packb({"type": "tweet", "offset": 2, "tweet": {"id": "2"}})
        await peer.socket.send([data[:5], data[5:9], data[9:]])
        await peer.tweets(3)
        await peer.stay()

    server = ScriptedServer(sends(1, then=fragments))
    async with server.running(), client_of(server) as client:
        async with client.stream() as stream:
            assert offsets(await take(stream, 3)) == [1, 2, 3]
    assert len(server.peers) == 1


async def test_a_lost_position_is_told() -> None:
    """A server that cannot resume leads to one Reset."""

    async def forgetful(peer: Peer) -> None:
        await peer.welcome(7, epoch="new")
        await peer.send({"type": "reset", "epoch": "new", "offset": 7, "reason": "unknown"})
        await peer.tweets(8)
        await peer.stay()

    server = ScriptedServer(sends(1, then=Peer.cut), forgetful)
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            first, reset, second = await take(stream, 3)
            assert offsets([first, second]) == [1, 8]
            assert isinstance(reset, Reset)
            assert (reset.epoch, reset.offset) == ("new", 7)
            assert stream.position == Position("new", 8)


async def test_a_position_goes_on_in_another_process() -> None:
    """A stream that is given a position continues behind it."""
    server = ScriptedServer(sends(6))
    async with server.running(), client_of(server) as client:
        position = Position.parse("5:e")
        async with client.stream(position=position) as stream:
            assert stream.position == position
            assert offsets(await take(stream, 1)) == [6]
            assert stream.position == Position("e", 6)
    assert server.peers[0].query == {"epoch": "e", "offset": "5"}


async def test_the_position_is_that_of_what_was_yielded() -> None:
    """What waits in the buffer is not counted as seen."""
    answered = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.welcome()
        await peer.tweets(1, 2, 3)
        await (await peer.socket.ping())  # answered, so the tweets have arrived
        answered.set()
        await peer.stay()

    server = ScriptedServer(play)
    async with server.running(), client_of(server) as client:
        async with client.stream() as stream:
            await take(stream, 1)
            await answered.wait()
            assert stream.position == Position("e", 1)
            await take(stream, 1)
            assert stream.position == Position("e", 2)


async def test_the_union_is_exact_over_many_cuts() -> None:
    """However often it is cut, every event comes once or is covered."""
    total = 300
    numbers = itertools.cycle([1, 7, 2, 0, 13])

    async def play(peer: Peer) -> None:
        start = int(peer.query.get("offset", "0"))
        await peer.welcome(start, resumed="offset" in peer.query)
        end = min(start + next(numbers), total)
        await peer.tweets(*range(max(start - 2, 1), end + 1))
        if end >= total:
            await peer.stay()
        elif end % 3 == 0:
            await peer.send({"type": "more", "offset": end + 2, "count": 2})
            await peer.close(4408)
        else:
            await peer.cut()

    server = ScriptedServer(play)
    async with server.running(), client_of(server) as client:
        async with client.stream(settings=QUICK) as stream:
            seen = 0
            async with asyncio.timeout(20):
                async for event in stream:
                    if isinstance(event, More):
                        assert event.offset > seen
                        seen = event.offset
                    else:
                        assert offsets([event]) == [seen + 1]
                        seen += 1
                    if seen >= total:
                        break
    assert len(server.peers) > 10
