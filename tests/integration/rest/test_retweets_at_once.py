"""A retweet is one, however many try at once, and goes with its original."""

import asyncio
from typing import Any

from tests.integration.http_world import Client, World

TRIES = 64


async def retweet(who: Client, tweet_id: str) -> tuple[int, str]:
    status, body, _ = await who.request("POST", f"/tweets/{tweet_id}/retweet", {})
    return status, body["retweetId"]


async def ids(who: Client, path: str, name: str = "tweets") -> list[str]:
    """What a list has, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = await who.ok("GET", f"{path}?limit=7{cursor}")
        found += [each["id"] for each in page[name]]
        if page["nextCursor"] is None:
            return found
        cursor = f"&cursor={page['nextCursor']}"


async def test_a_retweet_is_made_once(world: World) -> None:
    """By one of many requests at once; all others get the same."""
    ann, bob = [await world.user(name) for name in ("ann", "bob")]
    original = (await ann.ok("POST", "/tweets", {"text": "once"}))["tweetId"]
    answers = await asyncio.gather(*(retweet(bob, original) for _ in range(TRIES)))
    assert sorted(status for status, _ in answers) == [200] * (TRIES - 1) + [201]
    (retweet_id,) = {each for _, each in answers}
    assert (await ann.ok("GET", f"/tweets/{original}"))["retweetCount"] == 1
    assert await ids(ann, f"/tweets/{original}/retweeters", "users") == [bob.user_id]
    assert await ids(ann, f"/timeline/user/{bob.user_id}") == [retweet_id]
    # A retweet of the retweet is the same one again.
    assert await retweet(bob, retweet_id) == (200, retweet_id)


async def test_retweeting_and_taking_back_at_once_leaves_one_or_none(world: World) -> None:
    """And counts say which."""
    ann, bob = [await world.user(name) for name in ("ann", "bob")]
    original = (await ann.ok("POST", "/tweets", {"text": "to and fro"}))["tweetId"]
    path = f"/tweets/{original}/retweet"
    await asyncio.gather(
        *(bob.request("POST" if number % 2 else "DELETE", path) for number in range(TRIES))
    )
    shown = await bob.ok("GET", f"/tweets/{original}")
    people = await ids(ann, f"/tweets/{original}/retweeters", "users")
    assert (
        shown["retweetCount"] == len(people) == len(await ids(ann, f"/timeline/user/{bob.user_id}"))
    )
    assert shown["retweeted"] is (people == [bob.user_id])


async def test_counts_are_as_long_as_the_lists(world: World) -> None:
    """Of likes, retweets, quotes and replies made and taken back by many at once."""
    ann, *crowd = [await world.user(f"user{number}") for number in range(16)]
    original = (await ann.ok("POST", "/tweets", {"text": "crowded"}))["tweetId"]

    async def engage(who: Client, number: int) -> None:
        await retweet(who, original)
        await who.ok("POST", f"/tweets/{original}/like")
        await who.ok("POST", f"/tweets/{original}/retweet", {"comment": "see"})
        await who.ok("POST", "/tweets", {"text": "answer", "replyToTweetId": original})
        if number % 3 == 0:
            await who.ok("DELETE", f"/tweets/{original}/retweet")
            await who.ok("DELETE", f"/tweets/{original}/like")

    await asyncio.gather(*(engage(who, number) for number, who in enumerate(crowd)))
    shown = await ann.ok("GET", f"/tweets/{original}")
    of_tweet = f"/tweets/{original}"
    assert shown["retweetCount"] == len(await ids(ann, f"{of_tweet}/retweeters", "users")) == 10
    assert shown["likeCount"] == len(await ids(ann, f"{of_tweet}/likers", "users")) == 10
    assert shown["quoteCount"] == len(await ids(ann, f"{of_tweet}/quotes")) == 15
    assert shown["replyCount"] == len(await ids(ann, f"{of_tweet}/replies", "replies")) == 15


async def test_a_deleted_original_takes_its_retweets_with_it(world: World) -> None:
    """From every list; what quotes it says that it is deleted."""
    ann, bob, cyd = [await world.user(name) for name in ("ann", "bob", "cyd")]
    await cyd.ok("POST", f"/users/{bob.user_id}/follow")
    kept = (await bob.ok("POST", "/tweets", {"text": "kept"}))["tweetId"]
    original = (await ann.ok("POST", "/tweets", {"text": "first"}))["tweetId"]
    _, retweet_id = await retweet(bob, original)
    quote: dict[str, Any] = await bob.ok("POST", f"/tweets/{original}/retweet", {"comment": "see"})
    for path in (f"/tweets/{original}/like", f"/tweets/{original}/bookmark"):
        await cyd.ok("POST", path)
    await ann.ok("POST", f"/tweets/{original}/pin")
    assert await ids(cyd, "/timeline/home") == [quote["retweetId"], retweet_id, kept]
    await ann.ok("DELETE", f"/tweets/{original}")
    for who in (ann, bob, cyd):
        for path in (f"/tweets/{original}", f"/tweets/{retweet_id}"):
            for part in ("", "/retweeters", "/quotes", "/likers", "/context", "/history"):
                assert (await who.request("GET", path + part))[0] == 404, path + part
    left = [quote["retweetId"], kept]
    assert await ids(cyd, "/timeline/home") == left
    assert await ids(ann, f"/timeline/user/{bob.user_id}") == left
    for path in (f"/users/{cyd.user_id}/likes", "/bookmarks", f"/users/{ann.user_id}/pinned"):
        assert await ids(cyd, path) == []
    shown = await cyd.ok("GET", f"/tweets/{quote['retweetId']}")
    assert shown["quoteOf"] == {"id": original, "unavailable": "deleted"}
    await world.services.tweets.removals.settle()
    assert (await cyd.ok("GET", f"/users/{bob.user_id}"))["tweetsCount"] == 2
