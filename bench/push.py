"""``push``: events to the sessions of one connection server, in frames that arrive a second."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import msgspec
import psutil

from bench import children, nchan, sockets
from bench.actors import config, running
from bench.report import Options, Result, at_least, machine, measured, promise
from bench.server import cpu_s_of, cpu_us_each
from bench.world import Plan, World, build
from rookery.actors import names
from rookery.actors.runtime import ActorRef, Runtime
from rookery.connection.rendering import pushed_record
from rookery.connection.wire import MSGPACK, Event, frame_header
from rookery.errors import Unavailable
from rookery.events.kinds import TweetRecord
from rookery.ids import first_id_at
from rookery.messages import Delivery
from rookery.models import EventKind, Tweet, User
from rookery.store import clock_ms

EVENT_BYTES = 400
"""A short tweet with its author."""
REQUIRED = {1: 60_000, 10: 110_000}
"""Frames a second, by the events in a burst."""
REQUIRED_RATIO = 0.85
REQUIRED_TIMES_NCHAN = 1.0
"""In bursts, which are what several frames in one write are for."""
BURST = 10

Send = Callable[[int], Awaitable[None]]
"""Sends one round: so many events to every session."""


async def run(options: Options) -> AsyncIterator[Result]:
    """Events of an author whom every session's user follows, delivered at the shards, one by one
    (the next once the last has arrived everywhere) and in bursts."""
    sessions = 100 if options.is_small else 2_000
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rookery-bench-"))
        follows: list[list[int]] = [[sessions]] * sessions + [[]]
        world = await build(Path(folder), Plan(follows))
        settings = config(options, world.data_dir)
        runtime = await stack.enter_async_context(running(settings, live_ports=[0]))
        port = int((await _url(runtime)).rpartition(":")[2].partition("/")[0])
        shards = [runtime.ref(names.timeline_shard(number)) for number in range(settings.shards)]
        rival = None
        if nchan.missing() is None:
            rival = await stack.enter_async_context(nchan.Nchan())
        push = _Push(options, world, shards, port, rival)
        for burst in (1, BURST):
            yield await push.measure(burst)


async def _url(runtime: Runtime) -> str:
    deadline_s = monotonic() + 20
    while True:
        try:
            url: str = await runtime.ref(names.CONNECTION_MANAGER).call("pick")
            return url
        except Unavailable:
            if monotonic() > deadline_s:
                raise
            await asyncio.sleep(0.05)


class _Push:
    def __init__(
        self,
        options: Options,
        world: World,
        shards: Sequence[ActorRef],
        port: int,
        rival: nchan.Nchan | None,
    ) -> None:
        self.options = options
        self.author_id = world.user_ids[-1]
        self.tokens = world.tokens[:-1]
        self.shards = shards
        self.port = port
        self.rival = rival
        self.next_id = 0

    async def measure(self, burst: int) -> Result:
        """Ours, the ceiling and the rival in turns."""
        conditions = machine()
        options = self.options
        sessions = len(self.tokens)
        self.next_id = first_id_at(clock_ms())
        broadcaster = await children.Child.start(
            "bench.broadcasting", {"clients": sessions, "message": b"x" * EVENT_BYTES}
        )
        rates: list[float] = []
        ceilings: list[float] = []
        rivals: list[float] = []
        merged = 0
        try:
            their_port = await broadcaster.answer(int)
            for _ in range(options.repeats):
                heads = [sockets.handshake(token) for token in self.tokens]
                cpu_s = _cpu_s()
                rate, received = await _rounds(options, self.port, heads, 1, burst, self._deliver)
                cpu_us = cpu_us_each(cpu_s, _cpu_s(), received.least * sessions)
                merged += _check(received)
                rates.append(rate)
                heads = [sockets.handshake() for _ in range(sessions)]
                rate, _ = await _rounds(options, their_port, heads, 0, burst, broadcaster.tell)
                ceilings.append(rate)
                if self.rival is not None:
                    rivals.append(await self._rounds_of(self.rival, burst))
        finally:
            await broadcaster.stop()
        figures = measured(rates, ceilings)
        nchan_rate = median(rivals) if rivals else None
        times_nchan = figures["value"] / nchan_rate if nchan_rate else None
        return Result(
            bench="push",
            unit="frames/s",
            ceiling_is="websockets.broadcast alone, to as many clients",
            **figures,
            **_promise(options, burst, figures["value"], figures["ratio"], times_nchan),
            parameters={
                "runtime": options.runtime,
                "sessions": sessions,
                "burst": burst,
                "event_bytes": EVENT_BYTES,
                "seconds": options.seconds,
                "nchan": nchan_rate or nchan.missing(),
                "times_nchan": times_nchan,
                "cpu_us_each": cpu_us,
            },
            checked={"merged": merged},
            machine=conditions,
        )

    async def _deliver(self, events: int) -> None:
        batch = []
        for _ in range(events):
            self.next_id += 1
            batch.append(
                Delivery(
                    self.next_id,
                    int(EventKind.TWEET),
                    self.next_id,
                    self.author_id,
                    record=msgspec.msgpack.encode(record(self.next_id, self.author_id)),
                )
            )
        await asyncio.gather(*(shard.call("deliver", [batch]) for shard in self.shards))

    async def _rounds_of(self, rival: nchan.Nchan, burst: int) -> float:
        """The same of the rival; frames a second."""
        async with rival.channel(len(self.tokens), EVENT_BYTES) as channel:
            heads = [sockets.handshake(path=channel.path) for _ in self.tokens]
            publish = channel.publish
            rate, received = await _rounds(self.options, rival.port, heads, 0, burst, publish)
            await channel.check(received.payloads)
            return rate


def _promise(
    options: Options, burst: int, rate: float, ratio: float, times_nchan: float | None
) -> dict[str, Any]:
    """One at a time there is the ceiling to come near to, in bursts the rival to equal."""
    demands = at_least("frames/s", rate, REQUIRED[burst])
    if burst == 1:
        demands |= at_least("ratio", ratio, REQUIRED_RATIO)
    else:
        demands |= at_least("times nchan", times_nchan, REQUIRED_TIMES_NCHAN)
    return promise(options, demands)


def _cpu_s() -> dict[str, float]:
    """The processor time of the actors, which are processes below this one (or in it)."""
    own = psutil.Process()
    return cpu_s_of([own, *own.children(recursive=True)])


async def _rounds(
    options: Options, port: int, heads: list[bytes], greeting: int, burst: int, send: Send
) -> tuple[float, sockets.Received]:
    """Send round after round, each when the former has arrived everywhere; frames a second."""
    frames = len(heads) * burst
    job = sockets.Job(port=port, heads=heads, greeting=greeting, round_frames=frames)
    async with sockets.Receivers(job) as receivers:
        warm_up_ends_s = perf_counter() + options.seconds / 4
        sent = 0
        while perf_counter() < warm_up_ends_s:
            await _round(receivers, send, burst)
            sent += 1
        began_s = perf_counter()
        measured_rounds = 0
        while perf_counter() < began_s + options.seconds:
            await _round(receivers, send, burst)
            measured_rounds += 1
        took_s = perf_counter() - began_s
        received = await receivers.received()
    total = (sent + measured_rounds) * burst
    if (received.least, received.most, received.closed) != (total, total, 0):
        raise AssertionError(
            f"of {total} events sessions got {received.least} to {received.most},"
            f" and {received.closed} were closed"
        )
    return measured_rounds * frames / took_s, received


async def _round(receivers: sockets.Receivers, send: Send, burst: int) -> None:
    await send(burst)
    await receivers.round()


def record(tweet_id: int, author_id: int) -> TweetRecord:
    """A tweet that makes a frame's payload `EVENT_BYTES` long."""
    author = User(id=author_id, username="author", name="Author")
    text = ""
    while True:
        tweet = Tweet(id=tweet_id, author_id=author_id, text=text, conversation_id=tweet_id)
        made = TweetRecord(tweet, author)
        event = Event(int(EventKind.TWEET), tweet_id, pushed_record(made))
        frame = MSGPACK.event_frame(event, 1)
        missing = EVENT_BYTES - (len(frame) - len(frame_header(2, EVENT_BYTES)))
        if missing <= 0:
            return made
        text += "x" * max(1, missing - 2)


def _check(received: sockets.Received) -> int:
    """How many frames were not single tweets.

    Raises:
        AssertionError: a session that was looked at missed an event, or got it out of order.
    """
    for payloads in received.payloads:
        events = [msgspec.msgpack.decode(payload) for payload in payloads]
        offsets = [event["offset"] for event in events]
        if offsets != list(range(offsets[0], offsets[0] + len(offsets))):
            raise AssertionError(f"offsets are not in order: {offsets[:50]}")
        ids = [int(event["tweet"]["id"]) for event in events]
        if ids != sorted(set(ids)):
            raise AssertionError("tweets are doubled or out of order")
    return sum(b"\xa5tweet" not in payload for each in received.payloads for payload in each)
