"""Whose counts a stream brings: those of tweets that its user may see."""

import asyncio

import pytest

from rookery.connection.live_counts import LiveCounts
from rookery.connection.peer import Peer
from rookery.connection.session import Session
from rookery.connection.settings import StreamSettings
from rookery.connection.tally import Tally
from rookery.connection.wire import JSON
from rookery.errors import StoreUnavailable
from rookery.models import TweetCounts
from tests.streamed import AUTHOR, FakeTweets

from .fakes import FakePeer, identity

NONE: frozenset[int] = frozenset()
SEEN, HIDDEN, ABSENT = 5, 6, 7
ME, OTHER = 1, 2


class World:
    """Two watchers of three tweets, of which `ME` may not see `HIDDEN`."""

    def __init__(self) -> None:
        self.tweets = FakeTweets()
        self.tweets.values = {SEEN: TweetCounts(likes=1), HIDDEN: TweetCounts(likes=2)}
        self.tweets.hidden = {(ME, HIDDEN)}
        self.sent: list[tuple[Peer, list[int]]] = []
        settings = StreamSettings(attach_timeout_s=1.0)
        self.counts = LiveCounts(self.tweets, self._send, settings)
        self.me, self.other = (self._peer(user_id, settings) for user_id in (ME, OTHER))

    def _send(self, peer: Peer, items: list[tuple[int, bytes]]) -> None:
        self.sent.append((peer, sorted(tweet_id for tweet_id, _ in items)))

    def _peer(self, user_id: int, settings: StreamSettings) -> FakePeer:
        return FakePeer(
            Session(
                "s",
                identity(user_id),
                JSON,
                epoch=None,
                offset=None,
                expires_s=1e9,
                now_s=0.0,
                settings=settings,
                tally=Tally(),
            )
        )

    async def sent_to(self, peer: Peer) -> list[list[int]]:
        """What the next flush sends to a peer."""
        self.sent.clear()
        await self.counts.flush()
        return [ids for to, ids in self.sent if to is peer]


@pytest.fixture
async def world() -> World:
    made = World()
    everything = frozenset({SEEN, HIDDEN, ABSENT})
    made.counts.watch(made.me, NONE, everything)
    made.counts.watch(made.other, NONE, everything)
    return made


async def test_a_hidden_tweet_is_as_silent_as_one_that_is_not_there(world: World) -> None:
    """At the beginning, and whenever counts change."""
    assert await world.sent_to(world.me) == [[SEEN]]
    world.counts.changed([SEEN, HIDDEN, ABSENT])
    assert await world.sent_to(world.me) == [[SEEN]]
    world.counts.changed([HIDDEN, ABSENT])
    assert await world.sent_to(world.me) == []


async def test_others_are_not_affected(world: World) -> None:
    """Of the same tweet, each hears what is theirs."""
    assert await world.sent_to(world.other) == [[SEEN, HIDDEN]]


@pytest.mark.parametrize(
    ("peers", "authors", "tweets"),
    [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
    ids="user author tweet".split(),
)
async def test_what_becomes_hidden_is_silent_at_once(
    world: World, peers: int, authors: int, tweets: int
) -> None:
    """Whether the user, the author or the tweet has changed."""
    await world.counts.flush()
    world.tweets.hidden.add((ME, SEEN))
    world.counts.recheck([world.me] * peers, [AUTHOR] * authors, [SEEN] * tweets)
    world.counts.changed([SEEN])
    assert await world.sent_to(world.me) == []
    world.counts.changed([SEEN])
    assert await world.sent_to(world.other) == [[SEEN]]


async def test_what_becomes_hidden_while_counts_are_fetched_is_silent(world: World) -> None:
    """The last look decides."""
    await world.counts.flush()
    counts = world.tweets.counts

    async def hiding(tweet_ids: list[int]) -> dict[int, TweetCounts]:
        world.tweets.hidden.add((ME, SEEN))
        world.counts.recheck([world.me], (), ())
        return await counts(tweet_ids)

    world.tweets.counts = hiding  # type: ignore[method-assign, assignment]
    world.counts.changed([SEEN])
    assert await world.sent_to(world.me) == []
    assert await world.sent_to(world.me) == []


async def test_what_changes_while_somebody_looks_is_looked_at_again(world: World) -> None:
    """An answer that was on its way does not count."""
    visible = world.tweets.visible

    async def slowly(user_id: int, tweet_ids: list[int]) -> dict[int, tuple[int, ...]]:
        found = await visible(user_id, tweet_ids)
        if user_id == ME and not world.tweets.hidden >= {(ME, SEEN)}:
            world.tweets.hidden.add((ME, SEEN))
            world.counts.recheck([world.me], (), ())
        return found

    world.tweets.visible = slowly  # type: ignore[method-assign, assignment]
    assert await world.sent_to(world.me) == []
    assert await world.sent_to(world.me) == []


async def test_looking_again_sends_nothing_that_has_not_changed(world: World) -> None:
    """Somebody who likes a tweet is not sent all counts again."""
    await world.counts.flush()
    world.counts.recheck([world.me], (), ())
    assert await world.sent_to(world.me) == []
    world.counts.changed([SEEN])
    assert await world.sent_to(world.me) == [[SEEN]]


async def test_watching_anew_shows_what_has_become_visible(world: World) -> None:
    """It was not known whose tweet it was."""
    await world.counts.flush()
    world.tweets.hidden.clear()
    watched = frozenset({SEEN, HIDDEN})
    world.counts.watch(world.me, watched | {ABSENT}, watched)
    assert await world.sent_to(world.me) == [[SEEN, HIDDEN]]


async def test_what_could_not_be_looked_at_is_sent_later(world: World) -> None:
    """And before that, nothing of it."""
    world.tweets.failure = StoreUnavailable()
    assert await world.sent_to(world.me) == []
    world.counts.changed([SEEN])
    assert await world.sent_to(world.me) == []
    world.tweets.failure = None
    assert await world.sent_to(world.me) == [[SEEN]]


async def test_a_fault_of_ours_is_no_reason_to_show_more(world: World) -> None:
    """It is logged, and tried again."""
    world.tweets.failure = RuntimeError("a fault of ours")
    assert await world.sent_to(world.me) == []
    world.tweets.failure = None
    assert await world.sent_to(world.me) == [[SEEN]]


async def test_nothing_is_kept_of_who_left(world: World) -> None:
    """Also where somebody was just looking."""
    everything = frozenset({SEEN, HIDDEN, ABSENT})
    visible = world.tweets.visible
    released = asyncio.Event()

    async def slowly(user_id: int, tweet_ids: list[int]) -> dict[int, tuple[int, ...]]:
        await released.wait()
        return await visible(user_id, tweet_ids)

    world.tweets.visible = slowly  # type: ignore[method-assign, assignment]
    flushing = asyncio.create_task(world.counts.flush())
    await asyncio.sleep(0)
    for peer in (world.me, world.other):
        world.counts.watch(peer, everything, NONE)
    released.set()
    await flushing
    assert world.sent == []
    watching = world.counts._watching
    for kept in (
        watching._watchers,
        watching._watched,
        watching._visible,
        watching._doubtful,
        watching._authors,
        watching._by_author,
    ):
        assert not kept


async def test_one_look_serves_all_sessions_of_a_user(world: World) -> None:
    """Two devices that watch the same cost as much as one."""
    second = world._peer(ME, StreamSettings())
    world.counts.watch(second, NONE, frozenset({SEEN}))
    assert await world.sent_to(second) == [[SEEN]]
    assert [user_id for user_id, _ in world.tweets.visible_calls].count(ME) == 1
