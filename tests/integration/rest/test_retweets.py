"""Retweets, quotes, bookmarks, pins and visibilities over real HTTP."""

from typing import Any

import pytest

from tests.integration.http_world import Client, World


async def post(client: Client, text: str = "hello", **more: Any) -> str:
    found: str = (await client.ok("POST", "/tweets", {"text": text, **more}))["tweetId"]
    return found


async def ids(client: Client, path: str) -> list[str]:
    """Of the tweets of a list, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = await client.ok("GET", f"{path}?limit=2{cursor}")
        found += [each["id"] for each in page["tweets"]]
        if page["nextCursor"] is None:
            return found
        cursor = f"&cursor={page['nextCursor']}"


async def test_a_retweet_is_made_once_and_shows_the_original(world: World) -> None:
    """201 for the first, 200 for the next; both with the whole of what it shows."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweet = await post(ada)
    status, first, _ = await bob.request("POST", f"/tweets/{tweet}/retweet", {})
    assert status == 201
    assert first["tweet"]["id"] == first["retweetId"]
    shown = first["tweet"]["retweetOf"]
    assert (shown["id"], shown["retweetCount"], shown["retweeted"]) == (tweet, 1, True)
    left_out: tuple[dict[str, str] | None, ...] = ({}, None)
    for body in left_out:
        status, again, _ = await bob.request("POST", f"/tweets/{first['retweetId']}/retweet", body)
        assert (status, again) == (200, first)
    users = (await ada.ok("GET", f"/tweets/{tweet}/retweeters"))["users"]
    assert [each["username"] for each in users] == ["bob"]
    assert (await ada.ok("GET", f"/tweets/{tweet}"))["retweeted"] is False
    assert first["retweetId"] in await ids(bob, "/timeline/home")


async def test_taking_a_retweet_back(world: World) -> None:
    """200 whether there was one or not, with the count of what may be seen."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweet = await post(ada)
    await bob.ok("POST", f"/tweets/{tweet}/retweet", {})
    done = {"message": "Retweet taken back", "retweeted": False, "retweetCount": 0}
    for asked in (tweet, tweet, "999"):
        assert await bob.ok("DELETE", f"/tweets/{asked}/retweet") == done
    assert (await bob.ok("GET", f"/tweets/{tweet}"))["retweetCount"] == 0
    assert await ids(bob, f"/timeline/user/{bob.user_id}") == []


async def test_quotes_show_what_they_quote(world: World) -> None:
    """By a comment or by `quoteTweetId`; the quoted tweet may go."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweet = await post(ada)
    status, quote, _ = await bob.request("POST", f"/tweets/{tweet}/retweet", {"comment": "look"})
    assert (status, quote["tweet"]["quoteOf"]["id"]) == (201, tweet)
    other = await post(bob, "here", quoteTweetId=tweet)
    assert await ids(ada, f"/tweets/{tweet}/quotes") == [other, quote["retweetId"]]
    assert (await ada.ok("GET", f"/tweets/{tweet}"))["quoteCount"] == 2
    await ada.ok("DELETE", f"/tweets/{tweet}")
    shown = (await bob.ok("GET", f"/tweets/{other}"))["quoteOf"]
    assert shown == {"id": tweet, "unavailable": "deleted"}


async def test_a_key_repeats_the_answer_of_a_quote(world: World) -> None:
    """With the status of the first time."""
    ada = await world.user("ada")
    tweet = await post(ada)
    answers = [
        await ada.request(
            "POST", f"/tweets/{tweet}/retweet", {"comment": "look"}, {"Idempotency-Key": "k"}
        )
        for _ in range(2)
    ]
    assert [status for status, _, _ in answers] == [201, 201]
    assert answers[0][1] == answers[1][1]
    assert len(await ids(ada, f"/tweets/{tweet}/quotes")) == 1


@pytest.mark.parametrize("visibility", ["followers", "mentioned"])
async def test_who_may_see_a_tweet(world: World, visibility: str) -> None:
    """Followers see the one, whom it mentions both; others get what they get for no tweet."""
    ada, bob, cat, dan = [await world.user(name) for name in ("ada", "bob", "cat", "dan")]
    await cat.ok("POST", f"/users/{ada.user_id}/follow")
    before = await dan.ok("GET", f"/users/{ada.user_id}")
    tweet = await post(ada, "@bob hi", visibility=visibility)
    for client, sees in (
        (ada, True),
        (bob, True),
        (cat, visibility == "followers"),
        (dan, False),
        (world.nobody, False),
    ):
        status, answer, _ = await client.request("GET", f"/tweets/{tweet}")
        assert status == (200 if sees else 404)
        if sees:
            assert answer["visibility"] == visibility
        else:
            assert answer == (await client.request("GET", "/tweets/999"))[1]
        assert (tweet in await ids(client, f"/timeline/user/{ada.user_id}")) == sees
    assert await ids(bob, "/timeline/home") == []
    assert before["username"] == "ada"
    status, answer, _ = await bob.request("POST", f"/tweets/{tweet}/retweet", {})
    assert (status, answer["code"]) == (403, "forbidden")
    status, answer, _ = await dan.request("POST", f"/tweets/{tweet}/retweet", {})
    absent = (await dan.request("POST", "/tweets/999/retweet", {}))[:2]
    assert (status, answer) == absent
    assert status == 404


async def test_an_unknown_visibility_is_refused(world: World) -> None:
    """With the field."""
    ada = await world.user("ada")
    status, answer, _ = await ada.request("POST", "/tweets", {"text": "x", "visibility": "secret"})
    assert (status, answer["code"]) == (400, "invalid_request")


async def test_bookmarks_are_ones_own(world: World) -> None:
    """Newest bookmark first; the flag is in the viewer's tweets, and in nobody else's."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweets = [await post(ada, str(number)) for number in range(4)]
    for tweet in (tweets[2], tweets[0], tweets[3], tweets[0]):
        answer = await bob.ok("POST", f"/tweets/{tweet}/bookmark")
    assert answer == {"message": "Tweet bookmarked", "bookmarked": True}
    assert await ids(bob, "/bookmarks") == [tweets[3], tweets[0], tweets[2]]
    assert await ids(ada, "/bookmarks") == []
    assert (await world.nobody.request("GET", "/bookmarks"))[0] == 401
    assert (await bob.ok("GET", f"/tweets/{tweets[0]}"))["bookmarked"] is True
    assert (await ada.ok("GET", f"/tweets/{tweets[0]}"))["bookmarked"] is False
    for _ in range(2):
        answer = await bob.ok("DELETE", f"/tweets/{tweets[0]}/bookmark")
    assert answer == {"message": "Bookmark removed", "bookmarked": False}
    await ada.ok("DELETE", f"/tweets/{tweets[3]}")
    assert await ids(bob, "/bookmarks") == [tweets[2]]


async def test_pins_stand_on_the_profile(world: World) -> None:
    """At most five, newest pin first, with the count and the flag."""
    ada, bob = await world.user("ada"), await world.user("bob")
    tweets = [await post(ada, str(number)) for number in range(6)]
    for tweet in tweets[:5]:
        assert (await ada.ok("POST", f"/tweets/{tweet}/pin"))["pinned"] is True
    status, answer, _ = await ada.request("POST", f"/tweets/{tweets[5]}/pin")
    assert (status, answer["code"]) == (409, "conflict")
    assert (await bob.request("POST", f"/tweets/{tweets[0]}/pin"))[0] == 403
    for path in (f"/users/{ada.user_id}/pinned", "/users/by/username/ada/pinned"):
        assert await ids(bob, path) == tweets[4::-1]
    assert (await bob.ok("GET", f"/users/{ada.user_id}"))["pinnedCount"] == 5
    assert (await bob.ok("GET", f"/tweets/{tweets[0]}"))["pinned"] is True
    await ada.ok("DELETE", f"/tweets/{tweets[0]}/pin")
    await ada.ok("DELETE", f"/tweets/{tweets[1]}")
    assert (await bob.ok("GET", f"/users/{ada.user_id}"))["pinnedCount"] == 3
    assert (await bob.ok("GET", f"/tweets/{tweets[0]}"))["pinned"] is False
    await ada.ok("POST", f"/tweets/{tweets[5]}/pin")


async def test_deleting_the_original_takes_its_retweets_everywhere(world: World) -> None:
    """From homes, the retweeter's timeline, bookmarks and counts."""
    ada, bob, cat = [await world.user(name) for name in ("ada", "bob", "cat")]
    await cat.ok("POST", f"/users/{bob.user_id}/follow")
    tweet = await post(ada)
    retweet = (await bob.ok("POST", f"/tweets/{tweet}/retweet", {}))["retweetId"]
    await cat.ok("POST", f"/tweets/{retweet}/bookmark")
    assert await ids(cat, "/timeline/home") == [retweet]
    await ada.ok("DELETE", f"/tweets/{tweet}")
    for client, path in (
        (cat, "/timeline/home"),
        (cat, "/bookmarks"),
        (bob, f"/timeline/user/{bob.user_id}"),
    ):
        assert await ids(client, path) == []
    assert (await cat.request("GET", f"/tweets/{retweet}"))[0] == 404
    assert (await cat.ok("GET", f"/users/{bob.user_id}"))["tweetsCount"] == 0
