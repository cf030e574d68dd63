"""Bookmarks."""

import asyncio
import random

import pytest

from rookery.errors import InvalidRequest, NotFound, Unavailable
from rookery.services.ports import Invalidation
from rookery.services.reading.shown import Marks
from rookery.store.engine import WriteBatch
from rookery.store.schema import BOOKMARKERS, BOOKMARKS
from tests.unit.services.server import Server
from tests.unit.services.tweets.people import block


async def test_bookmarking_twice_changes_nothing() -> None:
    """Both directions are there once, and gone together."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert await server.bookmarks.add(ann, tweet.id)
    assert not await server.bookmarks.add(ann, tweet.id)
    assert len(server.store.documents(BOOKMARKS)) == len(server.store.documents(BOOKMARKERS)) == 1
    assert await server.bookmarks.remove(ann, tweet.id)
    assert not await server.bookmarks.remove(ann, tweet.id)
    assert server.store.documents(BOOKMARKS) == server.store.documents(BOOKMARKERS) == []


async def test_a_storm_leaves_both_directions_alike() -> None:
    """Whatever order it takes."""
    server = Server()
    users = [await server.sign_up(f"user{number}") for number in range(3)]
    tweets = [await server.post(users[0]) for _ in range(3)]
    chance = random.Random(4)
    acts = (server.bookmarks.add, server.bookmarks.remove)
    await asyncio.gather(
        *(chance.choice(acts)(chance.choice(users), chance.choice(tweets).id) for _ in range(200))
    )
    pairs = {(row["user_id"], row["tweet_id"]) for row in server.store.documents(BOOKMARKS)}
    others = {(row["user_id"], row["tweet_id"]) for row in server.store.documents(BOOKMARKERS)}
    assert pairs == others


async def test_bookmarks_are_newest_first_in_full_pages() -> None:
    """By the moment of bookmarking; what is deleted or hidden since is left out."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweets = [await server.post(bob if number % 3 == 1 else ann) for number in range(9)]
    order = random.Random(2).sample(tweets, 9)
    for tweet in order:
        await server.bookmarks.add(ann, tweet.id)
    await block(server, bob, ann)
    await server.tweets.delete(ann, tweets[0].id)
    kept = [each.id for each in reversed(order) if each.author_id != bob.user_id]
    kept.remove(tweets[0].id)
    found: list[int] = []
    before = 0
    while True:
        page = await server.bookmarks.own(ann, before, 2)
        found += [each.id for each in page.tweets]
        before = page.next_id
        if not before:
            break
        assert len(page.tweets) == 2
    assert found == kept
    with pytest.raises(InvalidRequest):
        await server.bookmarks.own(ann, 0, 101)


async def test_only_what_one_sees_is_bookmarked_and_anything_unbookmarked() -> None:
    """The two answers are the same for what is hidden and for what never was."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    tweet, other = await server.post(ann), await server.post(ann)
    await server.bookmarks.add(bob, tweet.id)
    await block(server, ann, bob)
    for hidden in (other.id, 404):
        with pytest.raises(NotFound, match="Tweet not found"):
            await server.bookmarks.add(bob, hidden)
        assert not await server.bookmarks.remove(bob, hidden)
    assert await server.bookmarks.remove(bob, tweet.id)


async def test_ones_own_bookmark_is_seen_in_the_next_read() -> None:
    """In every process; nobody else is told."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert (await server.reading.one(ann.user_id, tweet.id)).marks == 0
    await server.bookmarks.add(ann, tweet.id)
    assert server.broadcasts.sent[-1] == Invalidation(viewers=[ann.user_id])
    assert (await server.reading.one(ann.user_id, tweet.id)).marks == Marks.BOOKMARKED
    await server.bookmarks.remove(ann, tweet.id)
    assert (await server.reading.one(ann.user_id, tweet.id)).marks == 0


async def test_a_bookmark_of_unknown_outcome_is_not_hidden_by_the_cache() -> None:
    """The store took it, but the answer was lost: the next read asks the store."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)
    assert (await server.reading.one(ann.user_id, tweet.id)).marks == 0
    write = server.store.write

    async def losing_the_answer(batch: WriteBatch) -> None:
        await write(batch)
        raise Unavailable()

    server.store.write = losing_the_answer  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await server.bookmarks.add(ann, tweet.id)
    assert (await server.reading.one(ann.user_id, tweet.id)).marks == Marks.BOOKMARKED


async def test_a_tweet_deleted_meanwhile_is_not_bookmarked() -> None:
    """Deleted between the look and the write."""
    server = Server()
    ann = await server.sign_up("ann")
    tweet = await server.post(ann)

    async def delete_first(batch: WriteBatch) -> None:
        server.store.before_write = None
        await server.tweets.delete(ann, tweet.id)

    server.store.before_write = delete_first
    with pytest.raises(NotFound):
        await server.bookmarks.add(ann, tweet.id)
    assert server.store.documents(BOOKMARKS) == server.store.documents(BOOKMARKERS) == []
