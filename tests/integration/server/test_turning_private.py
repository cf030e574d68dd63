"""What is on its way while accounts change: pushes go by what holds when they are pushed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from rookery.actors import names
from rookery.client import ClientError, Position, TweetDeleted, TweetEvent, TweetUnavailable
from rookery.ids import first_id_at
from rookery.store import clock_ms
from tests.integration.server.hand import Hand
from tests.integration.server.world import (
    Listener,
    Person,
    ServerThread,
    World,
    config,
    pid_of,
    settled,
    until,
)

ROUNDS = 3
TWEETS = 6
FANS = 4


class Held:
    """Deliveries to the shard of an inline server, which wait until they are let go."""

    def __init__(self, server: ServerThread) -> None:
        self._server = server
        self._shard = server.instance(names.timeline_shard(0))
        self.waiting = 0

    async def _wait(self, batches: list[Any]) -> Any:
        self.waiting += sum(map(len, batches))
        await self._may_go.wait()
        return await self._deliver(batches)

    @asynccontextmanager
    async def deliveries(self) -> AsyncIterator["Held"]:
        async def hold() -> None:
            self._may_go = asyncio.Event()
            self._deliver = self._shard.deliver
            self._shard.deliver = self._wait

        async def let_go() -> None:
            self._shard.deliver = self._deliver
            self._may_go.set()

        await self._server.on_loop(hold())
        try:
            yield self
        finally:
            await self._server.on_loop(let_go())


def _has_heard(listener: Listener, tweet_id: int) -> bool:
    return tweet_id in listener.tweet_ids


def _has_events(listener: Listener, count: int) -> bool:
    return len(listener.events) >= count


def _is_closed(listener: Listener) -> bool:
    return listener.closed is not None


class Stage:
    """Ada, whom only Cyd follows; Bob, whom Cyd and Dan follow. Eve is mentioned by Ada, and
    follows Bob. The followers listen."""

    def __init__(self, server: ServerThread, world: World) -> None:
        self.server = server
        self.world = world
        self.hearing: dict[Person, Listener] = {}
        self.began: dict[Person, Position] = {}

    async def prepare(self) -> None:
        self.ada, self.bob, *self.fans = await self.world.people(5)
        self.cyd, self.dan, self.eve = self.fans
        await self.cyd.follow(self.ada)
        self.tweet = await self.ada.post(f"ada says @{self.eve.username}")
        await settled(self.world)
        for fan in self.fans:
            await fan.follow(self.bob)
            self.hearing[fan] = await fan.listen()
            position = self.hearing[fan].stream.position
            assert position is not None
            self.began[fan] = position

    async def marked(self) -> None:
        """All that was committed has been heard."""
        await settled(self.world)
        marker = await self.bob.post("marker")
        for listener in self.hearing.values():
            await listener.until(partial(_has_heard, listener, marker))

    def heard(self, fan: Person) -> dict[int, dict[str, Any]]:
        """The tweets that somebody's stream brought, but for markers."""
        events = self.hearing[fan].of(TweetEvent)
        return {int(each.tweet_id): each.raw for each in events if each.raw["text"] != "marker"}

    def has_no_gaps(self, fan: Person) -> bool:
        """Whether offsets go on one by one."""
        kinds = (TweetEvent, TweetDeleted, TweetUnavailable)
        offsets = [each.offset for each in self.hearing[fan].events if isinstance(each, kinds)]
        first = self.began[fan].offset + 1
        return offsets == list(range(first, first + len(offsets)))

    async def come_back(self) -> None:
        """Everybody comes back to where they began."""
        for fan, listener in list(self.hearing.items()):
            count = len(listener.events)
            await listener.aclose()
            back = self.hearing[fan] = await fan.listen(position=self.began[fan])
            await back.until(partial(_has_events, back, count))


@pytest_asyncio.fixture
async def stage(inline_server: ServerThread, inline_world: World) -> Stage:
    made = Stage(inline_server, inline_world)
    await made.prepare()
    return made


def hidden(tweet_id: int) -> dict[str, str]:
    return {"id": str(tweet_id), "unavailable": "hidden"}


async def test_what_turned_private_on_its_way_is_for_its_followers(stage: Stage) -> None:
    """And for whom it mentions; the others get a quote without it, and hear of no retweet."""
    async with Held(stage.server).deliveries() as held:
        retweet = int((await stage.bob.client.retweet(stage.tweet)).id)
        quote = int((await stage.bob.client.retweet(stage.tweet, "look")).id)
        await stage.ada.client.update_privacy(is_private=True)

        async def is_held() -> bool:
            return held.waiting > 0

        await until(is_held, what="a delivery")
    for _ in range(2):
        await stage.marked()
        for fan in (stage.cyd, stage.eve):
            heard = stage.heard(fan)
            assert heard.keys() == {retweet, quote}
            assert heard[retweet]["retweetOf"]["id"] == str(stage.tweet)
            assert heard[quote]["quoteOf"]["id"] == str(stage.tweet)
            assert "text" in heard[quote]["quoteOf"]
        assert stage.heard(stage.dan).keys() == {quote}
        assert stage.heard(stage.dan)[quote]["quoteOf"] == hidden(stage.tweet)
        assert all(map(stage.has_no_gaps, stage.fans))
        await stage.come_back()
    assert retweet not in await stage.dan.home()


async def test_the_end_of_a_retweet_is_told_to_who_sees_it(stage: Stage) -> None:
    """Whether it is taken back, or goes with its original."""
    kept = await stage.ada.post("kept")
    for tweet in (stage.tweet, kept):
        await stage.bob.client.retweet(tweet)
    await stage.marked()
    before = len(stage.hearing[stage.dan].events)
    await stage.ada.client.update_privacy(is_private=True)
    await stage.bob.client.undo_retweet(kept)
    await stage.ada.client.delete_tweet(stage.tweet)
    await stage.marked()
    assert len(stage.hearing[stage.cyd].of(TweetDeleted)) == 3  # and the original's own
    assert stage.hearing[stage.dan].of(TweetDeleted) == []
    assert len(stage.hearing[stage.dan].events) == before + 1  # the marker
    assert all(map(stage.has_no_gaps, stage.fans))


async def test_what_was_suspended_on_its_way_reaches_nobody(stage: Stage) -> None:
    """Neither what the account posted, nor retweets of it; quotes come without it."""
    frank = await stage.world.person("frank")
    for fan in stage.fans:
        await fan.follow(frank)
    async with Held(stage.server).deliveries():
        await frank.post("frank says")
        await stage.bob.client.retweet(stage.tweet)
        quote = int((await stage.bob.client.retweet(stage.tweet, "look")).id)
        for who in (frank, stage.ada):
            await stage.world.control("suspend", username=who.username)
    for _ in range(2):
        await stage.marked()
        for fan in stage.fans:
            assert stage.heard(fan).keys() == {quote}
            assert stage.heard(fan)[quote]["quoteOf"] == hidden(stage.tweet)
        assert all(map(stage.has_no_gaps, stage.fans))
        await stage.come_back()


async def test_a_shard_looks_up_what_it_was_not_told(stage: Stage) -> None:
    """An event that is older than the shard, since the worker was away for long."""
    hand = Hand(stage.server)
    await hand.turn_private(stage.ada)
    old_id = first_id_at(clock_ms() - 3_600_000)
    retweet = await hand.post(stage.bob, retweets=stage.tweet, tweet_id=old_id)
    await stage.marked()
    assert stage.heard(stage.cyd).keys() == {retweet.id}
    assert stage.heard(stage.dan) == {}
    assert stage.has_no_gaps(stage.dan)


# Several processes.


@pytest.fixture(scope="module")
def many(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    """Two gateways, two shards, two connection servers."""
    folder = tmp_path_factory.mktemp("many") / "data"
    server = ServerThread(config(folder, "ray", live={"servers": 2}))
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def stopped(server: ServerThread, name: str) -> AsyncIterator[None]:
    """The process of an actor stands still meanwhile."""
    pid = await server.on_loop(pid_of(name, server.namespace))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.ray
@pytest.mark.parametrize("is_late", [True, False])
async def test_no_push_after_the_answer_shows_what_turned_private(
    many: ServerThread, is_late: bool
) -> None:
    """Whichever processes it takes its way through: a stream brings what home shows. Where it
    `is_late`, nothing is delivered before the answer."""
    held = partial(stopped, many, names.FANOUT_WORKER) if is_late else nullcontext
    async with World(many) as world:
        ada, bob, friend, *fans = await world.people(3 + FANS)
        await friend.follow(ada)
        everybody = [friend, *fans]
        for each in everybody:
            await each.follow(bob)
        hearing = {each: [await each.listen() for _ in range(2)] for each in everybody}
        for _ in range(ROUNDS):
            tweets = [await ada.post(f"secret {number}") for number in range(TWEETS)]
            await settled(world)
            async with held():
                passing_on = asyncio.gather(*(_pass_on(bob, tweet) for tweet in tweets))
                if is_late:
                    await passing_on
                await ada.client.update_privacy(is_private=True)
                private = await bob.post("private by now")
                await passing_on
            await settled(world)
            end = await bob.post("all was delivered")
            for who, listeners in hearing.items():
                for listener in listeners:
                    await listener.until(partial(_has_heard, listener, end))
                home = await who.home()
                for listener in listeners:
                    assert listener.of(TweetUnavailable) == []
                    events = listener.of(TweetEvent)
                    ids = [int(each.tweet_id) for each in events]
                    if is_late:
                        newer = [each for each in ids if each > tweets[-1]]
                        assert sorted(newer, reverse=True) == home[: len(newer)]
                        assert len(newer) == (2 + 2 * TWEETS if who is friend else 2 + TWEETS)
                        events = events[-len(newer) :]
                    else:
                        events = events[ids.index(private) :]
                    _check(events, home, is_friend=who is friend)
            await ada.client.update_privacy(is_private=False)


async def _pass_on(who: Person, tweet: int) -> None:
    with suppress(ClientError):  # It is private by now.
        await who.client.retweet(tweet)
        await who.client.retweet(tweet, "look")


def _check(events: list[TweetEvent], home: list[int], *, is_friend: bool) -> None:
    """What a stream brought after the answer is what home shows."""
    for event in events:
        assert int(event.tweet_id) in home
        assert is_friend or "secret" not in str(event.raw)


@pytest.mark.ray
async def test_a_suspended_account_is_out_at_once(many: ServerThread) -> None:
    """Of every gateway and every connection server; nobody finds it until it is restored."""
    async with World(many) as world:
        ada, bob = await world.people(2)
        tweet = await ada.post("hello")
        listeners = [await ada.listen() for _ in range(4)]
        paths = (f"/users/{ada.id}", f"/users/by/username/{ada.username}", f"/tweets/{tweet}")
        for path in paths:
            assert await world.statuses(path, bob.session.token) == {200}
        assert await world.statuses("/timeline/home", ada.session.token) == {200}
        done = await world.control("suspend", username=ada.username)
        assert (done["status"], done["isTold"]) == ("suspended", True)
        assert await world.statuses("/timeline/home", ada.session.token) == {401}
        for path in paths:
            assert await world.statuses(path, bob.session.token) == {404}
        for listener in listeners:
            await listener.until(partial(_is_closed, listener))
            assert listener.closed is not None
            assert listener.closed.code == 4403
        await world.control("restore", username=ada.username)
        for path in paths:
            assert await world.statuses(path, bob.session.token) == {200}
        assert await world.statuses("/timeline/home", ada.session.token) == {401}
        again = await ada.another_device()
        assert await world.statuses("/timeline/home", again.session.token) == {200}
