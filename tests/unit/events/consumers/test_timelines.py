"""The consumer that brings changes to timelines and connections."""

import asyncio
from typing import get_args

import pytest

from rookery.errors import ActorUnavailable
from rookery.events.consumers.timelines import EVENT_KINDS, LATE_MS, Timelines
from rookery.events.kinds import (
    Event,
    FollowChanged,
    HiddenChanged,
    PrivacyChanged,
    TweetChange,
    TweetDeleted,
    TweetEdited,
    TweetPosted,
)
from rookery.ids import first_id_at
from rookery.messages import Delivery
from rookery.models import EventKind, Tweet
from rookery.store.engine import Insert, WriteBatch
from rookery.store.records.tweets import TweetRepository, creating
from tests.unit.memory_store import MemoryStore

NOW_MS = 1_790_000_000_000
CELEBRITY = 99


def test_each_change_of_a_tweet_is_delivered() -> None:
    """As a kind of its own."""
    assert EVENT_KINDS.keys() == set(get_args(TweetChange))
    assert sorted(EVENT_KINDS.values()) == sorted(EventKind)


class Somewhere:
    """Destinations that note what they are told."""

    def __init__(self) -> None:
        self.rings: list[Delivery] = []
        self.lists: list[Delivery] = []
        self.told: list[object] = []
        self.order: list[str] = []
        self.refuses = False
        self.is_away = False
        self.slow_to_forget: dict[int, asyncio.Event] = {}
        """Tweets that caches forget when this is set."""

    def is_celebrity(self, user_id: int) -> bool:
        return user_id == CELEBRITY

    async def to_rings(self, deliveries: list[Delivery]) -> None:
        if self.is_away:
            raise ActorUnavailable()
        self.rings += deliveries
        self.order += [str(each.event_id) for each in deliveries]

    async def to_lists(self, deliveries: list[Delivery]) -> list[int]:
        self.lists += deliveries
        return [each.event_id for each in deliveries] if self.refuses else []

    async def follow_changed(self, follower_id: int, followee_id: int, follows: bool) -> None:
        self.told.append(("follow", follower_id, followee_id, follows))

    async def hidden_changed(self, user_ids: list[int]) -> None:
        self.told.append(("hidden", user_ids))

    async def accounts_changed(self, user_ids: list[int]) -> None:
        self.told.append(("accounts", user_ids))

    async def followers_changed(self, user_ids: list[int]) -> None:
        self.told.append(("followers", user_ids))

    async def forget(self, tweet_ids: list[int]) -> None:
        await asyncio.sleep(0)
        for tweet_id in self.slow_to_forget.keys() & set(tweet_ids):
            await self.slow_to_forget.pop(tweet_id).wait()
        self.told.append(("forget", tweet_ids))
        self.order.append("forget")


class Scene:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.to = Somewhere()
        self.consumer = Timelines(self.to, TweetRepository(self.store), lambda: NOW_MS)

    async def handle(self, *events: Event) -> None:
        await self.consumer.handle(events)


def _posted(tweet_id: int, author_id: int = 7) -> TweetPosted:
    return TweetPosted(
        id=tweet_id,
        tweet_id=tweet_id,
        author_id=author_id,
        conversation_id=5,
        kind=8,
        original_author_id=3,
        audience=[7, 8],
        record=b"record",
        original_conversation_id=2,
        original_audience=[3],
    )


NOW_ID = first_id_at(NOW_MS)


async def test_a_delivery_has_all_that_shards_need() -> None:
    """They ask nobody about it."""
    scene = Scene()
    await scene.handle(_posted(NOW_ID))
    assert scene.to.rings == [
        Delivery(
            event_id=NOW_ID,
            event_kind=EventKind.TWEET,
            tweet_id=NOW_ID,
            author_id=7,
            post_kind=8,
            conversation_id=5,
            original_author_id=3,
            audience=[7, 8],
            record=b"record",
            original_conversation_id=2,
            original_audience=[3],
        )
    ]
    assert scene.to.told == []


async def test_changes_of_tweets_are_told_to_caches_too() -> None:
    """Whoever made them may have died before it could."""
    scene = Scene()
    edited = TweetEdited(id=11, tweet_id=1, author_id=7, conversation_id=1, record=b"new")
    deleted = TweetDeleted(id=12, tweet_id=2, author_id=7, conversation_id=2)
    await scene.handle(edited, deleted)
    assert {each.event_kind: each.record for each in scene.to.rings} == {
        EventKind.TWEET_EDITED: b"new",
        EventKind.TWEET_DELETED: b"",
    }
    assert scene.to.told == [("forget", [1, 2])]


async def test_an_edit_is_delivered_once_the_caches_have_forgotten() -> None:
    """Whoever hears of it may look at once; nothing else waits for that."""
    scene = Scene()
    edited = TweetEdited(id=11, tweet_id=1, author_id=7, conversation_id=1, record=b"new")
    await scene.handle(edited, _posted(NOW_ID))
    assert scene.to.order == [str(NOW_ID), "forget", "11"]


async def test_celebrities_tweets_go_into_lists() -> None:
    """But for those of who is none any more."""
    scene = Scene()
    await scene.handle(_posted(NOW_ID, CELEBRITY), _posted(NOW_ID + 1))
    assert [each.event_id for each in scene.to.lists] == [NOW_ID]
    assert [each.event_id for each in scene.to.rings] == [NOW_ID + 1]
    scene.to.refuses = True
    await scene.handle(_posted(NOW_ID + 2, CELEBRITY))
    assert [each.event_id for each in scene.to.rings] == [NOW_ID + 1, NOW_ID + 2]


async def test_follows_and_what_is_hidden_are_told() -> None:
    """To the timelines, as is who turned private; follows also to who decides who is a
    celebrity."""
    scene = Scene()
    await scene.handle(
        FollowChanged(id=1, follower_id=5, followee_id=6, follows=True),
        HiddenChanged(id=2, user_ids=[9, 8]),
        FollowChanged(id=3, follower_id=4, followee_id=6, follows=False),
        PrivacyChanged(id=4, user_id=9),
        PrivacyChanged(id=5, user_id=9),
    )
    assert sorted(scene.to.told, key=str) == sorted(
        [
            ("follow", 5, 6, True),
            ("follow", 4, 6, False),
            ("hidden", [8, 9]),
            ("followers", [6]),
            ("accounts", [9]),
        ],
        key=str,
    )


async def test_a_late_post_of_a_deleted_tweet_reaches_nobody() -> None:
    """One of a tweet that is there does; one that is not late costs no read."""
    scene = Scene()
    late_id = first_id_at(NOW_MS - 2 * LATE_MS)
    there = Tweet(id=late_id + 1, author_id=7, text="x", conversation_id=late_id + 1)
    inserts = [each for each in creating(there) if isinstance(each, Insert)]
    await scene.store.write(WriteBatch(tuple(inserts)))
    await scene.handle(_posted(late_id), _posted(late_id + 1))
    assert [each.tweet_id for each in scene.to.rings] == [late_id + 1]
    scene.store.reads.clear()
    await scene.handle(_posted(NOW_ID))
    assert sum(scene.store.reads.values()) == 0


async def test_a_shard_that_does_not_answer_is_told() -> None:
    """The relay hands the same events out again."""
    scene = Scene()
    scene.to.is_away = True
    with pytest.raises(ActorUnavailable):
        await scene.handle(_posted(NOW_ID))


def test_it_wants_every_kind_there_is() -> None:
    """Who may see what depends on each of them."""
    assert set(Timelines.kinds) == set(get_args(Event))


async def test_a_later_change_never_comes_first() -> None:
    """Although batches overlap, and the caches took longer to forget for the earlier one."""
    scene = Scene()
    is_forgotten = scene.to.slow_to_forget[1] = asyncio.Event()
    earlier = asyncio.create_task(scene.handle(_edited(11, 1)))
    await asyncio.sleep(0)
    later = asyncio.create_task(scene.handle(_edited(12, 1)))
    new_id = first_id_at(NOW_MS)
    await scene.handle(_posted(new_id))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [each.event_id for each in scene.to.rings] == [new_id], "a post waits for nobody"
    is_forgotten.set()
    await asyncio.gather(earlier, later)
    assert [each.event_id for each in scene.to.rings] == [new_id, 11, 12]


def _edited(event_id: int, tweet_id: int) -> TweetEdited:
    return TweetEdited(id=event_id, tweet_id=tweet_id, author_id=7, conversation_id=5)
