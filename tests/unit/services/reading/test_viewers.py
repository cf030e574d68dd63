"""What is known of viewers, as pages need it."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from rookery.models import Identity
from rookery.services.reading.authors import Authors
from rookery.services.reading.shown import Marks
from rookery.services.reading.viewers import TTL_MS, KnownViewer, Viewers
from rookery.store.engine import WriteBatch
from rookery.store.records.engagement import liking
from rookery.store.schema import FAVOURITES
from tests.unit.memory_store import MemoryStore
from tests.unit.services.reading.rows import (
    add,
    block,
    bookmark,
    like,
    mute,
    mute_conversation,
    retweet,
)
from tests.unit.services.server import Clock, PausableStore, Server


def open_viewers(
    store: MemoryStore, clock: Clock | None = None, *, max_marks: int = 64, max_hidden: int = 64
) -> Viewers:
    clock = clock or Clock()
    return Viewers(
        store,
        clock,
        clock,
        Authors(store, clock),
        max_marks=max_marks,
        max_hidden=max_hidden,
    )


async def marks(viewers: Viewers, user_id: int, *tweet_ids: int) -> dict[int, int]:
    """Those of the tweets that are marked."""
    known = await viewers.get(user_id)
    await viewers.look_up_marks(known, tweet_ids)
    return {each: known.marks[each] for each in tweet_ids if each in known.marks}


async def test_marks_of_all_kinds_are_known_of_each_viewer() -> None:
    """By bits, for those who asked and nobody else."""
    store = MemoryStore()
    await add(store, like(1, 50), like(1, 60), retweet(1, 60), bookmark(1, 60), bookmark(2, 70))
    viewers = open_viewers(store)
    everything = Marks.LIKED | Marks.RETWEETED | Marks.BOOKMARKED
    one, two = await asyncio.gather(marks(viewers, 1, 50, 60, 70), marks(viewers, 2, 50, 60, 70))
    assert one == {50: Marks.LIKED, 60: everything}
    assert two == {70: Marks.BOOKMARKED}
    reads = dict(store.reads)
    assert await marks(viewers, 1, 60) == {60: everything}
    assert store.reads == reads


async def test_what_happened_elsewhere_is_seen_even_if_nobody_tells() -> None:
    """The longest that another process may lag."""
    store, clock = MemoryStore(), Clock()
    viewers = open_viewers(store, clock)
    assert await marks(viewers, 1, 50) == {}
    await add(store, like(1, 50), *block(1, 2))
    clock.now_ms += TTL_MS
    assert await marks(viewers, 1, 50) == {50: Marks.LIKED}
    assert (await viewers.get(1)).viewer.blocked == {2}


@given(st.sets(st.integers(1, 60)), st.lists(st.sets(st.integers(1, 60), min_size=1), max_size=6))
def test_viewers_with_more_marks_than_are_kept_get_the_same_answers(
    likes: set[int], pages: list[set[int]]
) -> None:
    """Whatever pages are asked for, in whatever order."""

    async def check() -> None:
        store = MemoryStore()
        await add(store, *(like(1, tweet_id) for tweet_id in likes), *map(retweet, [1], [30]))
        viewers = open_viewers(store, max_marks=4)
        for page in pages:
            found = await marks(viewers, 1, *page)
            assert {each for each in found if found[each] & Marks.LIKED} == likes & page
            assert {each for each in found if found[each] & Marks.RETWEETED} == {30} & page

    asyncio.run(check())


async def test_marks_that_were_looked_up_are_kept() -> None:
    """A page that is shown again reads nothing."""
    store = MemoryStore()
    await add(store, *(like(1, tweet_id) for tweet_id in range(10, 30)))
    viewers = open_viewers(store, max_marks=4)
    assert await marks(viewers, 1, 5, 15) == {15: Marks.LIKED}
    store.reads.clear()
    assert await marks(viewers, 1, 5, 15) == {15: Marks.LIKED}
    assert store.reads == {}


async def test_what_was_read_before_a_like_is_not_kept() -> None:
    """A read under way when the user likes a tweet may lack it."""
    store = PausableStore()
    server = Server(store)
    ann: Identity = await server.sign_up("ann")
    tweet = await server.post(ann)
    viewers = server.reading.viewers
    store.hold(FAVOURITES)
    under_way = asyncio.create_task(marks(viewers, ann.user_id, tweet.id))
    await store.held()
    await store.write(WriteBatch(liking(ann.user_id, tweet.id, server.ids())))
    viewers.forget(ann.user_id)
    store.release()
    assert await under_way == {}
    assert await marks(viewers, ann.user_id, tweet.id) == {tweet.id: Marks.LIKED}


async def test_blocks_hide_in_both_directions() -> None:
    """Who blocks is known apart."""
    store = MemoryStore()
    await add(store, *block(1, 2), *block(3, 1))
    known = await open_viewers(store).get(1)
    assert known.viewer.blocked == {2, 3}
    assert known.blocked_by == {3}
    assert not known.hides_nothing


async def test_a_timed_mute_ends_at_its_time_without_a_read() -> None:
    """Others stay, each for its own time."""
    store, clock = MemoryStore(), Clock()
    now_ms = clock.now_ms
    await add(store, mute(1, 2, now_ms + 100), mute(1, 3, now_ms + 200), mute(1, 4, now_ms))
    viewers = open_viewers(store, clock)

    async def muted() -> tuple[set[int], bool]:
        known = await viewers.get(1)
        return set(known.viewer.muted), known.hides_nothing

    assert await muted() == ({2, 3}, False)
    store.reads.clear()
    clock.now_ms = now_ms + 99
    assert await muted() == ({2, 3}, False)
    clock.now_ms = now_ms + 100
    assert await muted() == ({3}, False)
    clock.now_ms = now_ms + 200
    assert await muted() == (set(), True)
    assert store.reads == {}


async def test_muted_conversations_and_users_are_one_set() -> None:
    """Ids of both are Snowflakes."""
    store = MemoryStore()
    await add(store, mute(1, 2), mute_conversation(1, 500))
    assert (await open_viewers(store).get(1)).viewer.muted == {2, 500}


async def test_who_hides_more_than_is_read_at_once_hides_all_of_it() -> None:
    """What is beyond is looked up for the subjects of a page, and kept."""
    store, clock = MemoryStore(), Clock()
    for user_id in range(100, 110):
        await add(store, *block(1, user_id), *block(user_id + 100, 1))
        await add(store, mute(1, user_id + 200, clock.now_ms + 50))
        await add(store, mute_conversation(1, user_id + 300))
    viewers = open_viewers(store, clock, max_hidden=3)
    known: KnownViewer = await viewers.get(1)
    assert not known.hides_nothing
    await viewers.look_up_hidden(known, [109, 209, 309, 409, 7])
    assert {109, 209} <= known.viewer.blocked
    assert 7 not in known.viewer.blocked
    assert {309, 409} <= known.viewer.muted
    assert 209 in known.blocked_by
    store.reads.clear()
    await viewers.look_up_hidden(known, [109, 409, 7])
    assert store.reads == {}
    clock.now_ms += 50
    assert 309 not in (await viewers.get(1)).viewer.muted
    assert 409 in (await viewers.get(1)).viewer.muted
