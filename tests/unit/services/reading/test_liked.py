"""The viewers' likes, as pages need them."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.models import Identity
from rookery.services.reading.liked import TTL_MS, LikedTweets
from rookery.store.engine import Insert, WriteBatch
from rookery.store.records.engagement import liking
from rookery.store.schema import FAVOURITES
from tests.unit.memory_store import MemoryStore
from tests.unit.services.server import Clock, PausableStore, Server


async def _likes(store: MemoryStore, user_id: int, *tweet_ids: int) -> None:
    rows = [{"user_id": user_id, "tweet_id": i, "favourite_id": 10_000 + i} for i in tweet_ids]
    await store.write(WriteBatch(tuple(Insert(FAVOURITES.name, row) for row in rows)))


async def test_one_read_serves_all_viewers_who_ask_at_once() -> None:
    """And the next page above the same id needs none."""
    store = MemoryStore()
    await _likes(store, 1, 50, 60)
    liked = LikedTweets(store, Clock())
    first, second = liked.among(1, [60, 55, 50]), liked.among(2, [60, 50])
    answers = tuple(await asyncio.gather(first, second))
    assert answers == ({60, 50}, set())
    assert await liked.among(1, [70, 60]) == {60}
    assert store.reads == {"select_many": 1}


async def test_a_deeper_page_is_read_although_a_newer_one_is_known() -> None:
    """Nothing is known below the lowest id that was asked for."""
    store = MemoryStore()
    await _likes(store, 1, 10, 50)
    liked = LikedTweets(store, Clock())
    assert await liked.among(1, [50]) == {50}
    assert await liked.among(1, [50, 10]) == {50, 10}


async def test_likes_made_elsewhere_are_seen_even_if_nobody_tells() -> None:
    """The longest that another gateway may lag."""
    store, clock = MemoryStore(), Clock()
    liked = LikedTweets(store, clock)
    assert await liked.among(1, [50]) == set()
    await _likes(store, 1, 50)
    clock.now_ms += TTL_MS
    assert await liked.among(1, [50]) == {50}


@given(st.sets(st.integers(1, 60)), st.lists(st.sets(st.integers(1, 60), min_size=1), max_size=6))
@settings(max_examples=50)
def test_viewers_with_more_likes_than_are_kept_get_the_same_answers(
    likes: set[int], pages: list[set[int]]
) -> None:
    """Whatever pages are asked for, in whatever order."""

    async def check() -> None:
        store = MemoryStore()
        await _likes(store, 1, *likes)
        liked = LikedTweets(store, Clock(), max_likes=4)
        for page in pages:
            assert await liked.among(1, sorted(page, reverse=True)) == likes & page

    asyncio.run(check())


async def test_what_was_read_before_a_like_is_not_kept() -> None:
    """A read under way when the user likes a tweet may lack it."""
    store = PausableStore()
    server = Server(store)
    ann: Identity = await server.sign_up("ann")
    tweet = await server.post(ann)
    store.hold(FAVOURITES)
    under_way = asyncio.create_task(server.liked.among(ann.user_id, [tweet.id]))
    await store.held()
    await store.write(WriteBatch(liking(ann.user_id, tweet.id, server.ids())))
    server.liked.changed(ann.user_id)
    store.release()
    assert await under_way == set()
    assert await server.liked.among(ann.user_id, [tweet.id]) == {tweet.id}
