"""The client's stream against a server that follows a script: cuts, close codes, silence."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import msgpack  # type: ignore[import-untyped]
import pytest
from aiohttp import web

from rookery.client import (
    Client,
    Connected,
    ConnectionFailed,
    Counts,
    Disconnected,
    Event,
    More,
    Position,
    Reset,
    Stream,
    StreamClosed,
    StreamSettings,
    TweetEvent,
)
from rookery.client.wire import Encoding
from tests.integration.scripted_server import Peer, Script, ScriptedServer, eventually

QUICK = StreamSettings(base_s=0.005, cap_s=0.05, healthy_s=60.0, silence_grace_s=0.1)
ENCODINGS: list[Encoding] = ["msgpack", "json"]


def client_of(server: ScriptedServer) -> Client:
    return Client(server.url, token="token-0", refresh_token="refresh-0", timeout_s=3.0)


async def take(stream: Stream, count: int) -> list[Event]:
    """The next `count` events."""
    async with asyncio.timeout(5.0):
        return [await anext(stream) for _ in range(count)]


def offsets(events: list[Event]) -> list[int]:
    """The offsets of events that must all be tweets."""
    found = []
    for event in events:
        assert isinstance(event, TweetEvent)
        found.append(event.offset)
    return found


def sends(*numbers: int, then: Callable[[Peer], Awaitable[None]] = Peer.stay) -> Script:
    """A script: welcome (resumed if the client has a position), tweets, and an end."""

    async def play(peer: Peer) -> None:
        position = peer.query.get("offset")
        await peer.welcome(int(position or 0), resumed=position is not None)
        await peer.tweets(*numbers)
        await then(peer)

    return play


def closes(code: int) -> Callable[[Peer], Awaitable[None]]:
    return lambda peer: peer.close(code, f"because {code}")


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
