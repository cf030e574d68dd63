"""What the tests of streams share: a client, scripts for the server, events as numbers."""

import asyncio
from collections.abc import Awaitable, Callable

from rookery.client import (
    Client,
    Event,
    Stream,
    StreamSettings,
    TweetEvent,
)
from rookery.client.wire import Encoding
from tests.integration.client.scripted_server import Peer, Script, ScriptedServer

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
