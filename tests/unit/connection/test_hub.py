"""The hub over fake peers and a fake shard: no sockets, and a clock that stands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rookery.connection.closings import LIMITS
from rookery.connection.hub import Hub
from rookery.connection.ports import Attached
from rookery.connection.session import Phase
from rookery.connection.settings import StreamSettings
from rookery.connection.wire import JSON
from rookery.models import EventKind, TweetCounts
from rookery.store.records.devices import ALL_DEVICES
from tests.streamed import FakeTweets, packed, record

from .fakes import Clock, FakePeer, FakePresence, identity, types_of

SETTINGS = StreamSettings(
    counts_interval_s=0.001,
    reconcile_interval_s=0.01,
    reconcile_grace_s=0.001,
    max_sessions_per_user=3,
    attach_deadline_s=1.0,
)


class World:
    """A hub and what it is given."""

    def __init__(self, settings: StreamSettings = SETTINGS) -> None:
        self.clock = Clock()
        self.presence = FakePresence()
        self.tweets = FakeTweets()
        self.hub = Hub(
            self.presence,
            self.tweets,
            settings,
            clock_s=self.clock,
            wall_ms=self.clock.wall_ms,
        )

    def peer(
        self,
        user_id: int = 7,
        device_id: str = "d",
        epoch: str | None = None,
        offset: int | None = None,
    ) -> FakePeer:
        """A peer that joins and is not yet attached."""
        expires_ms = self.clock.wall_ms() + 3_600_000
        who = identity(user_id, device_id)
        peer = FakePeer(self.hub.new_session(who, expires_ms, JSON, epoch, offset))
        self.hub.join(peer)
        return peer

    async def live_peer(self, user_id: int = 7, device_id: str = "d") -> FakePeer:
        peer = self.peer(user_id, device_id)
        await until(lambda: peer.session.phase is Phase.LIVE)
        return peer


def brief(message: dict[str, Any]) -> dict[str, Any]:
    """A message with the id of its tweet in the tweet's place."""
    return message | {"tweet": message["tweet"]["id"]} if "tweet" in message else message


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Let other tasks run until `condition` holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.hub.start()
    yield world
    await world.hub.stop()


async def test_a_push_reaches_each_session_of_its_users(world: World) -> None:
    """All devices of the users that are named, and nobody else."""
    phone, laptop = await world.live_peer(1, "phone"), await world.live_peer(1, "laptop")
    other, third = await world.live_peer(2), await world.live_peer(3)

    world.hub.push([world.presence.publish([1, 2], 50, packed(50))])

    for peer in (phone, laptop, other):
        assert brief(peer.messages[-1]) == {"type": "tweet", "offset": 1, "tweet": "50"}
    assert types_of(third.messages) == ["welcome"]


async def test_a_batch_is_one_write_for_each_session(world: World) -> None:
    """Frames of one batch are joined."""
    peer = await world.live_peer()
    writes = len(peer.written)

    world.hub.push([world.presence.publish([7], n, packed(n)) for n in range(5)])

    assert len(peer.written) == writes + 1
    assert [message["offset"] for message in peer.messages[1:]] == [1, 2, 3, 4, 5]


async def test_missed_events_are_hydrated(world: World) -> None:
    """Tweets get their cards; one that is gone says so; deletions need none."""
    world.presence.publish([7], 50)
    world.presence.publish([7], 51)
    world.presence.publish([7], 50, kind=EventKind.TWEET_DELETED)
    world.tweets.tweets[50] = record(50)

    peer = world.peer(epoch="e1", offset=0)

    await until(lambda: peer.written)
    assert [brief(message) for message in peer.messages[1:]] == [
        {"type": "tweet", "offset": 1, "tweet": "50"},
        {"type": "tweet_unavailable", "offset": 2, "tweetId": "51"},
        {"type": "tweet_deleted", "offset": 3, "tweetId": "50"},
    ]


async def test_a_gap_is_filled_by_attaching_again(world: World) -> None:
    """A push that was lost is noticed with the next one."""
    peer = await world.live_peer()
    world.tweets.tweets.update({n: record(n) for n in range(3)})
    world.presence.publish([7], 0)
    world.presence.publish([7], 1)

    world.hub.push([world.presence.publish([7], 2, packed(2))])

    await until(lambda: len(peer.messages) == 4)
    assert [message["offset"] for message in peer.messages] == [0, 1, 2, 3]


async def test_what_not_everybody_may_see_is_fetched_for_each() -> None:
    """At once, in its place, as each user may see it."""
    world = World(replace(SETTINGS, reconcile_interval_s=3600.0))
    await world.hub.start()
    one, other = await world.live_peer(1), await world.live_peer(2)
    quote = record(51, quote_of_id=50)
    world.tweets.tweets[51] = quote
    world.tweets.hidden.add((2, 51))

    data = msgspec.msgpack.encode(quote)
    world.hub.push([world.presence.publish([1, 2], 51, data)])
    world.hub.push([world.presence.publish([1], 9, kind=EventKind.TWEET_DELETED)])

    await until(lambda: len(one.messages) == 3 and len(other.messages) == 2)
    assert [message["offset"] for message in one.messages] == [0, 1, 2]
    assert one.messages[1]["tweet"]["id"] == "51"
    assert other.messages[1] == {"type": "tweet_unavailable", "offset": 1, "tweetId": "51"}
    await world.hub.stop()


async def test_reconciling_finds_a_lost_push(world: World) -> None:
    """Even when no other push follows it."""
    peer = await world.live_peer()

    world.presence.publish([7], 9, kind=EventKind.TWEET_DELETED)

    await until(lambda: len(peer.messages) == 2)
    assert peer.messages[1] == {"type": "tweet_deleted", "offset": 1, "tweetId": "9"}


async def test_reconciling_finds_a_restarted_shard(world: World) -> None:
    """All sessions of the user are reset to the new epoch."""
    peers = [await world.live_peer(device_id="a"), await world.live_peer(device_id="b")]

    world.presence.restart()

    await until(lambda: all(len(peer.messages) == 2 for peer in peers))
    for peer in peers:
        assert peer.messages[1] == {
            "type": "reset",
            "epoch": "e1x",
            "offset": 0,
            "reason": "epoch_changed",
        }


async def test_reconciling_leaves_those_alone_who_are_up_to_date(world: World) -> None:
    """No attach without need."""
    await world.live_peer()
    world.hub.push([world.presence.publish([7], 1, packed(1))])
    attaches = len(world.presence.attaches)

    await world.hub._presence.reconcile([7])

    assert len(world.presence.attaches) == attaches


async def test_reconciling_asks_for_those_only_who_were_told_something(world: World) -> None:
    """Of everybody it asks at first, and then seldom."""
    for user_id in (7, 8):
        await world.live_peer(user_id)
    world.presence.lately = [8, 9]
    await until(lambda: len(world.presence.asked) > 3)
    assert world.presence.asked[-1] == [8]
    world.clock.now_s += SETTINGS.reconcile_everyone_s
    asked = len(world.presence.asked)
    await until(lambda: len(world.presence.asked) > asked + 1)
    assert [7, 8] in map(sorted, world.presence.asked[asked:])


async def test_reconciling_asks_for_everybody_after_a_failure(world: World) -> None:
    """A shard that did not answer may have begun anew."""
    await world.live_peer(7)
    world.presence.lately = []
    await until(lambda: world.presence.asked)
    asked = len(world.presence.asked)
    world.presence.silent_rounds = 2
    await until(lambda: len(world.presence.asked) > asked)
    assert world.presence.asked[-1] == [7]


async def test_attaching_is_retried(world: World) -> None:
    """A shard that restarts is waited for."""
    world.presence.failures = 2

    peer = await world.live_peer()

    assert peer.closed is None
    assert len(world.presence.attaches) == 3


async def test_a_shard_that_stays_away_closes_the_session() -> None:
    """After the deadline the client is sent elsewhere."""
    world = World(replace(SETTINGS, attach_deadline_s=0.05))
    world.presence.failures = 1000

    peer = world.peer()

    await until(lambda: peer.closed)
    assert peer.closed is not None
    assert peer.closed[0] == 4503
    assert len(world.hub) == 0


async def test_the_last_session_to_leave_detaches_the_user(world: World) -> None:
    """Others of the same user keep it attached."""
    first, second = await world.live_peer(device_id="a"), await world.live_peer(device_id="b")

    world.hub.leave(first, 1000)
    assert world.presence.registered == {7}
    world.hub.leave(second, 1000)

    await until(lambda: not world.presence.registered)
    assert len(world.hub) == 0


async def test_a_session_that_comes_during_a_detach_stays_attached(world: World) -> None:
    """Attach and detach calls for one user do not overlap."""
    release = asyncio.Event()
    detach = world.presence.detach

    async def slow_detach(user_id: int) -> None:
        await release.wait()
        await detach(user_id)

    world.presence.detach = slow_detach  # type: ignore[method-assign]
    world.hub.leave(await world.live_peer(), 1000)
    await until(lambda: world.hub._presence._detaching)
    peer = world.peer()
    await asyncio.sleep(0)
    assert len(world.presence.attaches) == 1

    release.set()

    await until(lambda: peer.session.phase is Phase.LIVE)
    assert world.presence.registered == {7}


async def test_a_push_for_nobody_detaches_again(world: World) -> None:
    """A lost detach heals."""
    world.hub.push([world.presence.publish([99], 1, packed(1))])

    await until(lambda: world.presence.detaches == [99])


async def test_closing_during_an_attach_detaches(world: World) -> None:
    """The registration that the call may have made is undone."""
    release = asyncio.Event()
    attach = world.presence.attach

    async def slow_attach(user_id: int, epoch: str | None, offset: int | None) -> Attached:
        await release.wait()
        return await attach(user_id, epoch, offset)

    world.presence.attach = slow_attach  # type: ignore[method-assign]
    peer = world.peer()
    await asyncio.sleep(0)
    world.hub.leave(peer, 1006)

    release.set()

    await until(lambda: world.presence.detaches == [7])


@pytest.mark.parametrize(
    ("users", "authors", "is_fetched"),
    [([], [1], True), ([7], [], True), ([8], [], False), ([], [], False)],
)
async def test_what_waits_for_an_attach_is_looked_at_again(
    world: World, users: list[int], authors: list[int], is_fetched: bool
) -> None:
    """Where an author turned private meanwhile, or the user is hidden from somebody."""
    attach, waiting, release = world.presence.attach, asyncio.Event(), asyncio.Event()

    async def slow_attach(user_id: int, epoch: str | None, offset: int | None) -> Attached:
        answer = await attach(user_id, epoch, offset)
        if len(world.presence.attaches) == 1:
            waiting.set()
            await release.wait()
        return answer

    world.presence.attach = slow_attach  # type: ignore[method-assign]
    peer = world.peer()
    await waiting.wait()
    world.hub.push([world.presence.publish([7], 50, packed(50))])
    world.hub.visibility_changed(users, authors, [])
    release.set()
    await until(lambda: len(peer.messages) == 2)
    kind = "tweet_unavailable" if is_fetched else "tweet"
    assert types_of(peer.messages) == ["welcome", kind]
    assert len(world.presence.attaches) == 1 + is_fetched


async def test_all_devices_of_a_user_are_closed(world: World) -> None:
    """Those of others are not."""
    revoked = [await world.live_peer(7, each) for each in ("a", "b")]
    kept = await world.live_peer(8, "a")
    world.hub.close_devices([(7, ALL_DEVICES)])
    assert [each.closed for each in revoked] == [(4403, "this device was logged out")] * 2
    assert kept.closed is None


async def test_a_revoked_device_is_closed_and_others_are_not(world: World) -> None:
    """Only sessions of that device of that user."""
    revoked, kept = await world.live_peer(7, "a"), await world.live_peer(7, "b")
    namesake = await world.live_peer(8, "a")

    world.hub.close_devices([(7, "a"), (99, "z")])

    assert revoked.closed == (4403, "this device was logged out")
    assert kept.closed is namesake.closed is None
    assert len(world.hub) == 2


async def test_too_many_sessions_of_a_user_are_refused(world: World) -> None:
    """The newest is closed; the others stay."""
    peers = [world.peer() for _ in range(4)]

    assert [peer.closed for peer in peers[:3]] == [None] * 3
    assert peers[3].closed == (4429, "too many sessions")
    assert len(world.hub) == 3


async def test_counts_are_merged_and_sent_to_watchers(world: World) -> None:
    """Many likes become one message with the newest counts, for those who watch."""
    watcher, other = await world.live_peer(1), await world.live_peer(2)
    world.hub.message_received(watcher, b'{"type":"watch","tweetIds":["5"]}', True)
    world.tweets.values[5] = TweetCounts(likes=3)
    await until(lambda: "counts" in types_of(watcher.messages))
    calls = len(world.tweets.count_calls)

    world.tweets.values[5] = TweetCounts(likes=4)
    for _ in range(100):
        world.hub.counts_changed([5, 6])

    await until(lambda: types_of(watcher.messages).count("counts") == 2)
    assert world.tweets.count_calls[calls:] == [[5]]
    assert watcher.messages[-1]["counts"][0]["likeCount"] == 4
    assert types_of(other.messages) == ["welcome"]


async def test_who_leaves_watches_nothing(world: World) -> None:
    """No registration outlives its session."""
    peer = await world.live_peer()
    world.hub.message_received(peer, b'{"type":"watch","tweetIds":["5"]}', True)
    assert world.hub.figures()["watched_tweets"] == 1

    world.hub.leave(peer, 1000)

    assert world.hub.figures()["watched_tweets"] == 0


async def test_heartbeats_come_from_the_one_timer(world: World) -> None:
    """Each session is pinged when it is due, then closed for silence."""
    peer = await world.live_peer()
    for pings in (1, 2):
        world.clock.now_s += 25.5
        world.hub.tick()
        assert peer.pings == pings
    world.clock.now_s += 25.5
    world.hub.tick()

    assert peer.closed is not None
    assert peer.closed[0] == 4410


async def test_a_slow_session_is_closed_when_its_grace_ends() -> None:
    """Also where that is before its next heartbeat."""
    world = World(replace(SETTINGS, slow_grace_s=3.0, soft_buffer_bytes=500))
    peer = await world.live_peer()
    peer.slow = True

    world.hub.push([world.presence.publish([7], n, packed(n)) for n in range(50)])
    assert peer.session.merging
    world.clock.now_s += 3.5
    world.hub.tick()

    assert peer.closed == (4408, "too slow")
    assert world.hub.figures()["closed_4408"] == 1
    assert world.hub.figures()["events_merged"] > 0


async def test_a_session_that_drained_goes_on_singly(world: World) -> None:
    """Merged events are told as soon as there is room."""
    peer = await world.live_peer()
    peer.session.written(300_000)
    world.hub.push([world.presence.publish([7], 1, packed(1))])
    assert types_of(peer.messages) == ["welcome"]

    world.hub.drained(peer, 0)

    assert peer.messages[-1] == {"type": "more", "offset": 1, "count": 1}


async def test_figures_count_what_was_sent(world: World) -> None:
    """Frames, bytes, and the mean batch."""
    peer = await world.live_peer()

    world.hub.push([world.presence.publish([7], n, packed(n)) for n in range(4)])
    world.hub.push([world.presence.publish([7], 9, packed(9)), world.presence.publish([7], 8)])

    figures = world.hub.figures()
    assert figures["sessions"] == 1
    assert figures["frames_sent"] == 7
    assert figures["bytes_sent"] == sum(map(len, peer.written))
    assert figures["push_batch_mean"] == 3
    assert figures["attaches"] == 1


async def test_frames_of_all_sessions_of_a_user_are_bounded() -> None:
    """Within the bound of each session, many together are too fast; other users are not touched."""
    world = World(StreamSettings())
    peers = [world.peer(7, f"d{number}") for number in range(10)]
    other = world.peer(8)
    for _ in range(150):
        for peer in (*peers, other):
            world.hub.frame_received(peer)
    assert {peer.session.closing for peer in peers} == {(4400, "too many messages of this user")}
    assert other.session.closing is None
    await world.hub.stop()


def test_a_user_who_is_too_fast_is_told_of_as_a_limit() -> None:
    """The log calls it by a name of its own."""
    assert LIMITS["too many messages of this user"] == "frames_per_user"
