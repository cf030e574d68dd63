"""Lists and single tweets over HTTP, for whom they are and for whom not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from rookery.services.ports import Invalidation
from rookery.store.engine import WriteBatch
from rookery.store.records.graph import follow_operations
from tests.integration.http_world import Client, World, http_world
from tests.unit.memory_store import MemoryStore
from tests.unit.services.reading.rows import add, block, mute


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    return MemoryStore()


@pytest_asyncio.fixture
async def world(store: MemoryStore) -> AsyncIterator[World]:
    async with http_world(store=store) as made:
        yield made


async def answer(client: Client, path: str) -> tuple[int, Any]:
    status, body, _ = await client.request("GET", path)
    return status, body


def tweet_paths(tweet_id: str) -> list[str]:
    """Every list and value that belongs to one tweet."""
    parts = (
        "", "/history", "/replies", "/conversation", "/context",
        "/likers", "/retweeters", "/quotes", "/engagements",
    )  # fmt: skip
    return [f"/tweets/{tweet_id}{part}" for part in parts]


def list_paths(user_id: str, username: str) -> list[str]:
    """The lists of a user."""
    return [
        f"/timeline/user/{user_id}",
        f"/users/{username}/tweets",
        f"/users/{username}/tweets?page=2",
        f"/users/{user_id}/likes",
        f"/users/{user_id}/pinned",
        f"/users/{user_id}/followers",
        f"/users/{user_id}/following",
    ]


async def test_a_private_account_shows_its_profile_and_nothing_else(
    world: World, store: MemoryStore
) -> None:
    """403 for its lists, and for its tweets the very answer of one that is not there."""
    ann, bob, cyd = [await world.user(name) for name in ("ann", "bob", "cyd")]
    tweet = (await bob.ok("POST", "/tweets", {"text": "his"}))["tweetId"]
    edge = follow_operations(int(cyd.user_id), int(bob.user_id), 5)
    await store.write(WriteBatch(edge))
    await bob.ok("PATCH", f"/users/{bob.user_id}", {"isPrivate": True})
    for stranger in (ann, world.nobody):
        assert (await answer(stranger, f"/users/{bob.user_id}"))[1]["isPrivate"] is True
        for path in list_paths(bob.user_id, "bob"):
            status, body = await answer(stranger, path)
            assert (status, body["code"]) == (403, "protected"), path
        for path, absent in zip(tweet_paths(tweet), tweet_paths("999"), strict=True):
            assert await answer(stranger, path) == await answer(stranger, absent)
            assert (await answer(stranger, path))[0] == 404
    for friend in (bob, cyd):
        for path in (*list_paths(bob.user_id, "bob"), *tweet_paths(tweet)):
            assert (await answer(friend, path))[0] == 200, path
    for method, expected in (("POST", 404), ("DELETE", 200)):
        for path in ("like", "retweet", "bookmark", "pin"):
            body = {} if (method, path) == ("POST", "retweet") else None
            there = await ann.request(method, f"/tweets/{tweet}/{path}", body)
            absent_answer = await ann.request(method, f"/tweets/999/{path}", body)
            assert there[:2] == absent_answer[:2]
            assert there[0] == expected, path


async def test_who_is_blocked_finds_nobody(world: World, store: MemoryStore) -> None:
    """Lists and tweets as if the user did not exist; gone from the lists of others."""
    ann, bob, cyd = [await world.user(name) for name in ("ann", "bob", "cyd")]
    root = (await cyd.ok("POST", "/tweets", {"text": "root"}))["tweetId"]
    replies = [
        await who.ok("POST", "/tweets", {"text": "reply", "replyToTweetId": root})
        for who in (ann, bob, ann, bob, cyd)
    ]
    for who in (ann, bob, cyd):
        await who.ok("POST", f"/tweets/{root}/like")
    await add(store, *block(int(ann.user_id), int(bob.user_id)))
    world.services.reading.invalidate(Invalidation(viewers=[int(ann.user_id), int(bob.user_id)]))
    for path, absent in zip(
        list_paths(ann.user_id, "ann"), list_paths("999", "nobody"), strict=True
    ):
        assert await answer(bob, path) == await answer(bob, absent), path
    for path, absent in zip(tweet_paths(replies[0]["tweetId"]), tweet_paths("999"), strict=True):
        assert await answer(bob, path) == await answer(bob, absent), path
    for who, seen in ((ann, (0, 2, 4)), (bob, (1, 3, 4)), (cyd, range(5))):
        expected = [replies[number]["tweetId"] for number in seen]
        page = await who.ok("GET", f"/tweets/{root}/replies?limit={len(expected)}")
        assert [tweet["id"] for tweet in page["replies"]] == expected
        assert page["nextCursor"] is None
        page = await who.ok("GET", f"/tweets/{root}/conversation")
        assert [tweet["id"] for tweet in page["tweets"]] == [root, *expected]
        page = await who.ok("GET", f"/tweets/{root}/context")
        assert [tweet["id"] for tweet in page["descendants"]] == expected
    likers = (await bob.ok("GET", f"/tweets/{root}/likers"))["users"]
    assert [user["username"] for user in likers] == ["cyd", "bob"]


async def test_home_leaves_out_the_muted_and_fills_the_page(
    world: World, store: MemoryStore
) -> None:
    """With the cursor of the last tweet shown; the muted user's own timeline is there."""
    ann, bob, cyd = [await world.user(name) for name in ("ann", "bob", "cyd")]
    for who in (bob, cyd):
        await ann.ok("POST", f"/users/{who.user_id}/follow")
    kept = []
    for number in range(9):
        await bob.ok("POST", "/tweets", {"text": f"b{number}"})
        if number % 2 == 0:
            kept.append((await cyd.ok("POST", "/tweets", {"text": f"c{number}"}))["tweetId"])
    kept.reverse()
    await add(store, mute(int(ann.user_id), int(bob.user_id)))
    world.services.reading.invalidate(Invalidation(viewers=[int(ann.user_id)]))
    first = await ann.ok("GET", "/timeline/home?limit=3")
    assert [tweet["id"] for tweet in first["tweets"]] == kept[:3]
    rest = await ann.ok("GET", f"/timeline/home?limit=3&cursor={first['nextCursor']}")
    assert [tweet["id"] for tweet in rest["tweets"]] == kept[3:]
    assert rest["nextCursor"] is None
    own = await ann.ok("GET", f"/timeline/user/{bob.user_id}")
    assert len(own["tweets"]) == 9
